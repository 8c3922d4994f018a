// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .treatAllWarnings(as: .error),
]
/// Targets that may not touch raw memory: an `unsafe` expression needs the word in the source.
let pure = common + [.strictMemorySafety()]

let package = Package(
    name: "swiftlet",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "Basics", swiftSettings: pure),
        .target(
            name: "Store",
            dependencies: [
                "Basics", "COpenSSL", .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: common),
        .testTarget(name: "StoreTests", dependencies: ["Basics", "Store"], swiftSettings: common),
    ]
)
