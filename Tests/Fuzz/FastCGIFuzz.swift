import TestSupport

@testable import FastCGI

/// A web server's records before the body. The first byte is the seed of the cuts. The invariant:
/// 1. The verdict for all bytes at once is the same as for growing prefixes, and it doesn't change once it is given.
/// 2. The bytes written for libfcgi are a valid request head, give the same bytes when they are read and written again,
///    have no padding and one kind of record after the first, and are no longer than the input.
/// 3. A whole head ends inside the input and within the limit.
func fuzzRequestHead(_ bytes: UnsafeRawBufferPointer) -> String? {
    var random = SplitMix64(seed: UInt64(bytes.first ?? 0))
    let input = UnsafeRawBufferPointer(rebasing: bytes.dropFirst())
    var requestHead = RequestHead()
    let verdict = requestHead.judge(input)

    var pieces = RequestHead()
    var length = 0
    while true {
        let partial = pieces.judge(UnsafeRawBufferPointer(rebasing: input[..<length]))
        if partial != .incomplete || length == input.count {
            if partial != verdict { return "\(partial) in pieces, \(verdict) at once" }
            break
        }
        length = min(input.count, length + Int.random(in: 1...30, using: &random))
    }
    guard case .whole(let end) = verdict else { return nil }
    if end > input.count || end > RequestHead.maximumBytes { return "it ends at \(end)" }

    let encoded = requestHead.encoded
    var again = RequestHead()
    guard encoded.withUnsafeBytes({ again.judge($0) }) == .whole(length: encoded.count) else { return "\(encoded)" }
    if again.encoded != encoded || again.request != requestHead.request { return "a second encoding differs" }
    // The records of the parameters may have been shorter, never fewer bytes in all.
    return encoded.count <= end ? nil : "\(encoded.count) bytes of \(end)"
}
