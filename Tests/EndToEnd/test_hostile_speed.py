"""Clients that send a byte a second, never finish, contradict themselves or do not read: others are not slowed down.

`ROUNDS=50 Tests/run endtoend` compares an honest upload's speed alone and beside the crowd more often.
"""

import concurrent.futures
import contextlib
import itertools
import os
import pathlib
import re
import select
import socket
import statistics
import time

import pytest

from support.client import MIB, Chunk, layout, parameters, random_bytes
from support.hostile_clients import GARBAGE, LONG_LIST, RAW, head, hostile_crowd, list_request, manners, upload_fields
from support.journal import Journal
from support.server import Server, replace, run_program, wait_until

ROUNDS = int(os.environ.get("ROUNDS", "5"))
# A page sends three chunks at a time.
SENDERS = 3
DATA = random_bytes(32 * MIB)
SMALL = Chunk(1, 0, 1000, 2)
# No two files may have the same name: the second would be a late duplicate of the first.
numbers = itertools.count(1)


class OneWorker(Server):
    """nginx as on the smallest machine: one worker process serves the hostile and the honest clients."""

    def configuration(self, text: str) -> str:
        return replace(text, "worker_processes auto;", "worker_processes 1;")

    @property
    def worker(self) -> int:
        master = self.nginx.pid
        (worker,) = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return int(worker)


@pytest.fixture
def server(tmp_path):
    with OneWorker(tmp_path / "root") as server:
        yield server


def begin_long_list(server: Server) -> int:
    """Begins the upload with the long list of held ranges. Returns the size of the list in bytes."""
    with server.client() as client:
        fields = upload_fields("long list", LONG_LIST)
        assert client.send(fields, bytes(LONG_LIST.end)).status == 200
        held = range(2 * LONG_LIST.end, LONG_LIST.total * LONG_LIST.end, 2 * LONG_LIST.end)
        Journal(server.root, "long list", "long list").adopt((start, start + LONG_LIST.end) for start in held)
        return len(client.test(fields, headers={"Accept": "application/json"}).body)


def upload(server: Server, name: str) -> None:
    """Uploads a file as a page does. Every answer has to be 200."""
    chunks = iter(layout(len(DATA), MIB, False))

    def send_chunks() -> None:
        with server.client() as client:
            # list_iterator.__next__ is atomic.
            for chunk in chunks:
                fields = parameters(chunk, identifier=name, filename=name, size=len(DATA), chunk_size=MIB)
                answer = client.send(fields, DATA[chunk.start : chunk.end])
                assert answer.status == 200, (answer.status, answer.body)

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        for sender in [pool.submit(send_chunks) for _ in range(SENDERS)]:
            sender.result()


def upload_speed(server: Server, seconds: float) -> float:
    """Uploads whole files for this long. Returns bytes a second."""
    sent, spent = 0, 0.0
    while spent < seconds:
        name = f"honest {next(numbers)}"
        began = time.perf_counter()
        upload(server, name)
        spent += time.perf_counter() - began
        sent += len(DATA)
        assert (server.root / name).read_bytes() == DATA
        (server.root / name).unlink()
    return sent / spent


def memory(process: int) -> int:
    """The memory of a process in bytes, with its share of shared pages."""
    text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024


def connections(process: int) -> int:
    """The number of sockets that a process has open."""
    count = 0
    for descriptor in pathlib.Path(f"/proc/{process}/fd").iterdir():
        # It may have been closed meanwhile.
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(descriptor).startswith("socket:")
    return count


