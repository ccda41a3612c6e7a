/// The address of a site that events are posted to.
package struct WebhookEndpoint: Sendable {
    let url: String
    let key: WebhookKey?
    let seconds: Int

    /// - Parameters:
    ///   - url: an http or https URL.
    ///   - key: signs the events; nil: they are not signed.
    ///   - seconds: the time limit of a request.
    /// - Returns: nil if `url` is not such a URL.
    package init?(url: String, key: WebhookKey?, seconds: Int) {
        let lower = url.lowercased()
        guard lower.hasPrefix("http://") && lower.utf8.count > 7 || lower.hasPrefix("https://") && lower.utf8.count > 8,
            url.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { return nil }
        self.url = url
        self.key = key
        self.seconds = seconds
    }

    /// Posts an event.
    ///
    /// - Parameter now: Unix seconds.
    func post(_ event: CloudEvent, now: UInt64, stop: StopFlag?) throws(HTTPPost.Failure) -> HTTPPost.Answer {
        let body = Array(event.json.utf8)
        var headers = [
            ("Content-Type", CloudEvent.mediaType), ("Webhook-Id", event.id), ("Webhook-Timestamp", "\(now)"),
        ]
        if let key {
            headers.append(("Webhook-Signature", key.signature(id: event.id, timestamp: now, body: body)))
        }
        return try HTTPPost(url: url, headers: headers, body: body, seconds: seconds).send(stop: stop)
    }
}
