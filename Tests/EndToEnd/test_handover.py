"""Two programs with the same root: the old one drains while the new one already serves (a restart without a gap)."""

import concurrent.futures
import random
import subprocess
import threading

import pytest

from support.client import Chunk, layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.server import PROGRAM, Server, run_program, wait_until

CHUNK = 50_000


@pytest.fixture
def pair(server, tmp_path):
    """The sockets of two programs on the root of `server`; the first one is its own."""
    address = server.state / "second"
    with open(server.state / "program.log", "ab") as log:
        second = subprocess.Popen(
            [PROGRAM, "serve", "--socket", address, "--root", server.root],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(address.exists, 10, "the second program listens")
        yield server.socket, address
    finally:
        second.terminate()
        assert second.wait(10) == 0


class Film:
    def __init__(self, name: str, size: int):
        self.name = name
        self.data = random_bytes(size, seed=size)
        self.chunks = layout(size, CHUNK, False)

    def begin(self, address, chunk: Chunk) -> tuple[Request, bytes]:
        """A request with half of its body sent, and the other half of the body."""
        fields = parameters(
            chunk, identifier=self.name, filename=self.name, size=len(self.data), chunk_size=CHUNK)
        content = self.data[chunk.start : chunk.end]
        request = Request(address, upload_params("POST", query(fields), "application/octet-stream", len(content)))
        request.write(content[: len(content) // 2])
        return request, content[len(content) // 2 :]

    def send(self, address, chunk: Chunk) -> int:
        request, rest = self.begin(address, chunk)
        request.write(rest)
        return request.answer()[0]


def expect_in_order(server: Server, films: list[Film]) -> None:
    assert server.finished_files() == sorted(film.name for film in films)
    for film in films:
        assert (server.root / film.name).read_bytes() == film.data
    checked = run_program("verify", "--root", server.root)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_two_programs_take_chunks_of_the_same_root_in_parallel(server, pair):
    """Eight senders send each chunk twice in random order, at least once to each program."""
    films = [Film(f"film {number}", 20 * CHUNK + number) for number in range(10)]
    work = [(film, chunk, address) for film in films for chunk in film.chunks for address in pair]
    random.Random(6).shuffle(work)

    def send(each) -> int:
        film, chunk, address = each
        # 503: the other program is writing the same chunk.
        for _ in range(20):
            if (status := film.send(address, chunk)) != 503:
                return status
        return status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, work)) == {200}
    expect_in_order(server, films)


def test_both_programs_may_get_the_last_chunk_at_once(server, pair):
    films = [Film(f"film {number}", 2 * CHUNK + number) for number in range(30)]
    for film in films:
        assert film.send(pair[0], film.chunks[0]) == 200
        together = threading.Barrier(8)

        def send_last(number: int) -> int:
            together.wait(10)
            return film.send(pair[number % 2], film.chunks[1])

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert set(pool.map(send_last, range(8))) == {200}
    expect_in_order(server, films)


def test_the_old_program_finishes_its_requests_while_the_new_one_serves(server, pair):
    old, new = pair
    film = Film("film", 12 * CHUNK)
    in_flight = [film.begin(old, chunk) for chunk in film.chunks[:4]]
    wait_until(lambda: list((server.root / ".resumabled").glob("*.data")), 10, "the upload has begun")
    server.program.terminate()
    # The new program takes all other chunks, and knows that the file is incomplete without the old one's chunk.
    assert {film.send(new, chunk) for chunk in film.chunks[4:]} == {200}
    assert server.finished_files() == []
    for request, rest in in_flight:
        request.write(rest)
        assert request.answer()[0] == 200
    server.expect_clean_end()
    expect_in_order(server, [film])
    server.start_program()
