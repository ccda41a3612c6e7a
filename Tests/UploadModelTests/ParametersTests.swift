import Testing
import UploadModel

/// PROTOCOL.md, Parameters: parameters may be in the query string, in form fields, or in both; a field takes
/// precedence.
@Suite("Parameters")
struct ParametersTests {
    @Test("a field takes precedence over the query, whichever is read first", arguments: [true, false])
    func fieldsWin(_ queryFirst: Bool) throws {
        var parameters = Parameters(limits: ParameterLimits())
        for place in queryFirst ? [Parameters.Place.query, .fields] : [.fields, .query] {
            try parameters.add("n", place == .query ? "query" : "field", from: place)
        }
        try parameters.add("only", "query", from: .query)
        #expect(parameters["n"] == "field")
        #expect(parameters["only"] == "query")
        #expect(parameters["none"] == nil)
    }

    @Test("the fields can be read alone")
    func fieldsOnly() throws {
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("q", "1", from: .query)
        try parameters.add("f", "2", from: .fields)
        #expect(parameters.fieldsOnly["q"] == nil)
        #expect(parameters.fieldsOnly["f"] == "2")
        #expect(parameters["q"] == "1")
    }

    @Test(
        "a parameter that has one value may be repeated with the same value, not with another",
        arguments: [true, false])
    func repeated(_ inQuery: Bool) throws {
        let place: Parameters.Place = inQuery ? .query : .fields
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("n", "1", from: place)
        try parameters.add("n", "1", from: place)
        #expect(try parameters.single("n") == "1")
        try parameters.add("n", "2", from: place)
        #expect(throws: ParameterError.repeated("n")) { try parameters.single("n") }
        #expect(try parameters.single("none") == nil)
    }

    @Test("a field takes precedence over several values in the query")
    func precedence() throws {
        var parameters = Parameters(limits: ParameterLimits())
        for value in ["1", "2"] { try parameters.add("n", value, from: .query) }
        try parameters.add("n", "3", from: .fields)
        #expect(try parameters.single("n") == "3")
    }

    @Test("values that are equivalent to Unicode are different values")
    func equivalent() throws {
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("n", "\u{e9}", from: .query)
        try parameters.add("n", "e\u{301}", from: .query)
        #expect(throws: ParameterError.repeated("n")) { try parameters.single("n") }
    }

    @Test("names are compared as they are written")
    func caseSensitive() throws {
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("Name", "1", from: .query)
        try parameters.add("name", "2", from: .query)
        #expect(parameters["Name"] == "1")
        #expect(parameters["NAME"] == nil)
    }

    @Test("names that are equivalent to Unicode are different names, also as metadata")
    func equivalentNames() throws {
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("\u{e9}", "1", from: .query)
        try parameters.add("e\u{301}", "2", from: .query)
        #expect(parameters["\u{e9}"] == "1")
        #expect(parameters["e\u{301}"] == "2")
        let metadata = Metadata([.init(name: "\u{e9}", value: "1"), .init(name: "e\u{301}", value: "2")])
        #expect(metadata["\u{e9}"] == "1")
        #expect(metadata["e\u{301}"] == "2")
    }

    @Test("metadata with one name is a list, in the order of its values")
    func lists() {
        let metadata = Metadata([
            .init(name: "b", value: "1"), .init(name: "a", value: "2"), .init(name: "b", value: "3"),
            .init(name: "b", value: "1"), .init(name: "e\u{301}", value: "4"), .init(name: "\u{e9}", value: "5"),
        ])
        #expect(metadata.lists.map(\.name.utf8.count) == [1, 1, 3, 2])
        #expect(metadata.lists.map(\.values) == [["2"], ["1", "3", "1"], ["4"], ["5"]])
        #expect(metadata["b"] == "1")
    }

    @Test("fields repeat the query where they say all that it says of the chunk")
    func repetition() throws {
        var parameters = Parameters(limits: ParameterLimits())
        #expect(parameters.fieldsRepeatQuery(for: .resumable))
        try parameters.add("title", "1", from: .query)
        try parameters.add("upload_token", "t", from: .query)
        #expect(parameters.fieldsRepeatQuery(for: .resumable), "neither places a chunk")
        for name in ["resumableTotalSize", "resumableType"] {
            try parameters.add(name, "1", from: .query)
            #expect(!parameters.fieldsRepeatQuery(for: .resumable))
            try parameters.add(name, "2", from: .fields)
            #expect(parameters.fieldsRepeatQuery(for: .resumable))
        }
    }

    @Test("an empty field takes precedence over the query, too")
    func empty() throws {
        var parameters = Parameters(limits: ParameterLimits())
        try parameters.add("n", "query", from: .query)
        try parameters.add("n", "", from: .fields)
        #expect(parameters["n"] != "query")
    }

    @Test("there may be as many parameters as the limit says, query and fields together")
    func count() throws {
        var parameters = Parameters(limits: ParameterLimits(count: 3, bytes: 1000))
        try parameters.add("a", "1", from: .query)
        try parameters.add("a", "1", from: .fields)
        try parameters.add("b", "1", from: .fields)
        #expect(throws: ParameterError.tooMany) { try parameters.add("c", "1", from: .query) }
    }

    @Test("names and values may have as many bytes as the limit says, also where they are repeated")
    func bytes() throws {
        var parameters = Parameters(limits: ParameterLimits(count: 100, bytes: 12))
        try parameters.add("ab", "视c", from: .query)
        try parameters.add("ab", "视c", from: .query)
        #expect(throws: ParameterError.tooMany) { try parameters.add("ab", "视c", from: .query) }
        var exact = Parameters(limits: ParameterLimits(count: 100, bytes: 4))
        try exact.add("a", "视", from: .fields)
        var short = Parameters(limits: ParameterLimits(count: 100, bytes: 3))
        #expect(throws: ParameterError.tooMany) { try short.add("a", "视", from: .fields) }
    }
}
