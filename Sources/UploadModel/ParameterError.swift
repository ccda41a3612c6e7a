/// Why a request's parameters are invalid. Parameters are named as the client names them; values are not repeated.
package enum ParameterError: Error, Equatable, Sendable {
    /// A parameter that the request needs is missing.
    case missing(String)
    /// A parameter's value breaks a rule; the text states the rule.
    case invalid(String, String)
    /// A file cannot have this name or path; the text says why, to the person who uploads it.
    case unusableName(String, String)
    /// A parameter is given twice in one place, with different values.
    case repeated(String)
    /// Two parameters contradict each other.
    case contradiction(String, String)
    /// There are more parameters, or longer ones, than the limits allow.
    case tooMany
    /// The file is larger than the server accepts.
    case fileTooLarge(limit: UInt64)
}

extension ParameterError: CustomStringConvertible {
    /// One line for the client. Errors that only a page's author can mend name the parameter.
    package var description: String {
        switch self {
        case .missing(let name): "Parameter \(name) is missing"
        case .invalid(let name, let rule): "Parameter \(name) \(rule)"
        case .unusableName(_, let reason): reason
        case .repeated(let name): "Parameter \(name) is given twice with different values"
        case .contradiction(let one, let other): "Parameter \(one) contradicts \(other)"
        case .tooMany: "There are too many parameters"
        case .fileTooLarge(let limit): "The file is too large; at most \(sizeText(limit)) are accepted"
        }
    }
}
