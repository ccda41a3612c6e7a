import TestSupport

@testable import FastCGI

/// A web server's records before the body. The first byte says how they are cut. The invariant:
/// 1. The verdict is the same for all bytes at once as for pieces that grow, and it doesn't change once it is given.
/// 2. What is written for libfcgi is in order itself, says the same when it is written again, has no padding, one kind of
///    record behind the first, and is no longer than what came.
/// 3. What is whole ends inside the input and within the limit.
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

    let written = requestHead.written
    var again = RequestHead()
    guard written.withUnsafeBytes({ again.judge($0) }) == .whole(length: written.count) else { return "\(written)" }
    if again.written != written || again.request != requestHead.request { return "written again it differs" }
    // The records of the parameters may have been shorter, never fewer bytes in all.
    return written.count <= end ? nil : "\(written.count) bytes of \(end)"
}
