import Foundation
import Inference
import Testing

struct ModelInspectionTests {
    private func inspect(_ writer: GGUFWriter) throws -> ModelInspection {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-inspection-\(UUID().uuidString).gguf")
        try Data(writer.bytes).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        return try ModelInspection(path: file.path)
    }

    @Test func `a model that runs is counted and described`() throws {
        var writer = ModelFixture(isTied: false).writer()
        writer.set("general.file_type", .u32(3))
        writer.set("general.license", .string("apache-2.0"))
        writer.set("general.license.link", .string("https://example.org"))
        let found = try inspect(writer)
        #expect(found.refusal == nil && found.architecture == "llama")
        #expect(found.description?.layerCount == 3)
        #expect(found.hyperParameter("attention.head_count") == "4")
        #expect(found.hyperParameter("expert_count") == nil)
        #expect(found.fileType == "Q4_1")
        #expect(found.licenceKeys.map(\.value) == ["apache-2.0", "https://example.org"])
        // 3 layers, keys and values, 2 heads of 16 halves.
        #expect(found.kvByteCountPerToken == 3 * 2 * 2 * 16 * 2)
        let layer = 2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96
        #expect(found.parameterCount == 2 * 64 * 50 + 64 + 3 * layer)
        #expect(found.types.map(\.type) == [.F32, .Q4_1])
        #expect(found.types.map(\.tensorCount) == [7, 23])
        #expect(found.types[0].byteCount == 7 * 64 * 4)
        #expect(found.tokenizerRefusal != nil && !found.hasChatTemplate)
    }

    @Test func `a model that does not run is described all the same`() throws {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string("mamba"))
        writer.set("mamba.block_count", .u32(5))
        writer.set("mamba.attention.head_count", .int32s([0, 0, 8, 8, 2]))
        writer.set("mamba.vocab_size", .u32(99))
        writer.set("tokenizer.chat_template", .string("{{ messages }}"))
        writer.add("x", .IQ4_XS, [256, 2], [UInt8](repeating: 0, count: 272))
        let found = try inspect(writer)
        #expect(found.refusal?.contains("mamba") == true && found.description == nil)
        #expect(found.hyperParameter("block_count") == "5")
        #expect(found.hyperParameter("attention.head_count") == "2 × 0, 2 × 8, 1 × 2")
        #expect(found.vocabularyCount == 99 && found.parameterCount == 512)
        #expect(found.kvByteCountPerToken == nil && found.hasChatTemplate)
        #expect(found.types.map(\.type) == [.IQ4_XS])
        #expect(throws: ModelError.file(.notGGUF)) {
            _ = try ModelInspection(path: #filePath)
        }
    }
}
