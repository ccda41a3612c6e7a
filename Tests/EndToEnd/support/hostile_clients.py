"""Hostile clients: they send or read slowly, or do not send what they announce.

They run in a process of their own, so that they share no interpreter with honest clients, and at low priority, because
real ones would not run on the server at all. They use many loopback addresses: a crowd that the limit for a single
address holds back would prove little.

    python -m support.hostile_clients PORT

prints a line when all are connected and the server has closed a connection of each kind that it cuts off, and a line of
JSON when its input ends.

Theory of operation: one loop serves all connections. Each sends its opening bytes at once, then a piece a second.
When the server closes a connection, or its lifetime ends, it is opened again. Answers are read and their status codes
counted, except by the clients whose attack is not to read.
"""

import collections
import contextlib
import dataclasses
import heapq
import json
import os
import pathlib
import re
import resource
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from support.client import MIB, ROUTE, Chunk, parameters, query

# Below the limit of nginx.conf.example for one address (limit_conn).
CONNECTIONS_PER_ADDRESS = 40
# Seconds between two pieces of one connection.
PACE = 1
# For at most this many seconds the crowd waits for the server to cut clients off.
PATIENCE = 60
# An upload of which every other chunk is held: the answer to a test of it does not fit into any socket's buffer.
LONG_LIST = Chunk(1, 0, 100, 131_072)
RAW = "Content-Type: application/octet-stream"
GARBAGE = bytes(range(256)) * 8


@dataclasses.dataclass(frozen=True)
class Manner:
    """One kind of misbehaviour."""

    name: str
    connections: int
    # Sent at once.
    opening: bytes
    # Sent each second after that.
    piece: bytes = b""
    # The client disconnects after this many seconds; None: never.
    lifetime: float | None = None
    # Whether the client shuts down its sending side after the opening.
    half_closes: bool = False
    reads: bool = True
    # The statuses of the answers after which the server closes the connection, in their order.
    answers: tuple[str, ...] = ()


def upload_fields(name: str, chunk: Chunk) -> dict:
    """The parameters of one chunk of a file of equal chunks."""
    length = chunk.end - chunk.start
    return parameters(chunk, identifier=name, filename=name, size=chunk.total * length, chunk_size=length)


def head(method: str, name: str, chunk: Chunk, *lines: str) -> bytes:
    """A request head without the empty line at its end."""
    first = f"{method} {ROUTE}?{query(upload_fields(name, chunk))} HTTP/1.1"
    return "".join(f"{line}\r\n" for line in (first, "Host: 127.0.0.1", *lines)).encode()


def list_request() -> bytes:
    return head("GET", "long list", LONG_LIST, "Accept: application/json") + b"\r\n"


def manners() -> list[Manner]:
    large, small = Chunk(1, 0, MIB, 2), Chunk(1, 0, 1000, 2)
    announced = head("POST", "short body", small, RAW, "Content-Length: 1000") + b"\r\n"
    short = announced + bytes(999)
    return [
        # Two thousand clients that send one byte a second.
        Manner("slow header", 600, head("GET", "slow header", large) + b"X-Slow: ", b"x"),
        Manner("slow body", 800, head("POST", "slow body", large, RAW, f"Content-Length: {MIB}") + b"\r\n", b"x"),
        Manner(
            "slow chunked body", 600, head("POST", "slow body", large, RAW, "Transfer-Encoding: chunked") + b"\r\n",
            b"1\r\nx\r\n"),
        # Some of every other kind.
        Manner("endless header", 20, head("GET", "endless", large), b"".join(
            b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(50)), answers=("500",)),
        Manner("endless line", 20, f"GET {ROUTE}?".encode(), b"x" * 50_000, answers=("500",)),
        Manner("short body, then the end", 20, short, half_closes=True),
        Manner("short body, then gone", 20, short, lifetime=1),
        Manner("short body, then silence", 20, short),
        # The announced length is a chunk. The bytes after it are not a request.
        Manner(
            "long body", 20,
            head("POST", "long body", small, RAW, "Content-Length: 1000") + b"\r\n" + bytes(1000) + GARBAGE,
            answers=("200", "500")),
        Manner(
            "pipelined garbage", 20, head("GET", "garbage", small) + b"\r\n" + GARBAGE, answers=("404", "500")),
        Manner("reads nothing", 24, list_request() * 8, reads=False),
    ]


