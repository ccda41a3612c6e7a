import Glibc
import HTTP
import Linux
import UploadModel

/// The client that a request counts against, as far as limits go.
struct ClientKey: Sendable, Equatable {
    /// The same for all requests of one client; empty if nothing is known of the client.
    let name: String

    /// The subject of the token if there is one, else the client's address. Of an IPv6 address it is the first 64 bits:
    /// each client chooses the rest itself (RFC 4291, section 2.5.1), so one client could pass for any number of them.
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
        // An IPv4-mapped address (RFC 4291, section 2.5.5.2) belongs to one client.
        let isMapped = bytes.prefix(12) == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]
        let network = isMapped ? bytes : Array(bytes.prefix(8))
        name = network.hexDigits
    }
}
