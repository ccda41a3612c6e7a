"""An HTTP proxy in front of an object store's engine that spoils requests and answers.

It does not change what it passes on, so that the signatures of requests stay valid.

A fault is ordered in the target of a request: `fault-KIND-N` anywhere in the path or query spoils the first N requests
with this method and target. So the key or prefix that a test chooses tells what happens to its calls, each call meets
the fault on its own, and concurrent tests do not disturb each other. A `choose` function decides otherwise.
"""

import http.client
import http.server
import re
import socket
import ssl
import threading
import time
from collections import Counter

# The effect of each kind.
KINDS = {
    "delay": "passes the request on after 0.2 seconds",
    "before": "closes the connection, so that the engine does not get the request",
    "after": "closes the connection in place of the engine's answer",
    "cut": "closes the connection in the middle of the answer's body",
    "hang": "passes the request on and does not answer for 20 seconds",
    "500": "answers with 500 InternalError",
    "502": "answers with 502 and a page in HTML",
    "503": "answers with 503 SlowDown",
    "409": "answers with 409 ConditionalRequestConflict",
    "403": "answers with 403 AccessDenied",
    "late": "answers with 200 and an error in the body, as CompleteMultipartUpload may",
    "empty": "passes the request on and answers with 200 and no body",
}
ANSWERS = {"500": "InternalError", "503": "SlowDown", "409": "ConditionalRequestConflict", "403": "AccessDenied"}
ORDER = re.compile(r"fault-([a-z0-9]+)-(\d+)")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: "FaultProxy"

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.proxy.fault(self.command, self.path)
        if kind == "before":
            return self.hang_up()
        if kind in ANSWERS:
            return self.answer_with_error(int(kind), ANSWERS[kind])
        if kind == "late":
            return self.answer_with_error(200, "InternalError")
        if kind == "502":
            return self.answer(502, [("Content-Type", "text/html")], b"<html><body>Bad Gateway<br></body></html>")
        if kind == "delay":
            time.sleep(0.2)
        status, headers, content = self.forward(body)
        if kind == "after":
            return self.hang_up()
        if kind == "hang":
            time.sleep(20)
            return self.hang_up()
        if kind == "empty":
            return self.answer(200, [], b"")
        self.answer(status, headers, content, cut=kind == "cut")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Sends the request to the engine as it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.engine, timeout=120)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def answer_with_error(self, status: int, code: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>By the proxy</Message></Error>"
        self.answer(status, [("Content-Type", "application/xml")], text.encode())

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes, cut: bool = False) -> None:
        self.send_response_only(status)
        length = str(len(content))
        for name, value in headers:
            if name.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", length)
        if cut:
            # Half of the head, if there is no body.
            head = b"".join(self._headers_buffer)
            self._headers_buffer = []
            self.wfile.write(head[:len(head) // 2] if not content else head + b"\r\n" + content[:len(content) // 2])
            return self.hang_up()
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            # The client has given up, or does not trust the certificate.
            self.close_connection = True

    def log_message(self, *_) -> None:
        pass


class FaultProxy:
    handler = Handler

    def __init__(self, engine: int, choose=None, tls: ssl.SSLContext | None = None):
        """`engine`: the port of the engine. `choose`: gets method and target of each request, and returns a kind of
        fault or None. `tls`: speak HTTPS."""
        self.engine = engine
        self.choose = choose or self.ordered
        self.lock = threading.Lock()
        # How often each method and target was requested.
        self.seen: Counter[tuple[str, str]] = Counter()
        # How often each kind of fault happened.
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        handler = type("Handler", (self.handler,), {"proxy": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def fault(self, method: str, target: str) -> str | None:
        kind = self.choose(method, target)
        with self.lock:
            self.calls[method] += 1
            if kind:
                self.faults[kind] += 1
        return kind

    def ordered(self, method: str, target: str) -> str | None:
        order = ORDER.search(target)
        if not order:
            return None
        assert order[1] in KINDS, order[1]
        with self.lock:
            self.seen[method, target] += 1
            return order[1] if self.seen[method, target] <= int(order[2]) else None

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_) -> None:
        self.close()
