import Glibc

// Fuzzers: libFuzzer makes inputs up, guided by which code they reach, and each target holds the program to invariants
// that are written down with it. `Tests/fuzz` builds and runs them.
//
// All targets are in one executable, because linking it takes longer than compiling any of them; the variable
// FUZZ_TARGET says which one runs. A target takes an input and tells what is wrong; nil if all is well.

private typealias Target = @Sendable (UnsafeRawBufferPointer) -> String?

/// Every target by its name, which is also that of its corpus (`Corpus/<name>`) and dictionary (`<name>.dict`).
private let targets: [String: Target] = [
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

private let target: Target = {
    let name = getenv("FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = targets[name] else {
        fail("FUZZ_TARGET must be one of: " + targets.keys.sorted().joined(separator: " "))
    }
    return target
}()

/// What libFuzzer calls with each input.
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
