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

/// A target of our own, with the imports that its level may have.
func target(_ name: String, _ dependencies: [Target.Dependency], isPure: Bool = false) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: isPure ? pure : common)
}

func tests(
    _ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []
) -> Target {
    .testTarget(
        name: name, dependencies: dependencies, exclude: exclude, swiftSettings: common)
}

let package = Package(
    name: "swiftlet",
    products: [.executable(name: "swiftlet", targets: ["swiftlet"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // C: what the system gives, and our own C.
        .systemLibrary(name: "CZeroMQ", providers: [.apt(["libzmq3-dev"])]),
        .systemLibrary(name: "CProtobufC", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .target(name: "CMessages", dependencies: ["CProtobufC"]),
        .target(name: "CKernels"),
        .target(name: "CPlatform"),

        // Level 0: shared words.
        target("Basics", ["CPlatform"], isPure: true),
        target("Wire", ["Basics"], isPure: true),

        // Level 1: the machines, which do not know each other.
        target("Membership", ["Basics", "Wire"], isPure: true),
        target("Election", ["Basics", "Wire"], isPure: true),
        target("Scheduling", ["Basics", "Wire"], isPure: true),
        target("Planning", ["Basics", "Wire"], isPure: true),
        target("Provenance", ["Basics"], isPure: true),
        target("RISCV", ["Basics", "CPlatform"], isPure: true),
        target("Inference", ["Basics", "CKernels"], isPure: true),

        // Level 2: one node.
        target(
            "NodeLogic",
            ["Basics", "Wire", "Membership", "Election", "Scheduling", "Planning"], isPure: true),

        // Level 3: each to its own piece of the world.
        target("Messages", ["Basics", "Wire", "CMessages", "CProtobufC"]),
        target("Transport", ["Basics", "Wire", "Messages", "CZeroMQ"]),
        target("Identity", ["Basics", "Provenance", "COpenSSL"]),
        target(
            "Store", ["Basics", .product(name: "GRDB", package: "GRDB.swift")]),
        target(
            "API",
            [
                "Basics", .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        target(
            "Simulation",
            [
                "Basics", "Wire", "Membership", "Election", "Scheduling", "Planning", "NodeLogic",
            ], isPure: true),

        // Level 4: the live driver.
        target(
            "Runtime",
            [
                "API", "Basics", "CPlatform", "Election", "Identity", "Inference", "Membership",
                "Messages", "NodeLogic", "Planning", "Provenance", "RISCV", "Scheduling", "Store",
                "Transport", "Wire", .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),

        // Level 5: the program.
        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "API", "Basics", "Inference", "Messages", "NodeLogic", "RISCV", "Runtime",
                "Simulation", "Wire",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ], swiftSettings: common),

        // Tests mirror the targets; the last ones need the whole.
        tests("BasicsTests", ["Basics"]),
        tests("MembershipTests", ["Basics", "Membership", "Wire"]),
        tests("ElectionTests", ["Basics", "Election", "Wire"]),
        tests("SchedulingTests", ["Basics", "Scheduling", "Wire"]),
        tests("PlanningTests", ["Basics", "Planning", "Wire"]),
        tests("ProvenanceTests", ["Basics", "Provenance"]),
        tests("RISCVTests", ["Basics", "RISCV"], exclude: ["Floats"]),
        tests("InferenceTests", ["Basics", "Inference"]),
        tests(
            "NodeLogicTests",
            ["Basics", "Election", "NodeLogic", "Planning", "Scheduling", "Wire"]),
        tests(
            "MessagesTests",
            [
                "Basics", "CZeroMQ", "Election", "Messages", "NodeLogic", "Planning", "Scheduling",
                "Transport", "Wire",
            ]),
        tests("TransportTests", ["Basics", "CZeroMQ", "Messages", "Transport", "Wire"]),
        tests("IdentityTests", ["Basics", "Identity", "Provenance"]),
        tests("StoreTests", ["Basics", "Store"]),
        tests(
            "APITests",
            [
                "API", "Basics", .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        tests(
            "RuntimeTests",
            [
                "Basics", "Identity", "Membership", "Provenance", "RISCV", "Runtime", "Scheduling",
                "Store", "Wire", .product(name: "Logging", package: "swift-log"),
            ]),
        tests(
            "SimulationTests",
            [
                "Basics", "Election", "Messages", "NodeLogic", "Planning", "Scheduling",
                "Simulation", "Wire",
            ]),
        tests(
            "ConformanceTests", ["Basics", "Inference", "RISCV", "Runtime"],
            exclude: ["Clients", "Templates"]),
        tests("ClusterTests", ["Basics", "Identity"]),
        tests("SoundnessTests", []),
    ]
)
