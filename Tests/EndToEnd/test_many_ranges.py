"""Uploads whose chunks came so scattered that hundreds of thousands of ranges are held.

The cost of starting, of `status` and `sweep`, and of one test grows with the number of ranges, and no faster. The limit
on ranges that the server enforces today does not count here, because an earlier release had none: the journals are
written by support/journal.py. RANGES=100000,400000,1700000 measures these numbers, in place of two small ones, and
prints a line for each.
"""

import itertools
import json
import os
import random
import resource
import time

import pytest

from support.client import Chunk, parameters
from support.journal import Journal
from support.server import Server, run_program

COUNTS = [int(number) for number in os.environ.get("RANGES", "25000,200000").split(",")]
#: The most ranges of an upload (PROTOCOL.md, How bytes are matched to files).
LIMIT = 65_536


def fields_of(number: int, size: int, chunk_size: int) -> dict:
    start = (number - 1) * chunk_size
    return parameters(
        Chunk(number, start, start + chunk_size, size // chunk_size), identifier="i", filename="many", size=size,
        chunk_size=chunk_size)


def send(client, number: int, size: int, chunk_size: int):
    return client.send(fields_of(number, size, chunk_size), b"x" * chunk_size)


def ranges(count: int, length: int, order: str = "ascending") -> list[tuple[int, int]]:
    """Ranges of that length with gaps of the same length between them, and before the first."""
    starts = list(range(length, 2 * count * length, 2 * length))
    if order == "descending":
        starts.reverse()
    elif order == "random":
        random.Random(1).shuffle(starts)
    return [(start, start + length) for start in starts]


def processor_time(pid: int) -> float:
    """The processor time of a running process, in seconds."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def command_time(*arguments) -> float:
    """The processor time of a command of the program, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = run_program(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("order", ["ascending", "descending", "random"])
def test_the_cost_of_many_ranges_grows_with_their_number_and_no_faster(order, tmp_path):
    costs = {}
    for count in COUNTS:
        # Ranges of two bytes, a quarter of a chunk. The first chunk is held as well, and has the first two of them.
        size = 4 * count + 8
        with Server(tmp_path / str(count)) as server:
            with server.client() as client:
                assert send(client, 1, size, 8).status == 200
            server.stop_program()
            Journal(server.root, "i", "many").hold(ranges(count, 2, order))
            root = ("--root", server.root)
            cost = {"status": command_time("status", *root), "sweep": command_time("sweep", *root)}
            server.start_program()
            began = time.monotonic()
            with server.client() as client:
                answer = client.test(fields_of(1, size, 8), headers={"Accept": "application/json"})
            elapsed = time.monotonic() - began
            assert answer.status == 200
            held = json.loads(answer.body)["held"]
            assert held[:2] == [[0, 8], [10, 12]] and len(held) == min(count - 1, LIMIT)
            # The start, the sweep at the start and the test together.
            cost["serve"] = processor_time(server.program.pid)
            print(f"{count} ranges, {order}: {cost} s of processor time, the test {elapsed:.2f} s")
            assert json.loads(run_program("status", "--json", *root).stdout)[0]["held"] == 2 * count + 4
        costs[count] = cost
    for few, many in itertools.pairwise(COUNTS):
        for what in costs[few]:
            # A fixed part of each is the start of the program.
            assert costs[many][what] < 3 * (many / few) * max(costs[few][what], 0.02), (what, costs)


def test_at_the_limit_of_ranges_a_client_goes_on_by_filling_gaps(tmp_path):
    chunk_size, count = 100, 3 * LIMIT
    size = count * chunk_size
    with Server(tmp_path / "root") as server:
        with server.client() as client:
            assert send(client, count, size, chunk_size).status == 200
        server.stop_program()
        # Every second chunk, and the last one.
        Journal(server.root, "i", "many").hold(ranges(LIMIT - 1, chunk_size))
        server.start_program()
        far = 2 * LIMIT + 100
        with server.client() as client:
            for _ in range(3):
                answer = send(client, far, size, chunk_size)
                assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == (503, "retry", "5")
                assert answer.body == b"Too many separate parts of the file are here; those between them must come first"
            # A chunk between two ranges makes one of them.
            assert send(client, 3, size, chunk_size).outcome == "stored"
            assert send(client, far, size, chunk_size).outcome == "stored"
            # Again at the limit: a chunk that touches only one range is accepted, too.
            assert send(client, far + 50, size, chunk_size).outcome == "retry"
            assert send(client, far + 1, size, chunk_size).outcome == "stored"
            assert client.test(fields_of(far + 1, size, chunk_size)).outcome == "held"
        assert server.program_log().count("too many separate ranges") == 1
        assert "name=many" in server.program_log()


def test_chunks_that_are_too_small_for_their_records_are_refused(tmp_path):
    size = 60_000
    with Server(tmp_path / "root") as server:
        with server.client() as client:
            assert send(client, 1, size, 2).status == 200
        server.stop_program()
        # 35,000 records of 32 bytes are more than the file and 1 MiB.
        Journal(server.root, "i", "many").hold([(0, 2)] * 35_000)
        server.start_program()
        with server.client() as client:
            answer = send(client, 2, size, 2)
            assert (answer.status, answer.outcome) == (415, "refused")
            assert answer.body == b"The file was sent in too many parts; please upload it in larger ones"
            # Held ranges stay held, and a duplicate needs no record.
            assert client.test(fields_of(1, size, 2)).outcome == "held"
            assert send(client, 1, size, 2).outcome == "stored"
        assert "reason=too_many_parts" in server.program_log()
