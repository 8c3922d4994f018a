/// The element types of GGUF tensors by their ggml names and numbers.
///
/// All living types are listed, so that a file with one that no kernel takes is refused by
/// its name and not as a broken file.
package enum GGUFType: UInt32, Hashable, Sendable, CaseIterable {
    case F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q5_0 = 6, Q5_1 = 7, Q8_0 = 8, Q8_1 = 9
    case Q2_K = 10, Q3_K = 11, Q4_K = 12, Q5_K = 13, Q6_K = 14, Q8_K = 15
    case IQ2_XXS = 16, IQ2_XS = 17, IQ3_XXS = 18, IQ1_S = 19, IQ4_NL = 20, IQ3_S = 21
    case IQ2_S = 22, IQ4_XS = 23, I8 = 24, I16 = 25, I32 = 26, I64 = 27, F64 = 28
    case IQ1_M = 29, BF16 = 30, TQ1_0 = 34, TQ2_0 = 35, MXFP4 = 39

    /// Elements in one block; a row is a whole number of blocks.
    package var blockLength: Int {
        switch self {
        case .F32, .F16, .BF16, .I8, .I16, .I32, .I64, .F64: 1
        case .Q4_0, .Q4_1, .Q5_0, .Q5_1, .Q8_0, .Q8_1, .IQ4_NL, .MXFP4: 32
        default: 256
        }
    }

    /// Bytes of one block (ggml-common.h).
    package var blockByteCount: Int {
        switch self {
        case .I8: 1
        case .F16, .BF16, .I16: 2
        case .F32, .I32: 4
        case .I64, .F64: 8
        case .MXFP4: 17
        case .Q4_0, .IQ4_NL: 18
        case .Q4_1: 20
        case .Q5_0: 22
        case .Q5_1: 24
        case .Q8_0: 34
        case .Q8_1: 36
        case .IQ1_S: 50
        case .TQ1_0: 54
        case .IQ1_M: 56
        case .IQ2_XXS, .TQ2_0: 66
        case .IQ2_XS: 74
        case .IQ2_S: 82
        case .Q2_K: 84
        case .IQ3_XXS: 98
        case .Q3_K, .IQ3_S: 110
        case .IQ4_XS: 136
        case .Q4_K: 144
        case .Q5_K: 176
        case .Q6_K: 210
        case .Q8_K: 292
        }
    }

    /// The form of activations that weights of this type are multiplied with; none for floats.
    package var activationForms: ActivationRows.Forms {
        switch blockLength {
        case 1: []
        case 32: .blocks
        default: .superblocks
        }
    }
}
