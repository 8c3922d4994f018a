package import Basics
import Planning
import Scheduling
package import Wire

// The state as bytes: proto/state.proto says what stands there. The same state gives the same bytes
// on every node, for nothing without an order is walked and what follows from the rest is left out.
extension ReplicatedState {
    package static let imageVersion: UInt32 = 2
    // A statement, a result and a plan of 32 steps are far below; a message has a mebibyte.
    private static let partByteCountMax = 16 << 20

    /// The whole state. Takes some milliseconds for each thousand tasks: not on a thread that
    /// others wait for.
    package func image(_ codec: StateCodec) -> [UInt8] {
        var parts: [UInt8] = []
        var count: UInt64 = 0
        forEachPart { body in
            Self.append(codec.part(StatePart(body: body)), to: &parts)
            count += 1
        }
        var bytes: [UInt8] = []
        Self.append(codec.header(header(partCount: count)), to: &bytes)
        return bytes + parts
    }

    private static func append(_ part: [UInt8], to bytes: inout [UInt8]) {
        for shift in stride(from: 0, to: 32, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: part.count >> shift))
        }
        bytes += part
    }

    private func header(partCount: UInt64) -> StateHeader {
        StateHeader(
            version: Self.imageVersion, appliedIndex: appliedIndex, appliedTerm: appliedTerm,
            partCount: partCount, mesh: mesh, voters: voters, allowedLicenses: allowedLicenses,
            edgeReplayPercent: edgeReplayPercent, marks: marks,
            nextTask: UInt64(tasks.records.nextNumber), nextSet: UInt64(tasks.sets.nextNumber),
            nextJob: UInt64(tasks.jobs.nextNumber), nextBatch: UInt64(tasks.batches.nextNumber),
            nextPlan: UInt64(plans.plans.nextNumber), grantCount: tasks.grantCount)
    }

    private func forEachPart(_ body: (StatePart.Body) -> Void) {
        for node in nodes { body(.node(node.image)) }
        for token in tokens {
            body(
                .token(
                    TokenImage(
                        created: token.created, usesLeft: token.usesLeft,
                        isRevoked: token.isRevoked)))
        }
        for rotation in rotations { body(.rotation(rotation)) }
        for key in issuingKeys { body(.issuingKey(key)) }
        for statement in statements { body(.statement(statement)) }
        for deployment in deployments {
            body(
                .deployment(
                    DeploymentImage(
                        placement: deployment.placement, reports: deployment.reports,
                        isActive: deployment.isActive)))
        }
        tasks.forEachPart(body)
        plans.forEachPart(body)
    }

    // MARK: Reading

    /// The state that these bytes are the image of.
    package init(image bytes: [UInt8], _ codec: StateCodec) throws(ImageError) {
        self.init()
        var reader = ByteReader(bytes)
        let first = try Self.next(&reader)
        guard let header = codec.readHeader(first) else {
            throw ImageError("the image of the state begins with no header")
        }
        guard header.version <= Self.imageVersion else {
            throw ImageError(
                "the image of the state is of version \(header.version), and this node reads "
                    + "version \(Self.imageVersion): start the node with the later program")
        }
        try take(header)
        for number in 0..<header.partCount {
            guard let part = codec.readPart(try Self.next(&reader)) else {
                throw ImageError("part \(number) of the image of the state cannot be read")
            }
            try restore(part)
        }
        guard reader.remaining == 0 else {
            throw ImageError("\(reader.remaining) bytes follow the image of the state")
        }
        try tasks.finishRestoring()
    }

    private static func next(_ reader: inout ByteReader) throws(ImageError) -> [UInt8] {
        guard let count = reader.integer(UInt32.self), count <= partByteCountMax,
            let bytes = reader.take(Int(count))
        else {
            throw ImageError("the image of the state is cut off at byte \(reader.offset)")
        }
        return Array(bytes)
    }

    private mutating func take(_ header: StateHeader) throws(ImageError) {
        let numbers = [
            header.nextTask, header.nextSet, header.nextJob, header.nextBatch, header.nextPlan,
            header.appliedIndex, header.appliedTerm,
        ]
        guard numbers.allSatisfy({ $0 < 1 << 48 }), header.marks.count <= Self.markCountMax else {
            throw ImageError("the image of the state counts what no mesh has seen")
        }
        appliedIndex = header.appliedIndex
        appliedTerm = header.appliedTerm
        mesh = header.mesh
        voters = header.voters
        allowedLicenses = header.allowedLicenses
        edgeReplayPercent = header.edgeReplayPercent
        marks = header.marks
        tasks = TaskTable(restoring: header)
        plans = PlanTable(restoring: header)
    }

    private mutating func restore(_ part: StatePart) throws(ImageError) {
        switch part.body {
        case .node(let image):
            guard nodes.last.map({ $0.id < image.node }) ?? true else {
                throw ImageError("the node \(image.node.short) is out of order")
            }
            nodes.append(NodeRecord(image))
            if image.isRevoked { isAnybodyRevoked = true }
            if nodes[nodes.count - 1].isEdge { isAnybodyEdge = true }
        case .token(let image):
            tokens.append(
                TokenRecord(
                    created: image.created, usesLeft: image.usesLeft, isRevoked: image.isRevoked))
        case .rotation(let rotation):
            guard Int(rotation.number) == rotations.count + 1, rotation.keys.isEmpty,
                rotations.count < Self.rotationCountMax
            else { throw ImageError("the root \(rotation.number) is out of order") }
            rotations.append(rotation)
        case .issuingKey(let key): issuingKeys.append(key)
        case .statement(let statement): append(statement)
        case .deployment(let image):
            deployments.append(
                Deployment(
                    placement: image.placement, reports: image.reports, isActive: image.isActive))
        case .tenant(let image): try tasks.restore(image)
        case .signer(let image): try tasks.restore(image)
        case .batch(let image): try tasks.restore(image)
        case .job(let image): try tasks.restore(image)
        case .set(let image): try tasks.restore(image)
        case .task(let image): try tasks.restore(image)
        case .endedTasks(let image): try tasks.restore(ended: image)
        case .forgottenTasks(let image): try tasks.restore(forgotten: image)
        case .plan(let image): try plans.restore(image)
        case .endedPlans(let image): try plans.restore(ended: image)
        case .forgottenPlans(let image): try plans.restore(forgotten: image)
        }
    }
}

extension NodeRecord {
    fileprivate var image: NodeImage {
        NodeImage(
            node: id, name: name, role: role, certificates: certificates, enrolledAt: enrolledAt,
            isRevoked: revocation != nil, revocation: revocation ?? "", isDrained: isDrained,
            drainReason: drainReason, asleepUntil: asleepUntil, sleepSequence: sleepSequence,
            rootNumber: rootNumber, formerCertificates: formerCertificates)
    }

    fileprivate init(_ image: NodeImage) {
        self.init(
            id: image.node, name: image.name, role: image.role, certificates: image.certificates,
            formerCertificates: image.formerCertificates,
            rootNumber: image.rootNumber, enrolledAt: image.enrolledAt,
            revocation: image.isRevoked ? image.revocation : nil,
            isDrained: image.isDrained, drainReason: image.drainReason,
            asleepUntil: image.asleepUntil, sleepSequence: image.sleepSequence)
    }
}
