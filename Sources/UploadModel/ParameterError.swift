/// What is wrong with a request's parameters. Parameter names are the client's own words; values are not repeated.
package enum ParameterError: Error, Equatable, Sendable {
    /// A parameter that the request needs is not there.
    case missing(String)
    /// A parameter's value breaks its rule, which the text states.
    case invalid(String, String)
    /// A parameter stands twice in one place, with different values.
    case repeated(String)
    /// Two parameters can't both be true.
    case contradiction(String, String)
    /// There are more parameters, or longer ones, than the limits allow.
    case tooMany
    /// The file is larger than this server takes: the one error that is about the file and not about the request.
    case fileTooLarge(limit: UInt64)
}

extension ParameterError: CustomStringConvertible {
    /// One line that tells the client what to mend.
    package var description: String {
        switch self {
        case .missing(let name): "Parameter \(name) is missing"
        case .invalid(let name, let rule): "Parameter \(name) \(rule)"
        case .repeated(let name): "Parameter \(name) is given twice with different values"
        case .contradiction(let one, let other): "Parameter \(one) contradicts \(other)"
        case .tooMany: "There are too many parameters"
        case .fileTooLarge(let limit): "The file is too large; at most \(limit) bytes are accepted"
        }
    }
}
