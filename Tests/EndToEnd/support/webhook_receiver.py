"""An HTTP server on a loopback port that receives webhooks. It can be slow, broken or absent.

Independent implementations check every event on arrival: the Standard Webhooks library checks the signature, the
CloudEvents library checks the form.
"""

import base64
import dataclasses
import http.server
import json
import threading

import cloudevents.http
import standardwebhooks

from support.client import layout, parameters, random_bytes
from support.server import Server, free_port, run_program

DATA = random_bytes(50_000)
KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclasses.dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self):
        return cloudevents.http.from_http(self.headers, self.body)

    @property
    def id(self) -> str:
        return self.event["id"]


@dataclasses.dataclass
class Reply:
    status: int = 204
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""


class WebhookReceiver:
    """Calls `reply` for each request; the reply may take its time. `received` has all requests in order."""

    def __init__(self, reply=lambda received: Reply()):
        self.reply = reply
        self.port = free_port()
        self.received: list[Received] = []
        self.lock = threading.Lock()
        self.problems: list[str] = []
        self.server = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def __enter__(self) -> "WebhookReceiver":
        self.open()
        return self

    def __exit__(self, *_) -> None:
        self.close()
        assert not self.problems, self.problems

    def open(self) -> None:
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                try:
                    standardwebhooks.Webhook(KEY).verify(body, received.headers)
                    assert received.id == received.headers["webhook-id"]
                except Exception as error:
                    site.problems.append(f"{error!r}: {received}")
                with site.lock:
                    site.received.append(received)
                reply = site.reply(received)
                try:
                    self.send_response(reply.status)
                    for name, value in reply.headers.items():
                        self.send_header(name, value)
                    if reply.status != 204:
                        self.send_header("Content-Length", str(len(reply.body)))
                    self.end_headers()
                    self.wfile.write(reply.body)
                except OSError:
                    # The sender may have been killed by now.
                    pass

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()

    def close(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
            self.server = None

    def ids(self) -> list[str]:
        with self.lock:
            return [each.id for each in self.received]


def told(site: WebhookReceiver, key, root, *options: str) -> Server:
    """A server that sends its events to the receiver."""
    return Server(
        root, options=("--on-complete-url", site.url, "--event-key", str(key), "--event-timeout", "2s", *options))


def send(server: Server, name: str, data: bytes = DATA, **more) -> None:
    with server.client() as client:
        for chunk in layout(len(data), 20_000, force=True):
            fields = parameters(
                chunk, identifier=f"id of {name}", filename=name, size=len(data), chunk_size=20_000, **more)
            answer = client.send(fields, data[chunk.start : chunk.end])
            assert answer.status == 200, answer.body


def pending(server: Server) -> list[dict]:
    listed = run_program("events", "list", "--root", server.root, "--json")
    assert listed.returncode == 0, listed.stderr
    return json.loads(listed.stdout)


def all_delivered(server: Server) -> bool:
    return pending(server) == []
