import Testing

@testable import S3

@Suite("Answers in XML")
struct XMLElementTests {
    private func parse(_ text: String) -> XMLElement? { XMLElement.parse(Array(text.utf8)) }

    @Test("elements, their texts and repeated children are found")
    func elements() throws {
        let root = try #require(
            parse(
                """
                <?xml version="1.0" encoding="UTF-8"?>
                <List xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Key>a &amp; b &#xFC;</Key>
                <Part id="1"><Size>5</Size></Part><Part><Size/></Part></List>
                """))
        #expect(root.name == "List" && root["Key"] == "a & b ü" && root["None"] == nil)
        #expect(root.all("Part").map { $0["Size"] } == ["5", ""])
    }

    @Test("the prefix of a name space is ignored, as are spaces before the declaration")
    func nameSpace() {
        #expect(parse("<s3:Error xmlns:s3='x'><s3:Code>c</s3:Code></s3:Error>")?["Code"] == "c")
        #expect(parse(" \n \n<?xml version='1.0'?><a/>")?.name == "a")
    }

    @Test(
        "a document that is cut off or not XML is refused",
        arguments: ["", " ", "<a>", "<a><b></a></b>", "<a/><b/>", "<html><br></html>", "{}", "<a>\u{1}</a>"])
    func malformed(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test("a document with a DTD is refused, so its entities cannot grow")
    func entities() {
        #expect(parse("<!DOCTYPE a [<!ENTITY b 'bbbb'>]><a>&b;</a>") == nil)
        #expect(parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>") == nil)
    }

    @Test("a document that is nested 17 times is refused")
    func nesting() {
        func nested(_ depth: Int) -> String {
            String(repeating: "<a>", count: depth) + String(repeating: "</a>", count: depth)
        }
        #expect(parse(nested(16)) != nil)
        #expect(parse(nested(17)) == nil)
        #expect(parse(nested(100_000)) == nil)
    }

    @Test("text survives being escaped and parsed", arguments: ["a<b>&\"c'", "]]>", "&amp;", "ü资"])
    func escape(_ text: String) {
        #expect(parse("<a><b>\(XMLElement.escape(text))</b></a>")?["b"] == text)
    }

    @Test("a document that is cut anywhere is refused")
    func cuts() {
        let document = Array("<?xml version=\"1.0\"?><List><Key>k</Key><Part><Size>5</Size></Part></List>".utf8)
        #expect(XMLElement.parse(document) != nil)
        for length in 0..<document.count { #expect(XMLElement.parse(Array(document.prefix(length))) == nil) }
    }
}
