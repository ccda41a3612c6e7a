package import Multipart
import TestSupport

/// Checks one input of a fuzzer. Returns a description of the fault; nil if there is none.
///
/// The first byte chooses the boundary, the second is the seed of the cuts, the rest is the body. The invariant:
/// 1. Events and error are the same for the whole body, byte by byte, and cut at random places.
/// 2. With very high limits, the whole parts, and whether there was an error, are those of the reference parser.
/// 3. The parser ends in `ended` or in an error, never in both or neither.
/// 4. With tight limits, no field, name or number of parts exceeds its limit, and 1 still holds.
package func fuzzMultipart(_ bytes: UnsafeRawBufferPointer) -> String? {
    guard bytes.count >= 2 else { return nil }
    let boundary = ["b", "-", "--b", "Ab0'()+_,-./:=?", "a b"][Int(bytes[0]) % 5]
    let body = Array(bytes.dropFirst(2))
    var random = SplitMix64(seed: UInt64(bytes[1]))
    let cuttings = [Array(0..<body.count), random.cuts(4, in: body.count), random.cuts(4, in: body.count)]

    let whole = parse(body, boundary: boundary, limits: .vast)
    let reference = ReferenceParser(body, boundary: boundary).parse()
    if whole.parts != reference.parts { return "parts \(whole.parts), reference \(reference.parts)" }
    if (whole.error == nil) != reference.valid { return "error \(String(describing: whole.error)), reference differs" }
    if whole.ended != (whole.error == nil) { return "ended: \(whole.ended), error \(String(describing: whole.error))" }

    let bounded = parse(body, boundary: boundary, limits: .tight)
    for part in bounded.parts + [bounded.begun].compactMap({ $0 }) {
        if part.name.count > MultipartLimits.tight.nameBytes { return "name above its limit" }
        if part.filename == nil && part.data.count > MultipartLimits.tight.fieldBytes { return "field above its limit" }
    }
    if bounded.parts.count > MultipartLimits.tight.parts { return "parts above their limit" }

    for cuts in cuttings {
        if parse(body, boundary: boundary, cuts: cuts, limits: .vast) != whole { return "differs if cut at \(cuts)" }
        if parse(body, boundary: boundary, cuts: cuts, limits: .tight) != bounded {
            return "differs within tight limits if cut at \(cuts)"
        }
    }
    return nil
}

extension MultipartLimits {
    /// No limit that a test's body reaches.
    package static let vast = MultipartLimits(
        parts: .max, headerLines: .max, headerBytes: .max, nameBytes: .max, fieldBytes: .max, allFieldBytes: .max,
        preambleBytes: .max, epilogueBytes: .max, paddingBytes: .max)
    /// Limits that most generated bodies reach.
    package static let tight = MultipartLimits(
        parts: 2, headerLines: 2, headerBytes: 90, nameBytes: 4, fieldBytes: 12, allFieldBytes: 16,
        preambleBytes: 6, epilogueBytes: 6, paddingBytes: 2)
}
