import Testing
import UploadModel

@testable import UploadStore

@Suite("Reservations of clients")
struct ReservationsTests {
    private func key(_ name: String) throws -> UploadKey { UploadKey(try uploadID(name)) }

    @Test("A client gets what its limit leaves, and another client's uploads do not count")
    func limit() throws {
        var reservations = Reservations()
        #expect(reservations.take(6, for: try key("1"), of: "a", atMost: 10) == 6)
        #expect(reservations.take(6, for: try key("2"), of: "a", atMost: 10) == 4)
        #expect(reservations.take(6, for: try key("3"), of: "a", atMost: 10) == 0)
        #expect(reservations.take(6, for: try key("4"), of: "b", atMost: 10) == 6)
        reservations.end(try key("2"))
        reservations.end(try key("2"))
        #expect(reservations.take(6, for: try key("3"), of: "a", atMost: 10) == 4)
        #expect(reservations.keys == [try key("1"), try key("3"), try key("4")])
    }

    @Test("A reservation takes the place of the upload's last one, also for another client")
    func replaced() throws {
        var reservations = Reservations()
        #expect(reservations.take(10, for: try key("1"), of: "a", atMost: 10) == 10)
        #expect(reservations.take(3, for: try key("1"), of: "a", atMost: 10) == 3)
        #expect(reservations.take(10, for: try key("2"), of: "a", atMost: 10) == 7)
        #expect(reservations.take(5, for: try key("1"), of: "b", atMost: 10) == 5)
        #expect(reservations.take(10, for: try key("3"), of: "a", atMost: 10) == 3)
    }

    @Test("A limit that became smaller takes nothing back, and an unknown client has none")
    func edges() throws {
        var reservations = Reservations()
        #expect(reservations.take(10, for: try key("1"), of: "a", atMost: 10) == 10)
        #expect(reservations.take(1, for: try key("2"), of: "a", atMost: 5) == 0)
        #expect(reservations.take(.max, for: try key("3"), of: "", atMost: 5) == .max)
        #expect(reservations.keys == [try key("1")])
    }

    @Test("A limit is a number of bytes or a share of the storage")
    func limits() {
        #expect(SpaceLimit.bytes(0).bytes(of: 1000) == .max)
        #expect(SpaceLimit.bytes(7).bytes(of: 1000) == 7)
        #expect(SpaceLimit.percent(10).bytes(of: 1000) == 100)
        #expect(SpaceLimit.percent(100).bytes(of: .max) <= .max)
    }
}
