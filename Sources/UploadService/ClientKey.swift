import Glibc
import HTTP
import UploadModel

/// Who sends a request, as far as limits go.
struct ClientKey: Sendable, Equatable {
    /// What one sender's requests have in common; empty where nothing is known of him.
    let name: String

    /// The subject of the token, where there is one; else the client's address. Of an IPv6 address the first 64 bits: the
    /// rest is for each client to choose (RFC 4291, section 2.5.1), and would let one pass for any number.
    init(_ request: Request, _ permit: Permit) {
        guard permit.owner.subject.isEmpty else {
            name = "subject " + permit.owner.subject
            return
        }
        var address = in6_addr()
        guard inet_pton(AF_INET6, request.remoteAddress, &address) == 1 else {
            name = request.remoteAddress
            return
        }
        let bytes = withUnsafeBytes(of: &address) { Array($0) }
        // An IPv4 address in the guise of IPv6 (RFC 4291, section 2.5.5.2) is one client's.
        let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        let network = isMapped ? bytes : Array(bytes.prefix(8))
        name = network.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
