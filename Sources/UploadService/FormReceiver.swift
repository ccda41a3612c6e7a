import HTTP
import Multipart
import UploadModel
import UploadStore

/// Takes a multipart form apart: fields become parameters, the file's bytes go to the store as they come.
///
/// Clients send the fields first, so the chunk's place is known when its bytes begin. Where they don't, the bytes wait
/// in a spool until the form is over: only then it is sure that no field behind the file says something else.
struct FormReceiver {
    private enum File {
        case none
        case writing(SniffingWriter)
        case spooling(any Spool)
        case taken(SniffingWriter)
        case spooled(any Spool)
    }

    /// What the bytes of the part at hand are for.
    private enum Part {
        case between
        case field(name: String, value: [UInt8])
        case file
        /// A file in a part of another name: nobody asked for it.
        case ignored
    }

    private let request: Request
    private var parser: MultipartParser
    private var parameters: Parameters
    private let settings: UploadSettings
    private let store: any ChunkStore
    private let buffer: UnsafeMutableRawBufferPointer
    private var file = File.none
    /// The file's first bytes, in the buffer, while they wait for those behind them.
    private var waiting: UnsafeRawBufferPointer?
    /// What the sender may do; known when the file begins.
    private var permit = Permit()
    /// The parameters that have to stand before the file, as they were then.
    private var early: [String: String] = [:]
    /// True once a field has come behind the file: only then something may differ from what it said.
    private var hasLateFields = false
    private var digest: DigestCheck?
    private var part = Part.between

    /// - Parameters:
    ///   - parameters: those of the query string.
    ///   - buffer: memory to work with when the form is over.
    init(
        _ request: Request, boundary: Boundary, parameters: Parameters, settings: UploadSettings, store: any ChunkStore,
        buffer: UnsafeMutableRawBufferPointer
    ) {
        self.request = request
        parser = MultipartParser(boundary: boundary, limits: settings.form)
        self.parameters = parameters
        self.settings = settings
        self.store = store
        self.buffer = buffer
    }

    /// How large the pieces are in which the fields before the file are looked for: larger than all of them usually are.
    private static let fieldsPiece = 4096

    /// What of a buffer is filled at once with a chunk's bytes. The rest is for the fields before them, where it is large
    /// enough to spare that.
    static func stride(of buffer: UnsafeMutableRawBufferPointer) -> Int {
        buffer.count > 2 * fieldsPiece ? buffer.count - fieldsPiece : buffer.count
    }

    /// Where in the buffer the next piece goes. Where the file begins is not known before, and from then on what is
    /// written ends with multiples of one length in the chunk: written across these, it would lie in the kernel's page
    /// cache in smaller parts, which costs a tenth of the processor time. For the same reason the file's first bytes, which
    /// came with the fields, wait for those behind them.
    var room: Range<Int> {
        let stride = FormReceiver.stride(of: buffer)
        switch file {
        case .none:
            return 0..<min(FormReceiver.fieldsPiece, buffer.count)
        case .writing(let intake):
            guard let waiting, let first = waiting.baseAddress, let begin = buffer.baseAddress else {
                return 0..<stride - Int(intake.received % UInt64(stride))
            }
            let start = first - UnsafeRawPointer(begin) + waiting.count
            return start..<start + stride - waiting.count
        case .spooling, .taken, .spooled:
            return 0..<stride
        }
    }

