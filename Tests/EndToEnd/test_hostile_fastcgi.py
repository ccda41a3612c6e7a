"""Hostile FastCGI peers: garbage, contradictions and silence straight on the program's socket, while honest uploads run
through nginx. No acknowledged byte is lost, and the program keeps running. If it ended, a supervisor would start it
again, and the test would count that.

`HOSTILE_CASES=100000 Tests/run endtoend` tries more cases. `SEED=n` repeats the cases of a run.
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import socket
import struct
import threading

from support.client import Chunk, parameters, query
from support.fastcgi import BEGIN_REQUEST, PARAMS, STDIN, Request, upload_params
from support.load import Load
from support.server import Server, run_program, wait_until

# The default of --threads.
THREADS = 8
CASES = int(os.environ.get("HOSTILE_CASES", "1500"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
# The bytes that one connection may send in a case, and the time it may take.
MOST_BYTES = 1 << 20
MOST_SECONDS = 0.5
# Connections that are opened and abandoned. Few at a time: each occupies a thread until the program closes it.
LEFT_OPEN = 4
GET_VALUES, UNKNOWN_TYPE = 9, 11


def record(kind: int, content: bytes, request: int = 1, version: int = 1, padding: int = 0) -> bytes:
    return struct.pack(">BBHHBx", version, kind, request, len(content), padding) + content + bytes(padding)


def begin(role: int = 1, flags: int = 0, request: int = 1) -> bytes:
    return record(BEGIN_REQUEST, struct.pack(">HB5x", role, flags), request)


def pairs(params: dict[str, str]) -> bytes:
    return b"".join(Request._pair(name.encode(), value.encode()) for name, value in params.items())


class Hostile:
    """Generates cases: the bytes of one connection, and how the connection ends."""

    def __init__(self, choice: random.Random):
        self.choice = choice

    def records(self, length: int | None = None) -> list[bytes]:
        """A request as nginx sends it, with a file of its own."""
        name = f"hostile-{self.choice.randrange(1 << 30)}"
        content = self.choice.randbytes(self.choice.choice([0, 1, 1000, 70_000]))
        size = max(1, len(content))
        fields = parameters(
            Chunk(1, 0, len(content), 1), identifier=name, filename=name, size=len(content), chunk_size=size)
        announced = len(content) if length is None else length
        params = pairs(upload_params("POST", query(fields), "application/octet-stream", announced))
        body = [record(STDIN, content[at : at + 60_000]) for at in range(0, len(content), 60_000)]
        return [begin(), record(PARAMS, params), record(PARAMS, b""), *body, record(STDIN, b"")]

    def honest(self) -> bytes:
        return b"".join(self.records())

    def garbage(self) -> bytes:
        return self.choice.randbytes(self.choice.choice([1, 7, 8, 100, 20_000]))

    def truncated(self) -> bytes:
        whole = self.honest()
        return whole[: self.choice.randrange(len(whole))]

    def reordered(self) -> bytes:
        records = self.records()
        self.choice.shuffle(records)
        return b"".join(records)

    def repeated(self) -> bytes:
        return b"".join(each * self.choice.choice([1, 1, 2, 50]) for each in self.records())

    def flipped(self) -> bytes:
        whole = bytearray(self.honest())
        # Mostly where the structure is: in record heads and parameters.
        reach = self.choice.choice([24, 400, len(whole)])
        for _ in range(self.choice.choice([1, 2, 10])):
            whole[self.choice.randrange(min(reach, len(whole)))] = self.choice.randrange(256)
        return bytes(whole)

    def wrong_heads(self) -> bytes:
        changed = []
        for each in self.records():
            head = list(struct.unpack(">BBHHB", each[:7]))
            if self.choice.random() < 0.3:
                place = self.choice.randrange(5)
                head[place] = self.choice.choice([0, 1, 2, 255, 65535][: 5 if place in (2, 3) else 4])
            changed.append(struct.pack(">BBHHBx", *head) + each[8:])
        return b"".join(changed)

    def lying_length(self) -> bytes:
        lie = self.choice.choice([-1, 0, 1, 999, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1, 1 << 64])
        return b"".join(self.records(length=lie))

    def lying_pairs(self) -> bytes:
        lengths = self.choice.choice(
            [b"\xff" * 8, b"\xff" * 7 + b"\0", b"\x80\xff\xff\xff\1", b"\1\xff\xff\xff\xff", b"\x7f\x7f", b"\x80"])
        rest = self.choice.randbytes(self.choice.choice([0, 1, 100]))
        return begin() + record(PARAMS, lengths + rest) + record(PARAMS, b"")

    def endless_parameters(self) -> bytes:
        piece = record(PARAMS, pairs({"X" * self.choice.choice([1, 100]): "x" * self.choice.choice([0, 50_000])}))
        return begin() + piece * (MOST_BYTES // len(piece))

    def many_parameters(self) -> bytes:
        count = self.choice.choice([1000, 1001, 30_000])
        return begin() + record(PARAMS, b"\0\0" * count) + record(PARAMS, b"") + record(STDIN, b"")

    def values(self) -> bytes:
        """FCGI_GET_VALUES with many names: libfcgi answers into 64 bytes of its stack, where ten answers do not fit."""
        asked = pairs({name: "" for name in ("FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS")})
        question = record(GET_VALUES, asked * self.choice.choice([1, 4, 400]), request=0)
        records = self.records()
        records.insert(self.choice.randrange(len(records) + 1), question)
        return b"".join(records)

    def flood(self) -> bytes:
        kind = self.choice.choice([BEGIN_REQUEST, 2, 3, PARAMS, STDIN, 8, GET_VALUES, UNKNOWN_TYPE, 200])
        each = record(kind, self.choice.choice([b"", bytes(8)]), self.choice.choice([0, 1, 2]))
        start = self.choice.choice([b"", begin(), b"".join(self.records()[:3])])
        return start + each * (MOST_BYTES // 4 // len(each))

    def case(self):
        make = self.choice.choice([
            self.honest, self.garbage, self.truncated, self.reordered, self.repeated, self.flipped, self.wrong_heads,
            self.lying_length, self.lying_pairs, self.endless_parameters, self.many_parameters, self.values, self.flood,
        ])  # fmt: skip
        return make.__name__, make(), self.choice.choices(["close", "half-close", "listen", "leave"], [6, 2, 2, 1])[0]


class Attack:
    """Runs the cases one after the other on a thread of its own."""

    def __init__(self, server: Server, choice: random.Random):
        self.server = server
        self.hostile = Hostile(choice)
        self.choice = choice
        self.left: list[socket.socket] = []

    def run(self, cases: int) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: [each.close() for each in self.left])
            for _ in range(cases):
                self.attempt(*self.hostile.case())

    def attempt(self, name: str, content: bytes, end: str) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(MOST_SECONDS)
        # The program may answer anything here. Only the results of the honest clients count.
        with contextlib.suppress(OSError):
            connection.connect(str(self.server.socket))
            pieces = self.choice.choice([1, 1, 3, 20])
            for at in range(0, len(content), len(content) // pieces + 1):
                connection.sendall(content[at : at + len(content) // pieces + 1])
            if end == "half-close":
                connection.shutdown(socket.SHUT_WR)
            if end in ("half-close", "listen"):
                while connection.recv(65536):
                    pass
        if end == "leave":
            self.left.append(connection)
            if len(self.left) > LEFT_OPEN:
                self.left.pop(0).close()
        else:
            connection.close()


class Supervisor:
    """Starts the program again when it has ended, as systemd does, and counts the restarts."""

    def __init__(self, server: Server):
        self.server = server
        self.restarts = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self) -> "Supervisor":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def run(self) -> None:
        while not self.over.wait(0.05):
            if self.server.program.poll() is not None:
                self.restarts += 1
                self.server.program = self.server.spawn_program()


def threads_of(server: Server) -> int:
    status = pathlib.Path(f"/proc/{server.program.pid}/status").read_text()
    return int(re.search(r"Threads:\s+(\d+)", status)[1])


def expect_every_thread_answers(server: Server) -> None:
    """Sends as many requests at the same time as there are threads. All are answered."""
    size = 100_000
    requests = []
    for number in range(THREADS):
        fields = parameters(
            Chunk(1, 0, size, 1), identifier=f"thread {number}", filename=f"thread-{number}", size=size, chunk_size=size)
        params = upload_params("POST", query(fields), "application/octet-stream", size)
        requests.append(Request(server.socket, params))
        requests[-1].write(bytes(size - 1))
    for request in requests:
        request.write(b"\0")
        status, fields, _ = request.answer()
        assert (status, fields["x-upload-outcome"]) == (200, "stored")


def test_hostile_peers_on_the_socket_cost_no_honest_byte(server):
    # A failure shows it; `pytest -s` always does.
    print(f"SEED={SEED} HOSTILE_CASES={CASES}")
    expect_every_thread_answers(server)
    threads = threads_of(server)
    attacks = [Attack(server, random.Random(f"{SEED} {number}")) for number in range(2)]
    with Supervisor(server) as supervisor, Load(server, SEED) as load:
        load.wait_for_progress()
        workers = [threading.Thread(target=each.run, args=(CASES // len(attacks),)) for each in attacks]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        load.wait_for_progress()
    print(f"{len(load.digests)} honest files, {load.counts}, {supervisor.restarts} restarts")
    # Every acknowledged byte is there.
    load.expect_files_whole(load.digests)
    found = run_program("verify", "--root", server.root)
    assert found.returncode == 0, found.stdout + found.stderr
    # The program ran on without a restart, with all its threads, in little memory.
    assert supervisor.restarts == 0
    expect_every_thread_answers(server)
    assert threads_of(server) == threads
    assert server.peak_memory() < 64 << 20


def test_a_supervisor_that_starts_the_program_again_loses_no_honest_byte(tmp_path):
    """If a peer found a way to end the program, the new one takes over the socket's path, and clients continue."""
    # A crash report takes some time.
    environment = {"SWIFT_BACKTRACE": "enable=no"}
    with Server(tmp_path / "root", environment=environment) as server:
        with Supervisor(server) as supervisor, Load(server, SEED) as load:
            for _ in range(5):
                load.wait_for_progress()
                before = supervisor.restarts
                # The same signal as a failed assertion in libfcgi.
                server.program.send_signal(signal.SIGABRT)
                wait_until(lambda: supervisor.restarts > before, 20, "the program has restarted")
            load.wait_for_progress()
        load.expect_files_whole(load.digests)
