import Glibc
import MultipartTestSupport

// Fuzzers: libFuzzer generates inputs, guided by coverage, and each target checks invariants, which its comment states.
// `Tests/fuzz` builds and runs them.
//
// All targets are in one executable, because linking it takes longer than compiling any of them. The environment
// variable FUZZ_TARGET chooses one. A target takes an input and returns a description of the fault; nil if there is
// none.

typealias FuzzTarget = @Sendable (UnsafeRawBufferPointer) -> String?

/// The targets by name, which is also the name of the corpus (`Corpus/<name>`) and the dictionary (`<name>.dict`).
let targets: [String: FuzzTarget] = [
    "multipart": fuzzMultipart,
    "header": fuzzHeader,
    "mediatype": fuzzMediaType,
    "parameters": fuzzParameters,
    "names": fuzzNames,
    "ranges": fuzzRanges,
    "journal": fuzzJournal,
    "forged": fuzzForged,
    "recovery": fuzzRecovery,
    "receive": fuzzReceive,
    "requesthead": fuzzRequestHead,
    "tokens": fuzzTokens,
]

private let target: FuzzTarget = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = targets[name] else {
        fail("FUZZ_TARGET must be one of: " + targets.keys.sorted().joined(separator: " "))
    }
    return target
}()

/// libFuzzer calls this with each input.
@_cdecl("LLVMFuzzerTestOneInput")
package func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = UnsafeRawBufferPointer(start: start, count: count)
    if let wrong = target(input) { fail(wrong) }
    return 0
}

/// Ends the process so that libFuzzer keeps the input.
private func fail(_ wrong: String) -> Never {
    let line = "fuzz: \(wrong)\n"
    write(STDERR_FILENO, line, line.utf8.count)
    abort()
}
