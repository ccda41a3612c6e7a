import Multipart
import MultipartTestSupport

/// The header of a part. The invariant: the result is the same as that of the reference parser.
func fuzzHeader(_ bytes: UnsafeRawBufferPointer) -> String? {
    let body = Array("--b\r\n".utf8) + bytes + Array("\r\n\r\nx\r\n--b--".utf8)
    let read = parse(body, limits: .vast)
    let reference = ReferenceParser(body, boundary: "b").parse()
    guard read.parts == reference.parts, (read.error == nil) == reference.valid else {
        return "\(read.parts) \(String(describing: read.error)) instead of \(reference.parts)"
    }
    return nil
}

/// The value of a Content-Type header. The invariant:
/// 1. The result is the same as that of the reference, up to the limit of its length.
/// 2. Written again in its plainest form, it is read as the same value.
func fuzzMediaType(_ bytes: UnsafeRawBufferPointer) -> String? {
    let value = Array(bytes)
    let type = try? MediaType(value)
    let reference = value.count > MediaType.maximumBytes ? nil : ReferenceHeader.mediaType(value)
    guard type?.type == reference?.type, type?.subtype == reference?.subtype,
        type?.parameters == reference?.parameters
    else { return "\(String(describing: type)) instead of \(String(describing: reference))" }
    guard let type else { return nil }

    var plain = Array(type.essence.utf8)
    for (name, value) in type.parameters {
        let escaped = value.flatMap { #"\""#.utf8.contains($0) ? [UInt8(ascii: "\\"), $0] : [$0] }
        plain += Array(";\(name)=\"".utf8) + escaped + Array("\"".utf8)
    }
    // Escapes make it longer.
    guard plain.count <= MediaType.maximumBytes else { return nil }
    return (try? MediaType(plain)) == type ? nil : "\(String(decoding: plain, as: UTF8.self)) says something else"
}