def test_two_thousand_hostile_clients_leave_an_honest_one_its_speed(server):
    assert begin_long_list(server) > MIB
    # The open sockets at rest.
    upload(server, "first")
    idle = {process: connections(process) for process in (server.worker, server.program.pid)}
    alone, ratios, held_by_nginx = [upload_speed(server, 1)], [], []
    for _ in range(ROUNDS):
        with hostile_crowd(server.port) as crowd:
            # The first requests of the hostile clients, which all come at once, are over after this upload.
            upload_speed(server, 0.1)
            beside = upload_speed(server, 2)
            held_by_nginx.append(memory(server.worker))
        expect_all_were_there(crowd)
        alone.append(upload_speed(server, 1))
        # Compared with the speed before and after, so that another program's work does not count for one side only.
        ratios.append(beside / statistics.mean(alone[-2:]))
    print(
        f"alone {statistics.median(alone) / MIB:.0f} MiB/s; beside the crowd {statistics.median(ratios):.2f} of that "
        f"({', '.join(f'{ratio:.2f}' for ratio in ratios)}); nginx held {held_by_nginx[0] // MIB} MiB and later up to "
        f"{max(held_by_nginx) // MIB} MiB, the program {server.peak_memory() // MIB} MiB")
    assert statistics.median(ratios) >= 0.8
    # Some KiB for each connection. The buffers of later hostile clients are elsewhere in nginx's heap, so its pages
    # grow, but never beyond the buffers of the announced bodies.
    assert held_by_nginx[0] < 96 * MIB
    assert max(held_by_nginx) < sum(manner.connections for manner in manners() if manner.name == "slow body") * MIB
    # For each thread the long list, as ranges, as text and as bytes.
    assert server.peak_memory() < 128 * MIB

    # Afterwards: no connection is left, no file was made, the store is consistent, and the next upload succeeds.
    for process, count in idle.items():
        wait_until(lambda: connections(process) <= count, 20, "the hostile connections are closed")
    assert server.finished_files() == ["first"]
    with server.client() as client:
        for name, chunk in [("slow body", Chunk(1, 0, MIB, 2)), ("short body", SMALL), ("garbage", SMALL)]:
            assert client.test(upload_fields(name, chunk)).status == 404, name
    assert run_program("verify", "--root", server.root).returncode == 0
    upload(server, "last")
    assert (server.root / "last").read_bytes() == DATA


def expect_all_were_there(crowd) -> None:
    """Checks that each kind was connected, and that the answers to it follow the status table."""
    for manner in manners():
        counts = crowd[manner.name]
        assert counts["opened"] >= manner.connections, manner.name
        assert {status for status in counts if status.isdigit()} == set(manner.answers), manner.name
        if manner.name.startswith("slow"):
            # They stay connected, and at least the opening and one piece of each was sent. On a busy machine the time
            # limit for a head is over for some, and they connect again within a second.
            assert counts["connected"] > 0.5 * manner.connections
            assert counts["sent"] >= manner.connections * (len(manner.opening) + len(manner.piece))
        if manner.answers:
            assert counts["closed"] > 0, manner.name


def test_unread_answers_hold_no_thread(server):
    """More clients than threads request a large answer and do not read it: no thread of the program waits for them."""
    assert begin_long_list(server) > MIB
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(10)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(list_request())
            # The answer has begun to arrive, and is not read.
            assert select.select([connection], [], [], 10)[0]
        with server.client(timeout=10) as client:
            assert client.test(upload_fields("somebody else's", SMALL)).status == 404


def test_a_request_head_that_does_not_end_is_cut_off(server):
    """By the time limit for the whole head (client_header_timeout, 20 s), however often a byte comes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection:
        connection.sendall(head("GET", "slow", SMALL) + b"X-Slow: ")

        def is_closed() -> bool:
            try:
                connection.sendall(b"x")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        wait_until(is_closed, 60, "it is closed")


def answers(server: Server, sent: bytes) -> list[tuple[int, str]]:
    """Sends these bytes on a connection and reads to its end: the status and outcome of each answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        # A reset after the last answer is an acceptable end, too.
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    found = re.findall(rb"HTTP/1\.1 (\d{3}) .*?X-Upload-Outcome: (\w+)", received, re.DOTALL)
    return [(int(status), outcome.decode()) for status, outcome in found]


def test_bytes_after_a_body_do_not_become_part_of_its_chunk(server):
    data = random_bytes(1000)
    whole = head("POST", "exact", Chunk(1, 0, len(data), 1), RAW, f"Content-Length: {len(data)}") + b"\r\n" + data
    assert answers(server, whole + GARBAGE) == [(200, "stored"), (500, "malformed")]
    assert (server.root / "exact").read_bytes() == data


def test_requests_may_be_pipelined(server):
    """Hostile clients pipeline garbage; honest ones may pipeline requests (RFC 9112, section 9.3.2)."""
    bodies = {f"pipelined {number}": random_bytes(1000, seed=number) for number in range(20)}
    requests = [
        head("POST", name, Chunk(1, 0, 1000, 1), RAW, "Content-Length: 1000") + b"\r\n" + body
        for name, body in bodies.items()
    ]
    last = head("GET", "pipelined 0", Chunk(1, 0, 1000, 1), "Connection: close") + b"\r\n"
    assert answers(server, b"".join(requests) + last) == [(200, "stored")] * 20 + [(200, "held")]
    for name, body in bodies.items():
        assert (server.root / name).read_bytes() == body
