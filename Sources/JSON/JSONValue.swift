package import CJOSE

/// A JSON value (RFC 8259) that jansson has parsed.
package final class JSONValue {
    package let pointer: UnsafeMutablePointer<json_t>

    /// Takes over a reference.
    private init(owning pointer: UnsafeMutablePointer<json_t>) {
        self.pointer = pointer
    }

    /// Nil if the text is not a JSON object, or has a name twice: two readers could disagree about its value.
    package convenience init?(object bytes: UnsafeRawBufferPointer) {
        let text = bytes.assumingMemoryBound(to: CChar.self)
        guard let pointer = json_loadb(text.baseAddress, text.count, Int(JSON_REJECT_DUPLICATES), nil) else {
            return nil
        }
        guard pointer.pointee.type == JSON_OBJECT else {
            json_decref(pointer)
            return nil
        }
        self.init(owning: pointer)
    }

    deinit { json_decref(pointer) }

    /// The member of that name.
    package subscript(name: String) -> JSONValue? {
        json_object_get(pointer, name).map { JSONValue(owning: json_incref($0)) }
    }

    /// The elements of an array; nil for any other value.
    package var elements: [JSONValue]? {
        guard pointer.pointee.type == JSON_ARRAY else { return nil }
        return (0..<json_array_size(pointer)).compactMap { index in
            json_array_get(pointer, index).map { JSONValue(owning: json_incref($0)) }
        }
    }

    /// The text of a string; nil for any other value.
    package var string: String? {
        guard let text = json_string_value(pointer) else { return nil }
        let bytes = UnsafeRawBufferPointer(start: text, count: json_string_length(pointer))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The value of a whole number; nil for any other value.
    package var integer: Int64? {
        pointer.pointee.type == JSON_INTEGER ? json_integer_value(pointer) : nil
    }

    /// The value of any number (RFC 7519, section 2, `NumericDate`, may have a fraction); nil for any other value.
    package var number: Double? {
        let type = pointer.pointee.type
        return type == JSON_INTEGER || type == JSON_REAL ? json_number_value(pointer) : nil
    }

    /// True and false; nil for any other value.
    package var bool: Bool? {
        switch pointer.pointee.type {
        case JSON_TRUE: true
        case JSON_FALSE: false
        default: nil
        }
    }
}
