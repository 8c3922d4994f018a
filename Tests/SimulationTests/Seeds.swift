import Foundation

/// How many seeds a property is tried with: its own number, times `SWIFTLET_SEEDS` in the
/// environment, for a night's run.
func seeds(_ count: UInt64) -> Range<UInt64> {
    let factor = ProcessInfo.processInfo.environment["SWIFTLET_SEEDS"].flatMap { UInt64($0) } ?? 1
    return 0..<count * max(factor, 1)
}
