import Testing
import UploadStore

@testable import ObjectStore

@Suite("Threads of one host and one upload") struct GateTests {
    @Test("A thread waits for another one of the same upload for a limited time")
    func gate() throws {
        let gate = Gate(patience: 50)
        try gate.pass("upload") { hasWaited throws(StoreError) in
            #expect(!hasWaited)
            #expect(throws: StoreError.busy) { try gate.pass("upload") { _ throws(StoreError) in } }
            try gate.pass("other") { hasWaited throws(StoreError) in #expect(!hasWaited) }
        }
        try gate.pass("upload") { hasWaited throws(StoreError) in #expect(!hasWaited) }
    }
}