class Connection:
    """One client of a kind. It has to be opened before anything else."""

    def __init__(self, manner: Manner, source: str, port: int):
        self.manner = manner
        self.source = source
        self.port = port
        self.socket: socket.socket | None = None
        self.opened_at = 0.0
        # Bytes that are yet to be sent.
        self.pending = b""
        # The end of the received bytes, which may be half a status line.
        self.tail = b""

    def open(self) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.manner.reads:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind((self.source, 0))
        self.socket.setblocking(False)
        # The kernel finishes connecting in the background. Nothing can be sent before that.
        with contextlib.suppress(BlockingIOError):
            self.socket.connect(("127.0.0.1", self.port))
        self.opened_at = time.monotonic()
        self.pending = self.manner.opening
        self.tail = b""

    def send(self) -> int:
        """Sends as much as the socket takes of the pending bytes. Returns how many."""
        if not self.pending:
            return 0
        try:
            count = self.socket.send(self.pending)
        except BlockingIOError:
            return 0
        self.pending = self.pending[count:]
        if not self.pending and self.manner.half_closes:
            self.socket.shutdown(socket.SHUT_WR)
        return count

    def statuses(self, received: bytes) -> list[str]:
        """The status codes in the received bytes."""
        text = self.tail + received
        found = list(re.finditer(rb"HTTP/1\.1 (\d{3}) ", text))
        self.tail = text[max(found[-1].end() if found else 0, len(text) - len("HTTP/1.1 200")) :]
        return [match[1].decode() for match in found]


class Crowd:
    """All connections, with counts by kind: how many were `opened`, how many the server `closed`, how many are
    `connected`, the bytes `sent`, and how many answers had each status."""

    def __init__(self, port: int):
        self.manners = manners()
        of_each = [manner for manner in self.manners for _ in range(manner.connections)]
        self.connections = []
        for number, manner in enumerate(of_each):
            address = number // CONNECTIONS_PER_ADDRESS
            self.connections.append(Connection(manner, f"127.1.{address // 250}.{address % 250 + 1}", port))
        self.counts = {manner.name: collections.Counter() for manner in of_each}
        self.epoll = select.epoll()
        self.by_descriptor: dict[int, Connection] = {}

    def run(self) -> None:
        """Runs until the standard input ends."""
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        begin = time.monotonic()
        # The time at which each connection acts next. They don't all connect at once, because the queue of connections
        # that wait to be accepted serves the honest clients, too.
        everybody_in = begin + 2 * PACE
        due = [
            (begin + (everybody_in - begin) * number / len(self.connections), number)
            for number in range(len(self.connections))
        ]
        told = False
        while True:
            now = time.monotonic()
            while due[0][0] <= now:
                at, number = heapq.heappop(due)
                self.act(self.connections[number], now)
                heapq.heappush(due, (max(at + PACE, now), number))
            if not told and now > everybody_in + PACE and (self.all_were_cut_off() or now > begin + PATIENCE):
                print("here", flush=True)
                told = True
            for descriptor, _ in self.epoll.poll(max(0, due[0][0] - time.monotonic())):
                if descriptor == sys.stdin.fileno():
                    print(json.dumps(self.final_counts()), flush=True)
                    return
                if connection := self.by_descriptor.get(descriptor):
                    self.receive(connection)

    def all_were_cut_off(self) -> bool:
        """Whether the server has closed a connection of each kind that it answers."""
        return all(self.counts[manner.name]["closed"] for manner in self.manners if manner.answers)

    def act(self, connection: Connection, now: float) -> None:
        """Sends a connection's next piece."""
        counts, manner = self.counts[connection.manner.name], connection.manner
        try:
            if connection.socket is None:
                connection.open()
                counts["opened"] += 1
                self.by_descriptor[connection.socket.fileno()] = connection
                self.epoll.register(connection.socket, select.EPOLLIN if manner.reads else 0)
            elif manner.lifetime and now > connection.opened_at + manner.lifetime:
                self.close(connection)
                return
            elif not connection.pending:
                connection.pending = manner.piece
            counts["sent"] += connection.send()
        except OSError:
            self.lose(connection)

    def receive(self, connection: Connection) -> None:
        try:
            # A client that reads nothing only learns here that the connection broke.
            received = connection.socket.recv(65536) if connection.manner.reads else b""
        except BlockingIOError:
            return
        except OSError:
            received = b""
        for status in connection.statuses(received):
            self.counts[connection.manner.name][status] += 1
        if not received:
            self.lose(connection)

    def lose(self, connection: Connection) -> None:
        self.counts[connection.manner.name]["closed"] += 1
        self.close(connection)

    def close(self, connection: Connection) -> None:
        del self.by_descriptor[connection.socket.fileno()]
        connection.socket.close()
        connection.socket = None

    def final_counts(self) -> dict[str, dict[str, int]]:
        for connection in self.by_descriptor.values():
            self.counts[connection.manner.name]["connected"] += 1
        return self.counts


@contextlib.contextmanager
def hostile_crowd(port: int) -> Iterator[dict[str, collections.Counter]]:
    """Runs the hostile clients against this port. The yielded dictionary has their counts after the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "support.hostile_clients", str(port)],
        cwd=pathlib.Path(__file__).parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    counts: dict[str, collections.Counter] = {}
    try:
        assert process.stdout.readline() == "here\n", "the crowd did not get there"
        yield counts
        process.stdin.close()
        for name, each in json.loads(process.stdout.readline()).items():
            counts[name] = collections.Counter(each)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait(5)
        process.stdin.close()
        process.stdout.close()


if __name__ == "__main__":
    os.nice(19)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Crowd(int(sys.argv[1])).run()
