/// The key-value part of a GGUF file: hyper-parameters, vocabulary, chat template.
///
/// All integer types are widened to one and all float types to one; what the file said
/// about widths does not matter to a reader. An accessor answers nil both for a missing
/// key and for one of another kind. Arrays are copied out of the file, so that the value
/// outlives the mapping.
package struct GGUFMetadata: Sendable {
    /// One value; `Hashable` so that tests compare it.
    package enum Value: Hashable, Sendable {
        case integer(Int64)
        /// An u64 above `Int64.max`.
        case unsigned(UInt64)
        case float(Double)
        case bool(Bool)
        case string(String)
        case integers([Int64])
        case floats([Float])
        case bools([Bool])
        case strings([String])
    }

    /// Keys in the order of the file.
    package private(set) var keys: [String] = []

    // Looked up only, never iterated: its order differs from run to run.
    private var values: [String: Value] = [:]

    package init() {}

    package subscript(key: String) -> Value? { values[key] }

    /// Adds a value; false, and nothing changed, when the key is there already.
    package mutating func insert(_ value: Value, for key: String) -> Bool {
        guard values[key] == nil else { return false }
        values[key] = value
        keys.append(key)
        return true
    }

    /// An integer of any width; nil too when it does not fit into `Int`.
    package func integer(_ key: String) -> Int? {
        guard case .integer(let value)? = values[key] else { return nil }
        return Int(exactly: value)
    }

    /// A float of any width; an integer is accepted too, as some writers store 1 for 1.0.
    package func float(_ key: String) -> Double? {
        switch values[key] {
        case .float(let value): value
        case .integer(let value): Double(value)
        default: nil
        }
    }

    package func bool(_ key: String) -> Bool? {
        guard case .bool(let value)? = values[key] else { return nil }
        return value
    }

    /// A string; bytes that are not UTF-8 have become U+FFFD.
    package func string(_ key: String) -> String? {
        guard case .string(let value)? = values[key] else { return nil }
        return value
    }

    /// A value as a message shows it.
    func text(_ key: String) -> String {
        switch values[key] {
        case nil: "missing"
        case .integer(let value): "\(value)"
        case .unsigned(let value): "\(value)"
        case .float(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .string(let value): "\(value.prefix(64))"
        case .integers(let list): "an array of \(list.count)"
        case .floats(let list): "an array of \(list.count)"
        case .bools(let list): "an array of \(list.count)"
        case .strings(let list): "an array of \(list.count)"
        }
    }

    package func integers(_ key: String) -> [Int64]? {
        guard case .integers(let value)? = values[key] else { return nil }
        return value
    }

    package func floats(_ key: String) -> [Float]? {
        guard case .floats(let value)? = values[key] else { return nil }
        return value
    }

    package func bools(_ key: String) -> [Bool]? {
        guard case .bools(let value)? = values[key] else { return nil }
        return value
    }

    package func strings(_ key: String) -> [String]? {
        guard case .strings(let value)? = values[key] else { return nil }
        return value
    }
}
