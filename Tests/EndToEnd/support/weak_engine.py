"""A real engine behind a proxy that takes one ability away from it.

The proxy changes requests, so their signatures would be wrong. It removes them; the engine lets everybody use the
bucket `open`.
"""

import email.utils
import http.client
import threading
import time

from support.fault_proxy import FaultProxy, Handler

SIGNATURE = ("authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token")
RULES = """<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix>{}</Prefix></Filter>{}</Rule>\
</LifecycleConfiguration>"""
ABORT = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
EXPIRE = "<Expiration><Days>5</Days></Expiration>"


class WeakHandler(Handler):
    proxy: "WeakEngine"

    def forward(self, body: bytes):
        without = list(SIGNATURE)
        weakness, method = self.proxy.weakness, self.command
        query = self.path.partition("?")[2]
        if weakness == "creation" or weakness == "completion" and method == "POST":
            without.append("if-none-match")
        elif weakness == "races" and method == "PUT" and self.headers.get("If-None-Match"):
            # Looks first and writes then, as engines do that do not lock.
            found = self.send("HEAD", {"Host": self.headers["Host"]}, b"")
            if found[0] == 200:
                return self.error(412, "PreconditionFailed")
            time.sleep(0.2)
            without.append("if-none-match")
        elif weakness == "checksum" and "delete" not in query:
            without += ["content-md5", "x-amz-checksum-crc32c"]
        elif weakness == "crc32c":
            without.append("x-amz-checksum-crc32c")
        elif weakness == "ranges":
            without.append("range")
        elif weakness == "abortion" and method == "DELETE" and "uploadId" in query:
            return 204, [], b""
        elif weakness == "deletion" and query == "delete=":
            return 200, [], b"<DeleteResult/>"
        elif weakness == "multipart" and query == "uploads=":
            return self.error(501, "NotImplemented")
        elif weakness == "abort rule" and query == "lifecycle=":
            return 200, [], RULES.format("", ABORT).encode()
        elif weakness == "expiry rule" and query == "lifecycle=":
            return 200, [], RULES.format(".resumabled/", EXPIRE).encode()
        elif weakness == "keys":
            self.path = self.path.replace("%2B", "%20")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in without}
        status, answered, content = self.send(method, headers, body)
        return self.spoil(weakness, query, status, answered, content)

    def spoil(self, weakness: str, query: str, status: int, headers: list, content: bytes):
        """Changes an answer of the engine."""
        if weakness == "missing" and status == 404 and self.command == "HEAD":
            return 403, headers, content
        if weakness == "clock":
            headers = [(name, value) for name, value in headers if name.lower() != "date"]
            headers.append(("Date", email.utils.formatdate(time.time() - 1200, usegmt=True)))
        if weakness == "versions" and self.command == "PUT":
            headers = [*headers, ("x-amz-version-id", "1")]
        if weakness == "metadata":
            headers = [(name, value) for name, value in headers if not name.lower().startswith("x-amz-meta-")]
        is_cached = {"stale list": "list-type" in query, "stale object": not query}.get(weakness)
        if is_cached and self.command == "GET":
            with self.proxy.lock:
                return self.proxy.cache.setdefault(self.path, (status, headers, content))
        return status, headers, content

    def error(self, status: int, code: str):
        return status, [("Content-Type", "application/xml")], f"<Error><Code>{code}</Code></Error>".encode()

    def send(self, method: str, headers: dict[str, str], body: bytes):
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.engine, timeout=120)
        try:
            connection.request(method, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


class WeakEngine(FaultProxy):
    handler = WeakHandler

    def __init__(self, engine: int, weakness: str):
        self.weakness = weakness
        self.cache: dict = {}
        super().__init__(engine, choose=lambda *_: None)
        self.lock = threading.Lock()