    /// Takes the next bytes of the body.
    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        var offset = 0
        while let event = try nextEvent(bytes, &offset) {
            switch event {
            case .partBegan(let header):
                try begin(header)
            case .data(let range):
                try add(UnsafeRawBufferPointer(rebasing: bytes[range]), mayWait: range.upperBound == bytes.count)
            case .heldData(let held):
                var failure: RequestFailure?
                held.withUnsafeBytes { bytes in
                    do throws(RequestFailure) { try add(bytes, mayWait: false) } catch { failure = error }
                }
                if let failure { throw failure }
            case .partEnded:
                try end()
            case .ended:
                break
            }
        }
    }

    /// Ends the form: the chunk is held when this returns.
    mutating func finish() throws(RequestFailure) -> Receipt {
        try step({ RequestFailure(Outcome($0)) }, { () throws(MultipartError) in try parser.finish() })
        if hasLateFields {
            for name in FormReceiver.early(Dialect.of(parameters)) where parameters[name] != early[name] {
                throw RequestFailure(.malformed("Parameter \(name) must stand before the file"))
            }
        }
        switch file {
        case .none, .writing, .spooling:
            throw RequestFailure(.malformed("The form has no part named \(settings.fileParameter)"))
        case .taken(let intake):
            if hasLateFields {
                let chunk = try settings.chunk(parameters, for: .upload, permit, of: request)
                guard chunk.agrees(with: intake.chunk) else {
                    throw RequestFailure(.malformed("Parameters behind the file contradict those before it"))
                }
            }
            return try intake.commit()
        case .spooled(let spool):
            let chunk = try settings.chunk(parameters, for: .upload, permit, of: request)
            let intake = try SniffingWriter(chunk, into: store, settings, permit)
            try spool.replay(through: buffer, failing: { RequestFailure($0) }, intake.write)
            return try intake.commit()
        }
    }

    private mutating func nextEvent(
        _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) throws(RequestFailure) -> MultipartEvent? {
        do throws(MultipartError) { return try parser.next(bytes, at: &offset) } catch {
            throw RequestFailure(Outcome(error))
        }
    }

    private mutating func begin(_ header: PartHeader) throws(RequestFailure) {
        guard let name = header.nameText else {
            throw RequestFailure(.malformed("The name of a part is not valid UTF-8"))
        }
        if isFile(name) {
            let dialect = Dialect.of(parameters)
            guard !hasFile else { throw RequestFailure(.malformed("The form has more than one part named \(name)")) }
            parser.treatPartAsFile()
            part = .file
            permit = try settings.authorization.permit(for: request, parameters)
            for name in FormReceiver.early(dialect) { early[name] = parameters[name] }
            digest = try parameters[dialect.chunkDigest].flatMap { text throws(RequestFailure) in
                try DigestCheck(text, name: dialect.chunkDigest)
            }
            if dialect == .dropzone { try takeName(of: header) }
            file = try destination()
        } else if header.filename != nil {
            part = .ignored
        } else {
            part = .field(name: name, value: [])
        }
    }

    /// True once the file has begun.
    private var hasFile: Bool { if case .none = file { false } else { true } }

    /// True for the part that holds the chunk: clients with a namespace put it in front here, too.
    private func isFile(_ name: String) -> Bool {
        // Nearly all names end otherwise.
        guard let namespace = name.prefix(before: settings.fileParameter) else { return false }
        return namespace.isEmpty || namespace.utf8.elementsEqual(Dialect.of(parameters).namespace.utf8)
    }

    /// The parameters that are needed before the file's first byte.
    private static func early(_ dialect: Dialect) -> [String] { [dialect.chunkDigest, dialect.token] }

    /// Dropzone sends the file's name with the file and nowhere else.
    private mutating func takeName(of header: PartHeader) throws(RequestFailure) {
        guard parameters[Dialect.dropzone.filename] == nil, let filename = header.filenameText else { return }
        try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in
                try parameters.add(Dialect.dropzone.filename, filename, from: .fields)
            })
    }

    /// Where the file's bytes go: to their place, if the fields so far tell it without help from the query (which a
    /// field to come would overrule).
    private func destination() throws(RequestFailure) -> File {
        // Nearly always they repeat all that the query says.
        let isRepeated = parameters.fieldsRepeatQuery(for: Dialect.of(parameters))
        let told = isRepeated ? parameters : parameters.fieldsOnly
        guard let chunk = try? settings.chunk(told, for: .upload, permit, of: request) else {
            return .spooling(try step({ RequestFailure($0) }, { () throws(StoreError) in try store.spool() }))
        }
        let whole = isRepeated ? chunk : try settings.chunk(parameters, for: .upload, permit, of: request)
        return .writing(try SniffingWriter(whole, into: store, settings, permit))
    }

    /// - Parameter mayWait: true if more come right behind them, in the buffer, too.
    private mutating func add(_ bytes: UnsafeRawBufferPointer, mayWait: Bool) throws(RequestFailure) {
        switch part {
        case .field(let name, var value):
            // Taken out first, so that the bytes are not copied with each piece.
            part = .between
            value.append(contentsOf: bytes)
            part = .field(name: name, value: value)
        case .file:
            digest?.update(bytes)
            switch file {
            case .writing(let intake): try hand(bytes, to: intake, mayWait: mayWait)
            case .spooling(let spool):
                try step({ RequestFailure($0) }, { () throws(StoreError) in try spool.write(bytes) })
            case .none, .taken, .spooled: break
            }
        case .between, .ignored:
            break
        }
    }

    private mutating func hand(
        _ bytes: UnsafeRawBufferPointer, to intake: SniffingWriter, mayWait: Bool
    ) throws(RequestFailure) {
        guard let first = waiting else {
            let isRoomLeft = FormReceiver.stride(of: buffer) < buffer.count
            if mayWait && intake.received == 0 && isRoomLeft { waiting = bytes } else { try intake.write(bytes) }
            return
        }
        waiting = nil
        if let start = first.baseAddress, start + first.count == bytes.baseAddress {
            try intake.write(UnsafeRawBufferPointer(start: start, count: first.count + bytes.count))
        } else {
            try intake.write(first)
            try intake.write(bytes)
        }
    }

    private mutating func end() throws(RequestFailure) {
        switch part {
        case .field(let name, let value):
            guard let text = String(validating: value, as: UTF8.self) else {
                throw RequestFailure(.malformed("Parameter \(name) is not valid UTF-8"))
            }
            try step(
                { RequestFailure(Outcome($0)) },
                { () throws(ParameterError) in try parameters.add(name, text, from: .fields) })
            if hasFile { hasLateFields = true }
        case .file:
            try digest?.finish()
            switch file {
            case .writing(let intake):
                if let first = waiting { try intake.write(first) }
                waiting = nil
                file = .taken(intake)
            case .spooling(let spool): file = .spooled(spool)
            case .none, .taken, .spooled: break
            }
        case .between, .ignored:
            break
        }
        part = .between
    }
}
