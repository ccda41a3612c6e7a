"""A TCP line between a browser and nginx that can be slowed down, and that records the requests on it.

All browsers connect to nginx through it, so slowing down and recording work the same in every engine. Traffic on the
line is what was sent and answered, independently of what the page believes.

Theory of operation: one asyncio loop on a thread of its own copies bytes in both directions. Towards nginx a shared
clock paces them. On the way an incremental reader finds the heads of requests and responses (RFC 9112, section 6) and
puts them into a queue, which `Traffic.read` empties on the test's thread. Small segments and a small receive buffer
keep few bytes in the kernel, so that a browser sees the line's pace and not the loopback's.
"""

import asyncio
import collections
import queue
import socket
import urllib.parse
from collections.abc import Iterable

from support.relay import Relay

PIECE = 16 * 1024
LARGE_PIECE = 256 * 1024
ROUTES = ("/resumable_upload", "/api/photo/redeem-upload-token")


class Line(Relay):
    """A loopback port that leads to another one."""

    def __init__(self, target: int, port: int = 0):
        """`target`: the server's port. `port`: the line's own; 0: any free one."""
        super().__init__(target, port)
        #: Bytes a second towards the server, for all connections together; None: no limit.
        self.rate: int | None = None
        self.free_at = 0.0
        self.events: queue.SimpleQueue[tuple] = queue.SimpleQueue()
        self.requests = 0
        self.is_cut = False
        self.connections: set[asyncio.Task] = set()
        # Accepted connections inherit both.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1448)

    def slow_down(self, bytes_per_second: int | None) -> None:
        def change() -> None:
            self.rate, self.free_at = bytes_per_second, 0.0

        self.loop.call_soon_threadsafe(change)

    def cut(self) -> None:
        """Closes all connections, and every new one at once, until `mend`."""

        def change() -> None:
            self.is_cut = True
            for connection in self.connections:
                connection.cancel()

        self.loop.call_soon_threadsafe(change)

    def mend(self) -> None:
        self.is_cut = False

    def _accept(self, client: socket.socket, group: asyncio.TaskGroup) -> asyncio.Task | None:
        if self.is_cut:
            client.close()
            return None
        connection = super()._accept(client, group)
        self.connections.add(connection)
        connection.add_done_callback(self.connections.discard)
        return connection

    def _directions(self, client: socket.socket, server: socket.socket) -> tuple:
        exchange = Exchange(self)
        return (
            self._copy(client, server, exchange.sent, paced=True),
            self._copy(server, client, exchange.received, paced=False),
        )

    async def _copy(self, source: socket.socket, sink: socket.socket, note, *, paced: bool) -> None:
        while content := await self.loop.sock_recv(source, PIECE if paced and self.rate else LARGE_PIECE):
            if not paced and has_left(sink):
                # A browser that has closed the connection does not see the answer.
                return
            note(content)
            if paced and self.rate:
                self.free_at = max(self.free_at, self.loop.time()) + len(content) / self.rate
                await asyncio.sleep(self.free_at - self.loop.time())
            await self.loop.sock_sendall(sink, content)


def has_left(peer: socket.socket) -> bool:
    """True if the peer has closed the connection."""
    try:
        return peer.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


class Exchange:
    """The requests and responses of one connection, in order."""

    def __init__(self, line: Line):
        self.line = line
        self.sent = Messages(self._request).feed
        self.received = Messages(self._response).feed
        #: Number and method of the requests without a response.
        self.pending: collections.deque[tuple[int, str]] = collections.deque()

    def _request(self, start: str) -> bool:
        method, target, _ = start.split(" ", 2)
        self.line.requests += 1
        self.pending.append((self.line.requests, method))
        self.line.events.put(("request", self.line.requests, method, target))
        return True

    def _response(self, start: str) -> bool:
        status = int(start.split(" ", 2)[1])
        if status < 200 or not self.pending:
            return False
        number, method = self.pending.popleft()
        self.line.events.put(("response", number, status))
        return method != "HEAD" and status not in (204, 304)


