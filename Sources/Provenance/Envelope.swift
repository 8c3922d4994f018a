/// Dead Simple Signing Envelope v1.0.2: what exactly a signature covers.
///
/// Signing type and body together, each with its length, leaves no second way to read the same
/// bytes (secure-systems-lab/dsse, `protocol.md`).
package enum Envelope {
    /// `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`; lengths are decimal byte counts.
    package static func pae(type: String, payload: [UInt8]) -> [UInt8] {
        let head = "DSSEv1 \(type.utf8.count) \(type) \(payload.count) "
        return Array(head.utf8) + payload
    }
}
