import HTTP
import Linux
import Multipart
import UploadModel
import UploadStore

/// Takes a multipart form apart: fields become parameters, and the file's bytes go to the store as they arrive.
///
/// Clients send the fields first, so the chunk's place is known when its bytes begin. Where they don't, the bytes wait
/// in a spool until the form is over: only then is it certain that no later field says something else.
struct FormReceiver: BodyReceiver {
    private enum File {
        case none
        case writing(SniffingWriter)
        case spooling(any Spool)
        case taken(SniffingWriter)
        case spooled(any Spool)
    }

    /// The part that is being read.
    private enum Part {
        case between
        case field(name: String, value: [UInt8])
        case file
        /// A file in a part of another name.
        case ignored
    }

    var buffer: ChunkBuffer
    private let request: Request
    private var parser: MultipartParser
    private var parameters: Parameters
    private let admission: ChunkAdmission
    private var file = File.none
    /// The client's permit; known when the file begins.
    private var permit = Permit()
    /// The parameters that must stand before the file, as they were when it began.
    private var early: [String: String] = [:]
    /// True once a field has come after the file: only then can anything contradict what the file was stored by.
    private var hasLateFields = false
    private var digest: DigestCheck?
    private var part = Part.between

    /// - Parameter parameters: those of the query.
    init(
        _ request: Request, boundary: Boundary, parameters: Parameters, admission: ChunkAdmission, buffer: ChunkBuffer
    ) {
        self.request = request
        parser = MultipartParser(boundary: boundary, limits: admission.settings.form)
        self.parameters = parameters
        self.admission = admission
        self.buffer = buffer
    }

    mutating func take(_ bytes: UnsafeRawBufferPointer) throws(RequestFailure) {
        var offset = 0
        while let event = try nextEvent(bytes, &offset) {
            switch event {
            case .partBegan(let header):
                try begin(header)
            case .data(let range):
                try add(UnsafeRawBufferPointer(rebasing: bytes[range]), at: range)
            case .heldData(let held):
                try held.withBytes { bytes throws(RequestFailure) in try add(bytes, at: nil) }
            case .partEnded:
                try end()
            case .ended:
                break
            }
        }
    }

    mutating func finish() throws(RequestFailure) -> Receipt {
        try step({ RequestFailure(Outcome($0)) }, { () throws(MultipartError) in try parser.finish() })
        if hasLateFields {
            for name in FormReceiver.early(Dialect.of(parameters)) {
                let value = try step(
                    { RequestFailure(Outcome($0)) }, { () throws(ParameterError) in try parameters.single(name) })
                guard value == early[name] else {
                    throw RequestFailure(.malformed("Parameter \(name) must stand before the file"))
                }
            }
        }
        switch file {
        case .none, .writing, .spooling:
            throw RequestFailure(.malformed("The form has no part named \(admission.settings.fileParameter)"))
        case .taken(let writer):
            if hasLateFields {
                let chunk = try admission.chunk(parameters, for: .upload, permit, of: request)
                guard chunk.agrees(with: writer.chunk) else {
                    throw RequestFailure(.malformed("Parameters after the file contradict those before it"))
                }
            }
            return try writer.commit()
        case .spooled(let spool):
            let writer = try admission.writer(for: parameters, permit, of: request)
            try spool.replay(through: buffer.memory, failing: { RequestFailure($0) }, writer.write)
            return try writer.commit()
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
            guard !hasFile else { throw RequestFailure(.malformed("The form has more than one part named \(name)")) }
            try beginFile(header)
        } else if header.filename != nil {
            part = .ignored
        } else {
            part = .field(name: name, value: [])
        }
    }

    private mutating func beginFile(_ header: PartHeader) throws(RequestFailure) {
        let dialect = Dialect.of(parameters)
        parser.treatPartAsFile()
        part = .file
        permit = try admission.permit(for: request, parameters)
        for name in FormReceiver.early(dialect) { early[name] = parameters[name] }
        digest = try parameters[dialect.chunkDigest].flatMap { text throws(RequestFailure) in
            try DigestCheck(text, name: dialect.chunkDigest)
        }
        if dialect.namesFileInPart { try takeName(of: header, as: dialect.filename) }
        file = try destination(dialect)
        if case .writing = file { buffer.beginChunk() } else { buffer.endAlignment() }
    }

    /// True once the file has begun.
    private var hasFile: Bool { if case .none = file { false } else { true } }

    /// True for the part that holds the chunk. Clients with a namespace put it before this name, too.
    private func isFile(_ name: String) -> Bool {
        // Nearly all names end differently.
        guard let namespace = name.prefix(before: admission.settings.fileParameter) else { return false }
        return namespace.isEmpty || namespace.utf8.elementsEqual(Dialect.of(parameters).namespace.utf8)
    }

    /// The parameters that are needed before the file's first byte.
    private static func early(_ dialect: Dialect) -> [String] { [dialect.chunkDigest, dialect.token] }

    /// Takes the file's name from the header of its part, unless a parameter has it.
    private mutating func takeName(of header: PartHeader, as parameter: String) throws(RequestFailure) {
        guard parameters[parameter] == nil, let filename = header.filenameText else { return }
        try step(
            { RequestFailure(Outcome($0)) },
            { () throws(ParameterError) in try parameters.add(parameter, filename, from: .fields) })
    }

    /// Where the file's bytes go: straight to their place, if the fields so far describe it without the query, which a
    /// later field could overrule.
    private func destination(_ dialect: Dialect) throws(RequestFailure) -> File {
        // Nearly always the fields repeat everything in the query.
        let isRepeated = parameters.fieldsRepeatQuery(for: dialect)
        let fields = isRepeated ? parameters : parameters.fieldsOnly
        guard let placed = try? admission.chunk(fields, for: .upload, permit, of: request) else {
            let spool = try step({ RequestFailure($0) }, { () throws(StoreError) in try admission.store.spool() })
            return .spooling(spool)
        }
        let chunk = isRepeated ? placed : try admission.chunk(parameters, for: .upload, permit, of: request)
        return .writing(try admission.writer(for: chunk, permit))
    }

    /// - Parameter range: where the bytes are in those that were read last; nil if they came earlier.
    private mutating func add(_ bytes: UnsafeRawBufferPointer, at range: Range<Int>?) throws(RequestFailure) {
        switch part {
        case .field(let name, var value):
            // Taken out first, so that the bytes are not copied with each piece.
            part = .between
            value.append(contentsOf: bytes)
            part = .field(name: name, value: value)
        case .file:
            digest?.update(bytes)
            switch file {
            case .writing(let writer):
                if let range {
                    try buffer.pass(range, to: writer.write)
                } else {
                    try buffer.pass(outside: bytes, to: writer.write)
                }
            case .spooling(let spool):
                try step({ RequestFailure($0) }, { () throws(StoreError) in try spool.write(bytes) })
            case .none, .taken, .spooled: break
            }
        case .between, .ignored:
            break
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
            case .writing(let writer):
                try buffer.endChunk(to: writer.write)
                file = .taken(writer)
            case .spooling(let spool): file = .spooled(spool)
            case .none, .taken, .spooled: break
            }
        case .between, .ignored:
            break
        }
        part = .between
    }
}
