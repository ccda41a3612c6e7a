"""A client of the wire protocol that speaks HTTP/2 over TLS, and a server to speak it with.

The client is built on h2, which does the framing (RFC 9113). Requests go out exactly as a test states them, including
those that a browser would not send.
"""

import dataclasses
import http.client
import pathlib
import re
import socket
import ssl
import subprocess

import h2.config
import h2.connection
import h2.errors
import h2.events

from support.client import ROUTE, Answer, Client
from support.cors import OpenServer
from support.server import replace

HOST = "upload.example.org"


def nginx_version(*nginx: str | pathlib.Path) -> tuple[int, ...]:
    """The version of the nginx that this command starts."""
    text = subprocess.run([*nginx, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return tuple(map(int, re.search(r"nginx/([\d.]+)", text)[1].split(".")))


def make_certificate(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A self-signed certificate for HOST and the loopback address, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST},IP:127.0.0.1", "-keyout", key,
         "-out", certificate], check=True, capture_output=True)
    return certificate, key


def with_tls(
    text: str, plain: str, port: int, certificate: pathlib.Path, key: pathlib.Path, version: tuple[int, ...]
) -> str:
    """nginx's configuration with the lines that the example's comment gives for TLS and HTTP/2, for that version of
    nginx. They replace the line `plain`."""

    def comment(pattern: str) -> str:
        (found,) = re.findall(rf"^ *#   ({pattern};)$", text, re.M)
        return found

    if version < (1, 25, 1):
        listen = [comment("listen 443 ssl http2")]
    else:
        listen = [comment("listen 443 ssl"), comment("http2 on")]
    lines = "\n".join([*listen, comment("ssl_certificate +[^;]*"), comment("ssl_certificate_key +[^;]*")])
    for setting, value in {
        "listen 443": f"listen 127.0.0.1:{port}",
        f"/etc/ssl/certs/{HOST}.pem": str(certificate),
        f"/etc/ssl/private/{HOST}.key": str(key),
    }.items():
        lines = replace(lines, setting, value)
    return replace(text, plain, lines)


class TLSServer(OpenServer):
    """The program behind an nginx that speaks HTTP/2 and HTTP/1.1 over TLS."""

    def configuration(self, text: str) -> str:
        self.certificate, key = make_certificate(self.state)
        plain = f"listen 127.0.0.1:{self.port};"
        return with_tls(
            super().configuration(text), plain, self.port, self.certificate, key, nginx_version("nginx"))

    def client(self, **options) -> "HTTP2Client":
        return HTTP2Client(self.port, self.certificate, **options)

    def http1_client(self) -> Client:
        """A client that speaks HTTP/1.1 over TLS."""
        client = Client(self.port)
        client.connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=30, context=ssl.create_default_context(cafile=self.certificate))
        return client


@dataclasses.dataclass
class Stream:
    """A request under way, and what has arrived of its response."""

    # The rest of the request's body. None: nothing is left to send.
    body: memoryview | None
    # Whether the end of the body ends the stream.
    finishes: bool
    headers: http.client.HTTPMessage = dataclasses.field(default_factory=http.client.HTTPMessage)
    status: int | None = None
    content: bytearray = dataclasses.field(default_factory=bytearray)
    # The peer has ended the stream: nothing more comes, and nothing more need be sent.
    ended: bool = False
    # The code of RST_STREAM, if the peer sent one.
    reset: int | None = None


