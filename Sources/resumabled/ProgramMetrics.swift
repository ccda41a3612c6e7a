import Events
import HTTP
import Linux
import Metrics
import UploadService
import UploadStore

/// The program's metrics. Counting takes no lock. Values that the store or the system knows are read at each scrape.
final class ProgramMetrics: Sendable {
    /// The number of threads that are answering a request.
    let busy = Gauge()

    private let requests = CounterTable(
        ProgramMetrics.methods.flatMap { method in
            OutcomeName.allCases.map { RequestLabels(method: method, outcome: $0) }
        })
    private let refusals = CounterTable(Refusal.allCases)
    private let faults = CounterTable(StoreFault.allCases)
    private let chunks = CounterTable(ProgramMetrics.effects)
    private let received = Counter()
    private let chunkTime = Histogram(bounds: Histogram.requestSeconds)
    private let completionTime = Histogram(bounds: Histogram.requestSeconds)
    private let begun = Counter()
    private let finished = Counter()
    private let finishedBytes = Counter()
    private let uploadTime = Histogram(bounds: Histogram.uploadSeconds)
    private let removed = CounterTable(RemovalCause.allCases)
    private let forgotten = Counter()
    private let recovered = Counter()
    private let lostRanges = Counter()

    private let deliveries = CounterTable(
        ProgramMetrics.receivers.flatMap {
            [DeliveryLabels(receiver: $0, isDelivered: true), DeliveryLabels(receiver: $0, isDelivered: false)]
        })

    /// The labels of an attempt to deliver an event.
    private struct DeliveryLabels: Hashable {
        var receiver: Recipients
        var isDelivered: Bool
    }

    private static let receivers: [Recipients] = [.program, .url]

    /// The labels of an answered request.
    private struct RequestLabels: Hashable {
        var method: String
        var outcome: OutcomeName
    }

    private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"]
    private static let effects = ["stored", "duplicate", "completed"]

    /// Counts an event of an upload.
    func record(_ event: StoreEvent) {
        switch event {
        case .begun:
            begun.add()
        case .finished(let upload):
            count(upload)
        case .received(let upload):
            begun.add()
            count(upload)
        case .removed(_, let cause):
            removed.add(cause)
        case .forgotten:
            forgotten.add()
        case .recovered(_, let ranges):
            recovered.add()
            lostRanges.add(UInt64(ranges))
        case .scattered, .notice:
            break
        }
    }

    private func count(_ finished: UploadSummary) {
        self.finished.add()
        finishedBytes.add(finished.size ?? 0)
        uploadTime.observe(.seconds(Int64(clamping: finished.seconds)))
    }

    /// Counts a request.
    func record(_ report: RequestReport) {
        requests.add(RequestLabels(method: ProgramMetrics.name(of: report.request.method), outcome: report.outcome))
        if report.received > 0 { received.add(report.received) }
        if let refusal = report.refusal { refusals.add(refusal) }
        if let fault = report.fault { faults.add(fault) }
        switch report.effect {
        case .stored: count("stored", report)
        case .duplicate: count("duplicate", report)
        case .completed:
            count("completed", report)
            completionTime.observe(report.duration)
        case nil: break
        }
    }

    /// Counts an error of the store outside of requests.
    func record(_ error: StoreError) {
        if let fault = error.fault { faults.add(fault) }
    }

    /// Counts an attempt to deliver an event.
    func record(_ news: DeliveryNews) {
        switch news {
        case .delivered(let receiver): deliveries.add(DeliveryLabels(receiver: receiver, isDelivered: true))
        case .failed(let receiver): deliveries.add(DeliveryLabels(receiver: receiver, isDelivered: false))
        case .pending: break
        }
    }

    private func count(_ effect: String, _ report: RequestReport) {
        chunks.add(effect)
        chunkTime.observe(report.duration)
    }

    private static func name(of method: Method) -> String {
        switch method {
        case .get: "GET"
        case .head: "HEAD"
        case .post: "POST"
        case .put: "PUT"
        case .patch: "PATCH"
        case .delete: "DELETE"
        case .options: "OPTIONS"
        case .other: "other"
        }
    }

    /// Returns all metrics, for a scrape.
    func families(_ store: any ManagedStore, threads: Int, version: String) -> [Family] {
        let space = try? store.space()
        return [
            .gauge(
                "resumabled_build_info", "The running version, as a label.", labels: [("version", version)], { 1 }),
            .counters(
                "resumabled_requests_total", "Answered upload requests, by method and outcome.", requests
            ) { [("method", $0.method), ("outcome", $0.outcome.rawValue)] },
            .counter(
                "resumabled_received_bytes_total", "Bytes read from request bodies, forms included.", received),
            .counters("resumabled_refusals_total", "Requests that were refused for good, by reason.", refusals) {
                [("reason", $0.rawValue)]
            },
            .counters("resumabled_chunks_total", "Chunks that were accepted, by their effect on the file.", chunks) {
                [("effect", $0)]
            },
            .histogram(
                "resumabled_chunk_duration_seconds",
                "Time from the request head to the answer, of accepted chunks.", chunkTime),
            .histogram(
                "resumabled_completion_duration_seconds",
                "The same, of the chunks that completed their file.", completionTime),
            .gauge("resumabled_uploads_under_way", "Unfinished uploads.") {
                (try? store.countUnderWay()).map { Double($0) }
            },
            .counter("resumabled_uploads_begun_total", "Uploads begun.", begun),
            .counter(
                "resumabled_uploads_finished_total", "Uploads finished: their files got their final names.", finished),
            .counter("resumabled_finished_bytes_total", "The sum of the sizes of those files.", finishedBytes),
            .histogram(
                "resumabled_upload_duration_seconds", "Time from an upload's beginning to its file's final name.",
                uploadTime),
            .counters("resumabled_uploads_removed_total", "Unfinished uploads that were removed, by cause.", removed) {
                [("cause", $0.label)]
            },
            .counter("resumabled_records_expired_total", "Expired records of finished uploads.", forgotten),
            .counters(
                "resumabled_event_deliveries_total",
                "Attempts to deliver an event of a finished file, by receiver and result.",
                deliveries
            ) { [("receiver", $0.receiver.name), ("result", $0.isDelivered ? "delivered" : "failed")] },
            .counters("resumabled_store_errors_total", "Errors of the store, by kind.", faults) {
                [("cause", $0.rawValue)]
            },
            .counter(
                "resumabled_journal_recoveries_total", "Uploads that were checked after a power cut.", recovered),
            .counter(
                "resumabled_lost_ranges_total", "Ranges that those checks found lost; clients send them again.",
                lostRanges),
            .gauge("resumabled_workers", "Threads that answer requests.") { Double(threads) },
            .gauge("resumabled_workers_busy", "Threads that are answering a request, this scrape included.") { [busy] in
                Double(busy.value)
            },
            .gauge("resumabled_store_free_bytes", "Free bytes of the store's disk that the program may use.") {
                space.map { Double($0.free) }
            },
            .gauge("resumabled_store_size_bytes", "The size of the store's disk.") {
                space.map { Double($0.total) }
            },
            .gauge("resumabled_store_floor_bytes", "Free bytes below which no upload begins (--min-free).") {
                space.map { Double($0.minimumFree) }
            },
            .gauge("resumabled_store_fits_ordinary_file", "1 if a file of 64 MiB fits above the floor, else 0.") {
                space.map { $0.fitsOrdinaryFile ? 1 : 0 }
            },
        ] + ProcessMetrics.families
    }
}

extension RemovalCause {
    /// The cause as a label's value.
    fileprivate var label: String { self == .givenUp ? "given_up" : rawValue }
}