class Messages:
    """Finds the start lines of HTTP messages in a stream. `begin` returns False if the message cannot have a body."""

    def __init__(self, begin):
        self.begin = begin
        #: The next element: a `head`, bytes of a `body`, the `size` of a chunk of a body, or the `trailer` after it.
        self.next = "head"
        self.chunked = False
        #: Bytes that are yet to come of the body, or of its chunk.
        self.left = 0
        #: The beginning of a head or a line.
        self.rest = b""

    def feed(self, content: bytes) -> None:
        content, self.rest = self.rest + content, b""
        while content:
            if self.next == "body":
                skipped = min(self.left, len(content))
                content, self.left = content[skipped:], self.left - skipped
                if self.left == 0:
                    self.next = "size" if self.chunked else "head"
                continue
            text, found, content_after = content.partition(b"\r\n\r\n" if self.next == "head" else b"\r\n")
            if not found:
                self.rest = content
                return
            content = content_after
            if self.next == "head":
                self._head(text.decode("latin-1"))
            elif self.next == "trailer":
                self.next = "trailer" if text else "head"
            elif text:
                # The empty line at the end of a chunk is not a size.
                self.left = int(text.split(b";")[0], 16)
                self.next = "body" if self.left else "trailer"

    def _head(self, head: str) -> None:
        start, *lines = head.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if not self.begin(start):
            return
        self.chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.left = int(fields.get("content-length", 0))
        if self.chunked or self.left:
            self.next = "size" if self.chunked else "body"


def bytes_of(fields: dict[str, str]) -> range:
    """The bytes of the file that an upload carries. Chunk numbers alone do not tell: one file may be sent in chunks of
    several sizes. Empty for other dialects, and for early releases of the original, which send the parameters only in
    the body, which is not recorded."""
    if "resumableChunkNumber" not in fields:
        return range(0)
    start = (int(fields["resumableChunkNumber"]) - 1) * int(fields["resumableChunkSize"])
    return range(start, start + int(fields["resumableCurrentChunkSize"]))


def overlaps(part: range, others: Iterable[range]) -> bool:
    """True if a byte of `part` is in one of the others."""
    return any(max(part.start, other.start) < min(part.stop, other.stop) for other in others)


class Traffic:
    """The requests that the browser has sent to the upload routes, and the answers to them."""

    def __init__(self, line: Line):
        self.line = line
        #: The parameters of each test and of each chunk that was sent, by the number of the request.
        self.tests: dict[int, dict[str, str]] = {}
        self.uploads: dict[int, dict[str, str]] = {}
        self.statuses: dict[int, int] = {}
        #: The bytes of each upload that the server has confirmed, in the order of the answers.
        self.stored: list[range] = []
        #: The bytes that were sent although they were confirmed, with the identifier of their file.
        self.sent_again: list[tuple[str, range]] = []

    def read(self) -> "Traffic":
        """Adds the events since the last call."""
        while not self.line.events.empty():
            kind, number, *details = self.line.events.get()
            if kind == "request":
                self._request(number, *details)
            else:
                self._answer(number, *details)
        return self

    def _request(self, number: int, method: str, target: str) -> None:
        url = urllib.parse.urlsplit(target)
        if not url.path.endswith(ROUTES):
            return
        # As later releases of the original, our client repeats all parameters in the query string.
        fields = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if method == "GET":
            self.tests[number] = fields
        elif method == "POST":
            identifier = fields.get("resumableIdentifier", "")
            confirmed = [
                bytes_of(sent)
                for upload, sent in self.uploads.items()
                if self.statuses.get(upload) == 200 and sent.get("resumableIdentifier", "") == identifier
            ]
            self.uploads[number] = fields
            if overlaps(bytes_of(fields), confirmed):
                self.sent_again.append((identifier, bytes_of(fields)))

    def _answer(self, number: int, status: int) -> None:
        if number in self.tests or number in self.uploads:
            self.statuses[number] = status
        if status == 200 and number in self.uploads:
            self.stored.append(bytes_of(self.uploads[number]))

    def answers_to(self, requests: dict[int, dict]) -> set[int]:
        """The statuses of the answers to some of the requests: to `tests` or to `uploads`."""
        return {self.statuses[request] for request in requests if request in self.statuses}

    def answers(self) -> set[int]:
        return set(self.statuses.values())
