import Glibc
import Linux
import Logging
import UploadModel
import UploadStore

/// Delivers events to the operator's program, without a shell: as variables in its environment, and as a CloudEvent on
/// its standard input. Exit status 0 confirms the delivery. The program's output is logged.
struct ProgramReceiver: Receiver {
    let recipient = Recipients.program
    let path: String
    /// The absolute path of the folder of finished files; nil if the store keeps no files on this machine.
    let root: String?
    let seconds: Int
    /// The environment of this process, as `NAME=value`.
    let inherited: [String]
    let log: Logger

    func deliver(_ event: OwedEvent, stop: StopFlag) -> Delivery {
        let cloudEvent = CloudEvent(finished: event)
        do {
            let result = try ChildProcess.run(
                path, environment: environment(event), input: Array(cloudEvent.json.utf8), seconds: seconds, stop: stop)
            if !result.output.isEmpty {
                log.info(
                    "receiver's output",
                    metadata: [
                        "event": "\(event.id)",
                        "output": "\(oneLine(result.output.replacing("\n", with: " | "), atMost: 4096))",
                    ])
            }
            switch result.end {
            case .exited(0): return .delivered
            case .exited(let status): return .failed(.init(reason: "ended with status \(status)"))
            case .signalled(let number): return .failed(.init(reason: "was ended by signal \(number)"))
            case .tooLong: return .failed(.init(reason: "took longer than \(seconds) s"))
            case .stopped: return .failed(.init(reason: "broken off", isStopped: true))
            }
        } catch {
            return .failed(.init(reason: "cannot be started: \(error)", isUnreachable: true))
        }
    }

    /// The environment of this process without its settings, and the variables of the event. A value cannot affect
    /// another variable: values with a NUL are left out, and no shell interprets them.
    private func environment(_ event: OwedEvent) -> [String] {
        let prefix = "RESUMABLED_"
        let upload = event.upload
        let path = upload.path ?? ""
        let facts: [(name: String, value: String?)] = [
            ("EVENT", "finished"), ("EVENT_ID", event.id), ("IDENTIFIER", upload.id.identifier),
            ("FILENAME", upload.id.filename.text), ("PATH", path), ("FILE", root.map { $0 + "/" + path }),
            ("SIZE", upload.size.map(String.init)), ("TYPE", upload.metadata.mediaType),
            ("OWNER", upload.id.owner.subject.isEmpty ? nil : upload.id.owner.subject), ("BEGUN", String(upload.begun)),
            ("FINISHED", upload.finished.map(String.init)),
        ]
        return inherited.filter { !$0.hasPrefix(prefix) }
            + facts.compactMap { fact in
                fact.value.flatMap { $0.utf8.contains(0) ? nil : "\(prefix)\(fact.name)=\($0)" }
            }
    }
}
