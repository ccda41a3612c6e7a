import Linux
import S3
import UploadModel
import UploadStore

/// The keys of the objects that are not finished files. Below the prefix:
///
///     .resumabled/up/<upload>/a/<generation>.<kind>           the marks of a generation (`Mark`)
///     .resumabled/up/<upload>/b/<generation>/<start>-<end>    a range of the finished file that was sent again
///     .resumabled/up/<upload>/c/<generation>/<cell>/<name>    bytes that are held (`Record`), gathered parts (`Fold`)
///     .resumabled/up/<upload>/l/<generation>/<number>         what one host has added (`Ledger`)
///     .resumabled/name/<SHA-256 of a final key>               reserves the key of a finished file (`Reservation`)
///     .resumabled/token/<SHA-256>/<slot>                      an upload that counts against a token's quota
///     .resumabled/owed/note/<upload>.<generation>             the recipients of an event to be (`OwedNote`)
///     .resumabled/owed/to/<recipient>/<event>                 an event that is not delivered (`EventName`)
///     .resumabled/owed/tried/<recipient>/<event>              failed attempts to deliver it
///     .resumabled/owed/lease/<recipient>/<upload>/<number>    the right to deliver events of an upload (`TimedLease`)
///     .resumabled/owed/changes                                another content after each change by an operator
///     <path>                                                  a finished file
///
/// `<upload>` is the `UploadKey`. Each attempt to transfer the file is a generation, named by 8 hexadecimal digits; the
/// highest one counts. Words of clients get into the path of a finished file only.
struct Keys: Sendable {
    /// Ends with a slash or is empty.
    let prefix: String

    private var state: String { prefix + EngineTest.stateFolder }

    /// The folder of all uploads.
    var uploads: String { state + "up/" }
    /// The folder of all reserved names.
    var names: String { state + "name/" }

    /// The folder of the uploads of all tokens.
    var tokens: String { state + "token/" }

    func upload(_ key: UploadKey) -> String { "\(uploads)\(key.text)/" }

    /// The folder of the upload that has reserved a name.
    func folder(of reservation: Reservation) -> String { "\(uploads)\(reservation.upload)/" }

    func mark(_ upload: String, _ generation: Generation.Name, _ mark: Mark) -> String {
        "\(upload)a/\(generation.text).\(mark.text)"
    }

    func confirmed(_ upload: String, _ generation: Generation.Name, _ range: ByteRange) -> String {
        "\(upload)b/\(generation.text)/\(String(range.start, radix: 16))-\(String(range.end, radix: 16))"
    }

    /// The folder of a generation's records.
    func cells(_ upload: String, _ generation: Generation.Name) -> String { "\(upload)c/\(generation.text)/" }

    func inCell(_ upload: String, _ generation: Generation.Name, _ cell: Int, _ name: String) -> String {
        "\(cells(upload, generation))\(String(cell, radix: 16))/\(name)"
    }

    /// The folder of a generation's ledger.
    func ledger(_ upload: String, _ generation: Generation.Name) -> String { "\(upload)l/\(generation.text)/" }

    func entry(_ upload: String, _ generation: Generation.Name, _ number: Int) -> String {
        ledger(upload, generation) + String(number, radix: 16)
    }

    func reservation(_ path: String) -> String { names + sha256Hex(Array((prefix + path).utf8)) }

    /// The folder of the uploads that were begun with a token.
    func token(_ owner: Owner, _ tokenID: String) -> String {
        let texts = [owner.subject, owner.directory?.text ?? "", tokenID].map { Array($0.utf8) }
        // The lengths keep "ab" + "c" apart from "a" + "bc".
        return "\(tokens)\(sha256Hex(texts.flatMap { Array("\($0.count):".utf8) + $0 }))/"
    }

    /// The folder of all that concerns events.
    var owed: String { state + "owed/" }
    /// The folder of notes.
    var notes: String { owed + "note/" }
    /// The folder of all events.
    var events: String { owed + "to/" }
    /// The folder of the attempts to deliver them.
    var attempts: String { owed + "tried/" }
    /// The folder of all leases.
    var leases: String { owed + "lease/" }
    var changes: String { owed + "changes" }

    func note(_ upload: String, _ generation: Generation.Name) -> String { "\(notes)\(upload).\(generation.text)" }

    /// The folder of the events that are owed to one recipient.
    func events(_ recipient: Recipients) -> String { "\(events)\(recipient.rawValue)/" }

    func event(_ name: EventName, _ recipient: Recipients) -> String { events(recipient) + name.text }

    func attempts(_ name: EventName, _ recipient: Recipients) -> String {
        "\(attempts)\(recipient.rawValue)/\(name.text)"
    }

    func lease(_ upload: UploadKey, _ recipient: Recipients) -> String {
        "\(leases)\(recipient.rawValue)/\(upload.text)/"
    }

    /// The folder of objects that only show that one can be put.
    var trials: String { state + "trial/" }
    /// The folder of the tests of the engine (`EngineTest`).
    var probes: String { state + "probe/" }

    /// The key of a finished file.
    func file(_ path: String) -> String { prefix + path }

    /// The longest key of an object in S3, in bytes.
    static let longest = 1024
}

/// An object that says something about a generation. `claim`, `target`, `end`, `choice` and `done` are created once, by the first
/// host that tries, and never change. They stay until the generation is forgotten, so no request that was stopped for a
/// while can begin a generation again that is over.
enum Mark: Hashable {
    /// The upload was begun (`Claim`).
    case claim
    /// The name of the file is chosen, and the multipart upload begun (`Target`).
    case target
    /// Nothing more is added (`Ending`).
    case end
    /// Whether the file is the one that was finished before (`ObjectStore.isEarlier`).
    case choice
    /// The outcome (`Outcome`).
    case done
    /// The digests of the finished file (`FileDigests`).
    case digests
    /// It may end without a file: put in front of such a `done`, so that sweeps need not read that of each upload.
    case fileless
    /// It has ended without a file of its own, and what it had left is removed (`ObjectStore.clear`).
    case cleared
    /// A client has asked for the upload at that time, in Unix seconds.
    case touch(UInt64)
    /// A sweep looks at that time whether the upload is idle, and may end it.
    case fade(UInt64, id: String)

    var text: String {
        switch self {
        case .claim: "claim"
        case .target: "target"
        case .end: "end"
        case .done: "done"
        case .choice: "choice"
        case .digests: "digests"
        case .fileless: "fileless"
        case .cleared: "cleared"
        case .touch(let time): "touch.\(time)"
        case .fade(let time, let id): "fade.\(time).\(id)"
        }
    }

    init?(_ words: [Substring]) {
        switch (words.first, words.count) {
        case ("claim", 1): self = .claim
        case ("target", 1): self = .target
        case ("end", 1): self = .end
        case ("done", 1): self = .done
        case ("choice", 1): self = .choice
        case ("digests", 1): self = .digests
        case ("fileless", 1): self = .fileless
        case ("cleared", 1): self = .cleared
        case ("touch", 2):
            guard let time = UInt64(words[1]) else { return nil }
            self = .touch(time)
        case ("fade", 3):
            guard let time = UInt64(words[1]) else { return nil }
            self = .fade(time, id: String(words[2]))
        default: return nil
        }
    }
}
