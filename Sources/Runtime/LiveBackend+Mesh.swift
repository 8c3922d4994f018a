import API
import Basics
import Foundation
import Identity
import Inference
import NodeLogic
import Planning
import Provenance
import Scheduling
import Store
import Wire

extension LiveBackend {
    func status() async throws -> JSON {
        let credentials = node.credentials
        let profile = credentials.profile
        let mesh = node.identity.meshID
        let certificate = credentials.identity.certificate
        let warning = CertificateKeeper.warning(certificate)
        await node.census.take()
        let artifacts = node.exchange.store.usage
        return await loop.read { node in
            let tasks = node.state.tasks
            let removal = credentials.removal(hearing: node.coordinator)
            let removed: JSON = removal.map { .string($0) } ?? .null
            return [
                "id": node.id.json, "name": .string(profile.name), "role": .string(profile.role),
                "state": removed == .null ? "alive" : "removed", "removed": removed,
                "mesh": mesh.json, "address": .string(profile.controlEndpoint),
                "coordinator": node.coordinator?.json ?? .null,
                "is_coordinator": .bool(node.isCoordinator), "term": JSON(node.term),
                "applied_index": JSON(node.appliedIndex),
                "voters": .array(node.state.voters.map(\.json)),
                "member_count": JSON(node.members.count),
                "alive_member_count": JSON(node.members.filter { $0.state == .alive }.count),
                "queued_task_count": JSON(tasks.queuedCount),
                "leased_task_count": JSON(tasks.leasedCount),
                "task_count": JSON(tasks.records.count),
                "running_task_count": JSON(node.running.count),
                "artifact_count": JSON(artifacts.count),
                "artifact_byte_count": JSON(artifacts.byteCount),
                "artifact_byte_count_max": artifacts.byteCountMax.map { JSON($0) } ?? .null,
                "artifact_referenced_byte_count": JSON(artifacts.referencedByteCount),
                "certificate_expires_at": JSON(certificate.notAfter),
                "certificate_warning": warning.map { .string($0) } ?? .null,
                "version": .string(profile.version),
            ]
        }
    }

    func members() async throws -> JSON {
        await loop.read { node in
            let voters = node.state.voters
            let tasks = node.state.tasks
            return [
                "members": .array(
                    node.members.map { member in
                        let record = node.state.node(member.node)
                        let until = record?.asleepUntil ?? 0
                        // Until it is heard again; where it oversleeps it is unreachable.
                        let isAsleep = member.state == .alive && until != 0
                        var document: [JSON.Member] = [
                            .init("id", member.node.json),
                            .init("name", .string(member.profile.name)),
                            .init("address", .string(member.profile.controlEndpoint)),
                            .init("state", .string(isAsleep ? "asleep" : "\(member.state)")),
                            .init("role", .string(member.profile.role)),
                            .init("voter", .bool(voters.contains(member.node))),
                            .init("cores", JSON(member.profile.coreCount)),
                            .init("drained", .bool(record?.isDrained ?? false)),
                            .init(
                                "running_task_count",
                                JSON(tasks.holder(member.node)?.tasks.count ?? 0)),
                            .init(
                                "round_trip_milliseconds",
                                Self.milliseconds(
                                    node.estimatedRoundTrip(from: node.id, to: member.node))),
                        ]
                        if let reason = record?.drainReason, !reason.isEmpty {
                            document.append(.init("drain_reason", .string(reason)))
                        }
                        if isAsleep { document.append(.init("asleep_until", JSON(until))) }
                        if let device = member.profile.device {
                            document += Self.describe(device)
                        }
                        return .object(document)
                    }),
                "coordinator": node.coordinator?.json ?? .null, "term": JSON(node.term),
            ]
        }
    }

    /// To a microsecond.
    private static func milliseconds(_ time: Duration?) -> JSON {
        time.map { .number(($0.seconds * 1e6).rounded() / 1_000) } ?? .null
    }

    private static func describe(_ device: Device) -> [JSON.Member] {
        let battery = device.batteryPercent
        return [
            .init("relay", device.relay?.json ?? .null),
            .init("battery_percent", battery == 0 ? .null : JSON(battery)),
            .init("metered", .bool(device.isMetered)),
        ]
    }

    // MARK: tokens

    func createToken(timeToLive: Duration, uses: Int, role: String) async throws -> JSON {
        guard role == "worker" || role == "edge" else {
            throw APIError(
                status: 400,
                message: "there is no role \(role): the role of a token is worker or edge",
                code: "unknown_role", parameter: "role")
        }
        guard (1...1_000).contains(uses), timeToLive > .zero, timeToLive <= .seconds(30 * 86_400)
        else {
            throw APIError(
                status: 400, message: "a token has 1 to 1,000 uses and lives at most 30 days",
                code: "bad_token", parameter: "uses")
        }
        let endpoint = try Sockets.endpoint(node.profile.controlEndpoint)
        let token = JoinToken(
            endpoints: [endpoint], meshID: node.identity.meshID,
            curvePublicKey: node.identity.keys.curve.publicKey)
        let id = Digest.of(token.id)
        let expiry = WallClock.seconds + timeToLive.components.seconds
        try await propose(
            .tokenCreated(
                TokenCreated(
                    token: id, publicKey: try TokenKey(secret: token.secret).publicKey,
                    expiresAt: UInt64(expiry), uses: UInt32(uses), role: role)))
        return [
            "token": .string(token.text),
            "command": .string(
                "swiftlet join '\(token.text)' --data DIR"
                    + (role == "edge" ? "" : " --listen tcp://HOST:PORT")),
            "id": id.json, "expires_at": JSON(expiry), "uses": JSON(uses), "role": .string(role),
        ]
    }

