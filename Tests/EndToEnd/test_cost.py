"""Memory, time and disk writes. Times are only compared with each other within one run."""

import collections
import concurrent.futures
import os
import statistics
import subprocess
import time

import pytest

from support import disks
from support.client import MIB, Chunk, layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.journal import Journal
from support.server import Server
from support.strace import started, traced_server

GIB = 1024 * MIB


@pytest.fixture(scope="module")
def large_disk(tmp_path_factory):
    """A sparse disk for large files that are hardly written to. The image itself takes a few megabytes."""
    with disks.image(tmp_path_factory.mktemp("large") / "disk", "ext4", 64 * GIB) as disk:
        yield disk


@pytest.fixture
def on_disk(large_disk, request):
    with Server(large_disk / request.node.name) as server:
        yield server


def exchange(server: Server, method: str, fields, body: bytes = b"") -> tuple[int, float]:
    """One request straight to the program: its status and its duration in seconds."""
    kind = "application/octet-stream" if body else ""
    began = time.perf_counter()
    request = Request(server.socket, upload_params(method, query(fields), kind, len(body)))
    request.write(body)
    status, _, _ = request.answer()
    return status, time.perf_counter() - began


def hold(server: Server, name: str, size: int, chunk_size: int, ranges) -> None:
    """Begins an upload with its first chunk, and writes into the journal that the ranges are held, too."""
    fields = parameters(
        Chunk(1, 0, chunk_size, size // chunk_size), identifier=name, filename=name, size=size, chunk_size=chunk_size)
    status, _ = exchange(server, "POST", fields, bytes(chunk_size))
    assert status == 200
    Journal(server.root, name, name).adopt(ranges)


def test_64_connections_of_8_mib_chunks_take_less_than_32_mib_of_memory(tmp_path):
    """All at once, eight times as many as there are threads: no chunk is ever whole in memory."""
    connections, chunk_size = 64, 8 * MIB
    size = connections * chunk_size
    # Slices of one pool, each at its own offset.
    pool = random_bytes(2 * chunk_size)
    contents = [pool[number * MIB // 8 :][:chunk_size] for number in range(connections)]
    with Server(tmp_path / "files") as server:

        def send(chunk: Chunk) -> int:
            fields = parameters(chunk, identifier="large", filename="large", size=size, chunk_size=chunk_size)
            return exchange(server, "POST", fields, contents[chunk.number - 1])[0]

        with concurrent.futures.ThreadPoolExecutor(connections) as threads:
            assert set(threads.map(send, layout(size, chunk_size, False))) == {200}
        peak = server.peak_memory()
        with open(server.root / "large", "rb") as file:
            assert all(file.read(chunk_size) == content for content in contents)
    print(f"64 connections with chunks of 8 MiB: {peak / MIB:.1f} MiB at the peak")
    assert peak < 32 * MIB


def test_completing_a_file_takes_no_longer_at_10_gib_than_at_10_mib(on_disk):
    """All but the last chunk is held. The rest is that chunk, a sync with no other data to write, and the rename."""

    def complete(size: int, name: str) -> float:
        content = random_bytes(MIB)

        def send(chunk: Chunk) -> float:
            fields = parameters(chunk, identifier=name, filename=name, size=size, chunk_size=MIB)
            status, seconds = exchange(on_disk, "POST", fields, content)
            assert status == 200
            return seconds

        *_, last_but_one, last = layout(size, MIB, False)
        hold(on_disk, name, size, MIB, [(MIB, size - 2 * MIB)])
        # This reserves the space of the file, which a real upload does step by step.
        send(last_but_one)
        # Earlier writes are not part of completing.
        subprocess.run(["sync", "-f", on_disk.root], check=True)
        seconds = send(last)
        file = on_disk.root / name
        assert file.stat().st_size == size
        with open(file, "rb") as finished:
            finished.seek(-MIB, 2)
            assert finished.read() == content
        return seconds

    sizes = [10 * MIB, 10 * GIB]
    seconds = {size: [] for size in sizes}
    for turn in range(9):
        for size in sizes:
            seconds[size].append(complete(size, f"{size} {turn}"))
            (on_disk.root / f"{size} {turn}").unlink()
    # Other work of the machine only adds to a time.
    small, large = (min(seconds[size]) for size in sizes)
    print(f"the last chunk of 10 MiB: {small * 1000:.2f} ms, of 10 GiB: {large * 1000:.2f} ms")
    # A cost that grows with the file would be a thousand times as high.
    assert large < 5 * small


def test_a_test_of_one_chunk_among_100_000_costs_no_more_than_among_10(on_disk):
    chunk_size = 1000
    many, few = 100_000, 10

    def begin(name: str, count: int):
        # Every other chunk is missing, so that no two ranges merge.
        ranges = [(number * chunk_size, (number + 1) * chunk_size) for number in range(0, count, 2)]
        hold(on_disk, name, count * chunk_size, chunk_size, ranges)
        fields = [
            parameters(
                Chunk(number + 1, number * chunk_size, (number + 1) * chunk_size, count),
                identifier=name, filename=name, size=count * chunk_size, chunk_size=chunk_size)
            for number in range(count // 2 - count // 2 % 2, count)[:2]
        ]
        return [(fields[0], 200), (fields[1], 404)]

    uploads = {count: begin(f"of {count}", count) for count in (few, many)}
    seconds = {count: [] for count in uploads}
    for _ in range(300):
        for count, tests in uploads.items():
            for fields, expected in tests:
                status, took = exchange(on_disk, "GET", fields)
                assert status == expected
                seconds[count].append(took)
    low, high = (statistics.median(seconds[count]) for count in (few, many))
    print(f"a test among {few} chunks: {low * 1e6:.0f} us, among {many}: {high * 1e6:.0f} us")
    # A cost that grows with the number of chunks would be thousands of times as high.
    assert high < 5 * low


@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_each_byte_is_written_to_the_disk_once(on_disk, raw):
    """By write_bytes in /proc/PID/io: the pages that the program made the kernel write. (wchar would include answers
    and the log, and would miss pages that are written twice below the file system.)"""
    data = random_bytes(128 * MIB)

    def written() -> int:
        with open(f"/proc/{on_disk.program.pid}/io") as counters:
            return int(dict(line.split(": ") for line in counters)["write_bytes"])

    with on_disk.client() as client:
        send = client.send_raw if raw else client.send
        before = written()
        for chunk in layout(len(data), MIB, False):
            fields = parameters(chunk, identifier="film", filename="film", size=len(data), chunk_size=MIB)
            assert send(fields, data[chunk.start : chunk.end]).status == 200
        factor = (written() - before) / len(data)
    print(f"{factor:.4f} bytes written for each byte uploaded")
    assert (on_disk.root / "film").read_bytes() == data
    assert 1.00 <= factor <= 1.02


def test_a_small_file_takes_25_system_calls(server, client, tmp_path):
    """A file that comes in one chunk makes no journal. Calls that only a few files need do not count, such as those of a
    thread that has to wait for the request or for a lock."""
    size, files = 64 * 1024, 100
    content = random_bytes(size)
    try:
        os.setxattr(server.root, "user.resumabled-test", b"")
    except OSError:
        pytest.skip("the file system has no attributes, so the file needs a journal")

    def send(name: str) -> None:
        fields = parameters(Chunk(1, 0, size, 1), identifier=name, filename=name, size=size, chunk_size=MIB)
        assert client.send(fields, content, target=f"{client.route}?{query(fields)}").status == 200

    trace = tmp_path / "trace"
    with traced_server(server, trace):
        # The first ones load what is used once, on every thread.
        for number in range(40):
            send(f"first-{number}")
        before = len(trace.read_text())
        for number in range(files):
            send(f"file-{number}")
        counted = collections.Counter(started(trace.read_text()[before:]))
    del counted["futex"]
    assert counted["renameat2"] == files and counted["fsync"] == 2 * files, counted
    assert sum(count // files for count in counted.values()) <= 25, counted
