/// What one instruction does to memory.
struct Access: Hashable, Sendable {
    var address: UInt64
    var byteCount: UInt64
    var isRead: Bool
    var isWrite: Bool
}

extension Operation {
    /// The access that a load, a store or an atomic makes with these registers; nil of all others.
    func access(_ x: Registers) -> Access? {
        switch code {
        case .lb, .lh, .lw, .ld, .lbu, .lhu, .lwu, .flh, .flw, .fld:
            Access(
                address: x[first] &+ offset, byteCount: Machine.byteCount(code), isRead: true,
                isWrite: false)
        case .sb, .sh, .sw, .sd, .fsh, .fsw, .fsd:
            Access(
                address: x[first] &+ offset, byteCount: Machine.byteCount(code), isRead: false,
                isWrite: true)
        case .cbozero:
            Access(
                address: x[first] & ~(Extension.blockByteCount - 1),
                byteCount: Extension.blockByteCount, isRead: false, isWrite: true)
        case .lrw, .lrd:
            Access(
                address: x[first], byteCount: code == .lrw ? 4 : 8, isRead: true, isWrite: false)
        case .scw, .scd:
            // Without its reservation it stores nothing.
            x[Registers.reservation] == x[first]
                ? Access(
                    address: x[first], byteCount: code == .scw ? 4 : 8, isRead: false,
                    isWrite: true) : nil
        case .amoswapw, .amoaddw, .amoxorw, .amoandw, .amoorw, .amominw, .amomaxw, .amominuw,
            .amomaxuw:
            Access(address: x[first], byteCount: 4, isRead: true, isWrite: true)
        case .amoswapd, .amoaddd, .amoxord, .amoandd, .amoord, .amomind, .amomaxd, .amominud,
            .amomaxud:
            Access(address: x[first], byteCount: 8, isRead: true, isWrite: true)
        default: nil
        }
    }
}
