package import Basics
package import Membership
package import Wire

/// Whom a node can introduce and dial: certificates and profiles of others, sorted by id.
///
/// It is on the disk, so that a node that starts finds the mesh. Of a mesh of a thousand that is
/// 1.5 MB, and a thousand that come one after the other make a thousand new ones: the more there
/// are in it, the longer it waits between two times.
package struct AddressBook {
    package struct Entry: NodeKeyed {
        package let id: NodeID
        package let certificates: [[UInt8]]
        package let profile: KeptProfile

        package init(id: NodeID, certificates: [[UInt8]], profile: KeptProfile) {
            self.id = id
            self.certificates = certificates
            self.profile = profile
        }

        var introduction: Introduction {
            Introduction(node: id, certificates: certificates, profile: profile.value)
        }
    }

    /// For each entry: to write one takes some 10 µs, so that this is a hundredth of the time.
    static let pause = Duration.milliseconds(1)

    private(set) package var entries: [Entry] = []
    private var isChanged = false
    private var nextSave = Instant.zero

    package init() {}

    package var introductions: [Introduction] { entries.map(\.introduction) }

    package func entry(_ node: NodeID) -> Entry? { entries.position(of: node).map { entries[$0] } }

    /// False where it says nothing new. The bytes are kept as they come now also then: they may be
    /// those that the node keeps itself, and not a copy.
    @discardableResult
    package mutating func keep(_ entry: Entry) -> Bool {
        let old = entries.put(entry)
        let isNews =
            old?.certificates != entry.certificates || old?.profile.value != entry.profile.value
        isChanged = isChanged || isNews
        return isNews
    }

    package mutating func remove(_ node: NodeID) -> Entry? {
        let old = entries.removeElement(of: node)
        isChanged = isChanged || old != nil
        return old
    }

    /// Whether it is to be written now; it counts as written then.
    package mutating func isSaveDue(at now: Instant, atLast: Bool = false) -> Bool {
        guard isChanged, atLast || nextSave <= now else { return false }
        isChanged = false
        nextSave = now + Self.pause * entries.count
        return true
    }
}
