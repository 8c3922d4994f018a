/// Which guest registers a program uses most while it runs, by samples of its traces.
///
/// Translated code keeps some guest registers in host registers all the time; which ones is
/// chosen for the program, and again where another choice has become clearly better. Samples are
/// taken where a stretch of instructions ends, so that a trace counts by how often it runs. No
/// result depends on any of this.
struct RegisterProfile {
    /// After so many samples there may be another choice.
    private static let sampleCountMax = 256
    /// Instructions from sample to sample: at first few, because a program may be short.
    private(set) var stride: Int64
    private let strideNext: Int64
    private var uses = [Int](repeating: 0, count: Registers.count)
    private var sampleCount = 0

    init(stride: Int64) {
        precondition(stride > 0 && stride < 1 << 32)
        self.stride = stride
        strideNext = 20 * stride
    }

    /// Whether enough is known to choose by.
    var isComplete: Bool { sampleCount >= Self.sampleCountMax }

    mutating func note(_ records: TraceRecords) {
        sampleCount += 1
        for item in records.items {
            let o = item.operation
            if o.destination != Registers.sink { uses[Int(o.destination)] += 1 }
            switch Self.sourceCount(o.code) {
            case 3:
                uses[Int(o.first)] += 1
                uses[Int(o.second)] += 1
                uses[Int(o.third)] += 1
            case 2:
                uses[Int(o.first)] += 1
                uses[Int(o.second)] += 1
            case 1: uses[Int(o.first)] += 1
            default: break
            }
        }
    }

    /// The registers of a range that deserve the places of `current`; nil where they are not used
    /// clearly more.
    func choice(insteadOf current: [UInt8], from range: Range<UInt8>) -> [UInt8]? {
        let isCurrent = { (slot: UInt8) in current.contains(slot) }
        let best = range.sorted { left, right in
            let (a, b) = (uses[Int(left)], uses[Int(right)])
            if a != b { return a > b }
            // Where it makes no difference nothing moves.
            if isCurrent(left) != isCurrent(right) { return isCurrent(left) }
            return left < right
        }.prefix(current.count)
        let now = current.reduce(0) { $0 + uses[Int($1)] }
        let then = best.reduce(0) { $0 + uses[Int($1)] }
        let all = range.reduce(0) { $0 + uses[Int($1)] }
        guard (then - now) * 16 > all else { return nil }
        // Who stays keeps its place.
        var newcomers = best.filter { !isCurrent($0) }
        return current.map { best.contains($0) ? $0 : newcomers.removeFirst() }
    }

    /// Begins anew: programs have phases.
    mutating func restart() {
        sampleCount = 0
        stride = strideNext
        for slot in uses.indices { uses[slot] = 0 }
    }

    /// How many of the fields for sources an instruction uses.
    private static func sourceCount(_ code: Operation.Code) -> Int {
        switch code {
        case .constant, .jump, .call, .fence, .fencei, .ecall, .ebreak, .illegal, .fetchFault,
            .csrrwi, .csrrsi, .csrrci:
            0
        case .addi, .slti, .sltiu, .xori, .ori, .andi, .slli, .srli, .srai, .addiw, .slliw,
            .srliw, .sraiw, .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flw, .fld, .jalr, .csrrw,
            .csrrs, .csrrc, .fsqrt, .fclass, .fcvtwf, .fcvtwuf, .fcvtlf, .fcvtluf, .fcvtfw,
            .fcvtfwu, .fcvtfl, .fcvtflu, .fcvtsd, .fcvtds, .fmvxw, .fmvwx, .fmvxd, .fmvdx:
            1
        case .fmadd, .fmsub, .fnmsub, .fnmadd: 3
        default: 2
        }
    }
}