    func tokens() async throws -> JSON {
        await loop.read { node in
            [
                "tokens": .array(
                    node.state.tokens.filter(\.isUsable).map { token in
                        [
                            "id": token.created.token.json, "role": .string(token.created.role),
                            "uses": JSON(token.usesLeft),
                            "expires_at": JSON(token.created.expiresAt),
                        ]
                    })
            ]
        }
    }

    func revokeToken(_ id: String) async throws -> JSON {
        let tokens = await loop.read { $0.state.tokens }
        let token = try Self.resolve(id, among: tokens, kind: "token") { $0.created.token }
        try await propose(.tokenRevoked(TokenRevoked(token: token.created.token)))
        return ["id": token.created.token.json, "revoked": true]
    }

    // MARK: nodes

    func revokeNode(_ idOrName: String, reason: String) async throws -> JSON {
        let found = try await nodeRecord(idOrName)
        try await propose(.nodeRevoked(NodeRevoked(node: found.id, reason: reason)))
        return [
            "node": found.id.json, "name": .string(found.name), "revoked": true,
            "reason": .string(reason),
        ]
    }

    /// Fewer digits of an id are rather a name that was mistyped, and a revocation is final.
    private static let idDigitCountMin = 4
    private static let listedIDCountMax = 8

    /// The one node with this name, or this beginning of an id.
    ///
    /// A name is no identity: several nodes may have one. Beside those that are there the ones
    /// that were revoked, or have left, do not count.
    func nodeRecord(_ idOrName: String) async throws -> NodeRecord {
        let (nodes, named) = await loop.read { node in
            let named = node.state.nodes.filter { $0.name == idOrName }
            let present = named.filter { record in
                let state = node.state(of: record.id)
                return record.revocation == nil && state != nil && state != .left
            }
            return (node.state.nodes, present.isEmpty ? named : present)
        }
        if let record = named.first {
            guard named.count > 1 else { return record }
            let ids = named.prefix(Self.listedIDCountMax).map(\.id.short)
            let more = ids.count < named.count ? ", …" : ""
            throw APIError(
                status: 409,
                message: "\(named.count) nodes are called \(idOrName): give an id "
                    + "(\(ids.joined(separator: ", "))\(more))",
                code: "ambiguous_name", parameter: "node")
        }
        let prefix = idOrName.lowercased()
        guard prefix.count >= Self.idDigitCountMin,
            nodes.contains(where: { $0.id.hex.hasPrefix(prefix) })
        else {
            throw Self.notFound(
                "no node is called \(idOrName), and no id begins with it (give "
                    + "\(Self.idDigitCountMin) digits or more): `swiftlet members` lists both",
                "node_not_found")
        }
        return try Self.resolve(idOrName, among: nodes, kind: "node") { $0.id.digest }
    }

    func rename(to name: String) async throws -> JSON {
        try await Renaming.answer(node.identity.id, name) { try await node.keeper.rename(to: name) }
    }

    func leave() async throws -> JSON {
        node.leaving.raise()
        return ["id": node.identity.id.json, "left": true]
    }

    /// What the whole mesh takes, not what this node has heard of.
    func policy() async throws -> JSON {
        try await catchUp()
        return await loop.read { node in
            [
                "allowed_licenses": .array(node.state.allowedLicenses.map { .string($0) }),
                "edge_replay_percent": JSON(node.state.edgeReplayPercent),
            ]
        }
    }

    func setEdgePolicy(replayPercent: Int) async throws -> JSON {
        try await propose(
            .edgePolicySet(EdgePolicySet(replayPercent: UInt32(clamping: replayPercent))))
        return try await policy()
    }

    func setPolicy(allowedLicenses texts: [String]) async throws -> JSON {
        func refusal(_ sentence: String) -> APIError {
            APIError(
                status: 400, message: sentence, code: "bad_policy", parameter: "allowed_licenses")
        }
        guard !texts.isEmpty else {
            throw refusal(
                "a policy without licences would let nothing in: name all that shall be allowed")
        }
        let allowedLicenses = try texts.map { text in
            guard let entry = LicensePolicy.entry(text) else {
                throw refusal(
                    "\"\(text)\" is no SPDX id of one licence, as MIT or LicenseRef-Ours are")
            }
            return entry
        }
        try await propose(.policySet(PolicySet(allowedLicenses: allowedLicenses)))
        return try await policy()
    }
}
