/// The floats that programs use most, by the host and inside the loop.
///
/// Where `Frame+Float` says that the host is right the result is taken; all else is left to
/// `executeRare`, which knows every case. The trace has seen to it that the instruction rounds to
/// nearest or as frm says, and of which format it is.
extension Frame {
    /// Executes an operation that the trace has narrowed; false, and nothing done, where the host
    /// may not, and for all others.
    // Transparent, because the optimizer stops inlining where a caller has become as large as
    // the loop; a call costs more than the operation.
    @_transparent
    func executeFloat(_ o: Record) -> Bool {
        switch o.code {
        case .faddDouble: return take(o, double(o.first) + double(o.second))
        case .fsubDouble: return take(o, double(o.first) - double(o.second))
        case .fmulDouble: return take(o, double(o.first) * double(o.second))
        case .fdivDouble: return take(o, double(o.first) / double(o.second))
        case .fmaddDouble: return fuse(o, double(o.first), double(o.third))
        case .fmsubDouble: return fuse(o, double(o.first), -double(o.third))
        case .fnmsubDouble: return fuse(o, -double(o.first), double(o.third))
        case .fnmaddDouble: return fuse(o, -double(o.first), -double(o.third))
        case .faddSingle: return take(o, single(o.first) + single(o.second))
        case .fsubSingle: return take(o, single(o.first) - single(o.second))
        case .fmulSingle: return take(o, single(o.first) * single(o.second))
        case .fdivSingle: return take(o, single(o.first) / single(o.second))
        case .fmaddSingle: return fuse(o, single(o.first), single(o.third))
        case .fmsubSingle: return fuse(o, single(o.first), -single(o.third))
        case .fnmsubSingle: return fuse(o, -single(o.first), single(o.third))
        case .fnmaddSingle: return fuse(o, -single(o.first), -single(o.third))
        case .feqDouble: return relate(o) { $0 == $1 }
        case .fltDouble: return relate(o) { $0 < $1 }
        case .fleDouble: return relate(o) { $0 <= $1 }
        case .fcopyDouble: x[o.destination] = x[o.first]
        // 32 bits fit: nothing is rounded.
        case .fcvtDoubleWord: x[o.destination] = Double(low(o.first)).bitPattern
        case .flw:
            let address = x[o.first] &+ o.offset
            guard memory.allows(PageBits.read, UInt32.self, at: address) else { return false }
            // NaN-boxed (ISA manual, "NaN Boxing of Narrower Values").
            x[o.destination] = Self.box | UInt64(memory.load(UInt32.self, at: address))
        default: return false
        }
        return true
    }

    private static var box: UInt64 { 0xffff_ffff_0000_0000 }

    /// A single in its box; what is outside of one becomes a NaN, whose results are not taken.
    @inline(__always) private func single(_ slot: UInt8) -> Float {
        let bits = x[slot]
        return Float(bitPattern: bits >= Self.box ? UInt32(truncatingIfNeeded: bits) : ~0)
    }

    /// frm is to nearest, and inexact is already raised: no other flag can be due to a result
    /// that is plain.
    @inline(__always) private var isHostRight: Bool { x[Registers.fcsr] & 0xe1 == 1 }

    /// Exponent fields 2...2045: finite, normal, and not rounded up from below the normals.
    @inline(__always) private func take(_ o: Record, _ result: Double) -> Bool {
        let bits = result.bitPattern
        guard isHostRight, (bits &>> 52 & 0x7ff) &- 2 < 2044 else { return false }
        x[o.destination] = bits
        return true
    }

    /// The same for single: exponent fields 2...253.
    @inline(__always) private func take(_ o: Record, _ result: Float) -> Bool {
        let bits = result.bitPattern
        guard isHostRight, (bits &>> 23 & 0xff) &- 2 < 252 else { return false }
        x[o.destination] = Self.box | UInt64(bits)
        return true
    }

    @inline(__always)
    private func fuse(_ o: Record, _ factor: Double, _ addend: Double) -> Bool {
        take(o, addend.addingProduct(factor, double(o.second)))
    }

    @inline(__always)
    private func fuse(_ o: Record, _ factor: Float, _ addend: Float) -> Bool {
        take(o, addend.addingProduct(factor, single(o.second)))
    }

    /// Comparisons of what is no NaN raise nothing.
    @inline(__always)
    private func relate(_ o: Record, _ holds: (Double, Double) -> Bool) -> Bool {
        let a = double(o.first), b = double(o.second)
        guard a == a, b == b else { return false }
        x[o.destination] = holds(a, b) ? 1 : 0
        return true
    }
}