class HTTP2Client(Client):
    """Sends requests over one connection, and opens another one when the server closes it."""

    def __init__(
        self, port: int, certificate: pathlib.Path, route: str = ROUTE, timeout: float = 30, authority: str = HOST
    ):
        self.authority = authority
        self.route = route
        self.port = port
        self.timeout = timeout
        self.context = ssl.create_default_context(cafile=certificate)
        self.context.set_alpn_protocols(["h2"])
        self.socket: ssl.SSLSocket | None = None
        self.http2: h2.connection.H2Connection | None = None
        self.streams: dict[int, Stream] = {}
        self.closing = False

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        if self.socket:
            self.socket.close()
        self.socket = self.http2 = None
        self.closing = False

    def request(self, method: str, target: str, body=None, headers=None) -> Answer:
        (answer,) = self.exchange([(method, target, body, headers)])
        return answer

    def exchange(self, requests) -> list[Answer]:
        """Sends the requests, each (method, target, body, headers), at the same time over one connection."""
        self._open()
        for request in requests:
            self._begin(*request)
        while not all(stream.ended for stream in self.streams.values()):
            self._send_bodies()
            self._receive()
        return [Answer(stream.status, stream.headers, bytes(stream.content)) for stream in self.streams.values()]

    def head(self, method: str, target: str, body, headers: dict[str, str]) -> list[tuple[str, str]]:
        """The header fields of a request: the pseudo-header fields come first (RFC 9113, section 8.3)."""
        fields = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", target)]
        fields += [(name.lower(), str(value)) for name, value in headers.items() if value is not None]
        if body is not None and "Content-Length" not in headers:
            fields.append(("content-length", str(len(body))))
        return fields

    def stall(self, method: str, target: str, body: bytes, headers) -> Stream:
        """Sends the beginning of a request, and waits until the server ends the stream."""
        self._open()
        stream = self.streams[self._begin(method, target, body, headers, finishes=False)]
        self._send_bodies()
        while not stream.ended:
            self._receive()
        return stream

    def break_off(self, method: str, target: str, body: bytes, headers, *, resets: bool) -> None:
        """Sends the beginning of a request, and then resets the stream or closes the connection."""
        self._open()
        number = self._begin(method, target, body, headers, finishes=False)
        stream = self.streams[number]
        self._send_bodies()
        while stream.body is not None:
            self._receive()
            self._send_bodies()
        self.streams = {}
        if resets:
            self.http2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
            self._send()
        else:
            self.close()

    # --- the connection

    def _open(self) -> None:
        """Opens a connection, unless there is one that takes requests."""
        self.streams = {}
        if self.socket and not self.closing:
            return
        self.close()
        plain = socket.create_connection(("127.0.0.1", self.port), self.timeout)
        self.socket = self.context.wrap_socket(plain, server_hostname=HOST)
        assert self.socket.selected_alpn_protocol() == "h2"
        # Without these checks, h2 sends invalid requests as a test states them.
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False))
        self.http2.initiate_connection()
        self._send()

    def _begin(self, method: str, target: str, body, headers, finishes: bool = True) -> int:
        """Sends the head of a request on a new stream."""
        number = self.http2.get_next_available_stream_id()
        self.streams[number] = Stream(None if body is None else memoryview(body), finishes)
        self.http2.send_headers(number, self.head(method, target, body, headers or {}), end_stream=body is None)
        self._send()
        return number

    def _send(self) -> None:
        self.socket.sendall(self.http2.data_to_send())

    def _send_bodies(self) -> None:
        """Sends as much of each body as the peer's flow control permits, the streams in turns."""
        sent = True
        while sent:
            sent = False
            for number, stream in self.streams.items():
                if stream.ended or stream.body is None:
                    continue
                window = min(self.http2.local_flow_control_window(number), self.http2.max_outbound_frame_size)
                piece = bytes(stream.body[:window])
                if not piece and len(stream.body) > 0:
                    continue
                stream.body = stream.body[len(piece):]
                is_last = len(stream.body) == 0
                self.http2.send_data(number, piece, end_stream=is_last and stream.finishes)
                if is_last:
                    stream.body = None
                sent = True
                self._send()

    def _receive(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        for event in self.http2.receive_data(data):
            stream = self.streams.get(getattr(event, "stream_id", None))
            match event:
                case h2.events.ConnectionTerminated():
                    self.closing = True
                    if event.error_code:
                        raise ConnectionResetError(f"GOAWAY with error {event.error_code}")
                case h2.events.ResponseReceived() if stream:
                    for name, value in event.headers:
                        if name == ":status":
                            stream.status = int(value)
                        else:
                            stream.headers[name] = value
                case h2.events.DataReceived():
                    self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if stream:
                        stream.content += event.data
                case h2.events.StreamEnded() if stream:
                    stream.ended = True
                case h2.events.StreamReset() if stream:
                    stream.reset, stream.ended = event.error_code, True
        self._send()
