"""resumabled runs on the folder of the Flask backend and continues its unfinished uploads (PROTOCOL.md, Promises). The
real Flask program saved every part, from requests over HTTP."""

import concurrent.futures
import errno
import json
import os
import random
import signal
import threading
import time

import pytest

from support import disks
from support.client import MIB, Client, layout, parameters, random_bytes
from support.faults import Faults
from support.flask_server import Flask
from support.server import Server, run_program

CHUNK = 100_000


class Film:
    """A file, cut in chunks, and two ways to describe a chunk to a server."""

    def __init__(self, name: str, size: int, *, force: bool = False, sizes: bool = True):
        self.name = name
        # Flask makes a folder of the identifier, so its clients had harmless identifiers.
        self.identifier = f"{size}-{name}"
        self.data = random_bytes(size, seed=size)
        self.chunks = layout(size, CHUNK, force)
        self.sizes = sizes

    def fields(self, chunk):
        if self.sizes:
            return parameters(
                chunk, identifier=self.identifier, filename=self.name, size=len(self.data), chunk_size=CHUNK)
        return {
            "resumableIdentifier": self.identifier,
            "resumableFilename": self.name,
            "resumableChunkNumber": str(chunk.number),
            "resumableTotalChunks": str(chunk.total),
        }

    def content(self, chunk) -> bytes:
        return self.data[chunk.start : chunk.end]

    def send(self, client: Client, chunks) -> list[int]:
        return [client.send(self.fields(chunk), self.content(chunk)).status for chunk in chunks]

    def held(self, client: Client) -> list[int]:
        statuses = {chunk.number: client.test(self.fields(chunk)).status for chunk in self.chunks}
        assert set(statuses.values()) <= {200, 404}, statuses
        return [number for number, status in statuses.items() if status == 200]

    def half(self):
        """Half of the chunks, rounded down, in the order of parallel senders."""
        return random.Random(len(self.data)).sample(self.chunks, len(self.chunks) // 2)


def numbers(chunks) -> list[int]:
    return sorted(chunk.number for chunk in chunks)


def go_on(client: Client, film: Film) -> list[int]:
    """Continues as Resumable.js does: tests each chunk, sends the missing ones. Returns the numbers that it sent."""
    sent = []
    for chunk in film.chunks:
        if client.test(film.fields(chunk)).status != 200:
            sent.append(chunk.number)
            assert film.send(client, [chunk]) == [200]
    return sent


def sweep_later(server: Server) -> None:
    """Sweeps, as if two hours had gone by. A killed program may leave a copy that it had begun, or no longer needed."""
    for path in (server.root / ".resumabled").iterdir():
        if path.is_file():
            os.utime(path, (time.time() - 7200,) * 2)
    swept = run_program("sweep", "--root", server.root)
    assert swept.returncode == 0, swept.stdout + swept.stderr


def expect_nothing_left(server: Server, *names: str) -> None:
    """Checks that the root has these files and none of Flask's, and that the store is consistent."""
    assert server.finished_files() == sorted(names)
    assert {path.suffix for path in (server.root / ".resumabled").iterdir()} <= {".journal"}
    checked = run_program("verify", "--root", server.root)
    assert checked.returncode == 0, checked.stdout + checked.stderr


FILMS = {
    "remainder in the last chunk": ("holiday.mp4", 10 * CHUNK + 77, False),
    "remainder as a chunk": ("report.pdf", 7 * CHUNK + 5, True),
    "no remainder": ("even.bin", 8 * CHUNK, False),
    "two chunks": ("short.txt", 2 * CHUNK + CHUNK // 2, False),
    "another script": ("假期 视频 (1).mp4", 9 * CHUNK + 1, True),
    "percent and quotes": ("100% \"sure\" 'really'.bin", 6 * CHUNK + 9, False),
}


@pytest.mark.parametrize("sizes", [True, False], ids=["sizes", "no sizes"])
def test_unfinished_uploads_of_flask_continue_and_no_chunk_is_sent_again(tmp_path, sizes):
    films = [Film(name, size, force=force, sizes=sizes) for name, size, force in FILMS.values()]
    whole = Film("whole.bin", 3 * CHUNK)
    with Flask(tmp_path / "root") as flask:
        for film in films:
            assert set(film.send(flask, film.half())) == {200}
        assert whole.send(flask, whole.chunks) == [200, 200, 200]
    with Server(tmp_path / "root") as server, server.client() as client:
        for film in films:
            kept = numbers(film.half())
            if not sizes and len(kept) == 1:
                # It may be incomplete, and neither a size nor another part tells its length.
                kept = []
            assert film.held(client) == kept, film.name
            assert go_on(client, film) == [chunk.number for chunk in film.chunks if chunk.number not in kept]
            assert (server.root / film.name).read_bytes() == film.data
        # Flask's finished files are unchanged.
        assert (server.root / whole.name).read_bytes() == whole.data
        expect_nothing_left(server, whole.name, *(film.name for film in films))


def test_one_request_for_json_lists_the_parts_of_flask(tmp_path):
    film = Film("film", 10 * CHUNK + 77)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, [film.chunks[number] for number in (0, 1, 5, 9)])
    with Server(tmp_path / "root") as server, server.client() as client:
        answer = client.test(film.fields(film.chunks[3]), headers={"Accept": "application/json"})
        assert answer.status == 404
        document = json.loads(answer.body)
        assert set(document.pop("limits")) == {"maxFileSize", "maxChunkSize", "maxBodySize", "types"}
        assert document == {
            "size": len(film.data),
            "held": [[0, 2 * CHUNK], [5 * CHUNK, 6 * CHUNK], [9 * CHUNK, len(film.data)]],
            "complete": False,
        }
        go_on(client, film)
        assert (server.root / "film").read_bytes() == film.data


def test_the_first_request_may_be_a_chunk(tmp_path):
    film = Film("film", 4 * CHUNK)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:3])
    with Server(tmp_path / "root") as server, server.client() as client:
        assert film.send(client, film.chunks[3:]) == [200]
        assert (server.root / "film").read_bytes() == film.data
        expect_nothing_left(server, "film")


def test_concurrent_first_requests_take_the_parts_over_once(tmp_path):
    film = Film("film", 64 * CHUNK)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:40])
    with Server(tmp_path / "root") as server:

        def ask_or_send(chunk) -> int:
            with server.client() as client:
                if chunk.number <= 40:
                    return client.test(film.fields(chunk)).status
                return film.send(client, [chunk])[0]

        with concurrent.futures.ThreadPoolExecutor(len(film.chunks)) as pool:
            assert set(pool.map(ask_or_send, film.chunks)) == {200}
        assert (server.root / "film").read_bytes() == film.data
        expect_nothing_left(server, "film")


def test_more_than_999_parts(tmp_path):
    # %03d pads to three digits, but does not cut: the thousandth part is _part_1000.
    film = Film("film", 1003 * 100)
    film.chunks = layout(len(film.data), 100, False)
    film.fields = lambda chunk: parameters(
        chunk, identifier="many", filename="film", size=len(film.data), chunk_size=100)
    with Flask(tmp_path / "root") as flask:
        assert set(film.send(flask, film.chunks[:1] + film.chunks[998:1002])) == {200}
    with Server(tmp_path / "root") as server, server.client() as client:
        assert film.held(client) == [1, 999, 1000, 1001, 1002]
        go_on(client, film)
        assert (server.root / "film").read_bytes() == film.data


@pytest.mark.parametrize("sizes", [True, False], ids=["sizes", "no sizes"])
def test_a_part_that_flask_was_killed_while_saving_does_not_count(tmp_path, sizes):
    film = Film("film", 6 * CHUNK, sizes=sizes)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:2])
    dying = Flask(tmp_path / "root", limit=CHUNK // 2)
    with dying as flask:
        with pytest.raises(OSError):
            film.send(flask, [film.chunks[2]])
        assert dying.process.wait(10) == -signal.SIGXFSZ
    cut = tmp_path / "root" / film.identifier / "film_part_003"
    assert 0 < cut.stat().st_size < CHUNK
    with Server(tmp_path / "root") as server, server.client() as client:
        assert film.held(client) == [1, 2]
        assert go_on(client, film) == [3, 4, 5, 6]
        assert (server.root / "film").read_bytes() == film.data
        expect_nothing_left(server, "film")


def test_a_file_that_flask_was_killed_while_joining_continues_under_another_name(tmp_path):
    film = Film("film", 6 * CHUNK)
    dying = Flask(tmp_path / "root", limit=2 * CHUNK + CHUNK // 2)
    with dying as flask:
        film.send(flask, film.chunks[:5])
        with pytest.raises(OSError):
            film.send(flask, [film.chunks[5]])
        assert dying.process.wait(10) == -signal.SIGXFSZ
    torso = (tmp_path / "root/film").read_bytes()
    assert 2 * CHUNK <= len(torso) < 3 * CHUNK
    with Server(tmp_path / "root") as server, server.client() as client:
        # Flask removes each part after it has joined it.
        assert film.held(client) == [3, 4, 5, 6]
        assert go_on(client, film) == [1, 2]
        # No file is overwritten or appended to (PROTOCOL.md, Promises).
        assert (server.root / "film").read_bytes() == torso
        assert (server.root / "film (1)").read_bytes() == film.data
        expect_nothing_left(server, "film", "film (1)")


def test_a_complete_set_of_parts_becomes_the_file_at_the_first_test(tmp_path):
    """Flask was stopped between the last part and joining them. The client finds all parts held and sends nothing."""
    film = Film("film", 4 * CHUNK)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:3])
        # The name is Flask's. The real Flask cannot be stopped at exactly this moment.
        (tmp_path / "root" / film.identifier / "film_part_004").write_bytes(film.content(film.chunks[3]))
    with Server(tmp_path / "root") as server, server.client() as client:
        assert go_on(client, film) == []
        assert (server.root / "film").read_bytes() == film.data
        expect_nothing_left(server, "film")


def test_two_files_under_one_identifier_are_taken_over_one_by_one(tmp_path):
    one, two = Film("one", 4 * CHUNK), Film("two", 5 * CHUNK)
    two.identifier = one.identifier
    with Flask(tmp_path / "root") as flask:
        one.send(flask, one.chunks[:2])
        two.send(flask, two.chunks[:3])
    with Server(tmp_path / "root") as server, server.client() as client:
        assert go_on(client, one) == [3, 4]
        assert len(list((server.root / one.identifier).iterdir())) == 3
        assert go_on(client, two) == [4, 5]
        assert (server.root / "one").read_bytes() == one.data
        assert (server.root / "two").read_bytes() == two.data
        expect_nothing_left(server, "one", "two")


def test_kills_while_parts_are_taken_over_lose_none(tmp_path):
    film = Film("film", 120 * CHUNK)
    moments = random.Random(3)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:100])
    with Server(tmp_path / "root") as server:
        for _ in range(12):
            with server.client() as client, concurrent.futures.ThreadPoolExecutor(1) as pool:
                asking = pool.submit(client.test, film.fields(film.chunks[0]))
                time.sleep(moments.uniform(0, 0.04))
                server.kill_program()
                assert asking.result().status in (200, 502)
            server.start_program()
        with server.client() as client:
            assert film.held(client) == list(range(1, 101))
            assert go_on(client, film) == list(range(101, 121))
        assert (server.root / "film").read_bytes() == film.data
        sweep_later(server)
        expect_nothing_left(server, "film")


# --- faults while parts are taken over


@pytest.mark.parametrize("call, ending, code", [
    ("copy_file_range", ".data", errno.EIO),
    ("copy_file_range", ".data", errno.ENOSPC),
    ("fallocate", ".data", errno.ENOSPC),
    ("pwrite", ".journal", errno.ENOSPC),
    ("fdatasync", ".data", errno.EIO),
    ("fdatasync", ".journal", errno.EIO),
    ("unlinkat", "_part_001", errno.EACCES),
], ids=str)
def test_a_fault_while_parts_are_taken_over_loses_none(tmp_path, call, ending, code):
    film = Film("film", 4 * CHUNK)
    with Flask(tmp_path / "root") as flask:
        film.send(flask, film.chunks[:2])
    faults = Faults(tmp_path)
    with Server(tmp_path / "root", environment=faults.environment) as server, server.client() as client:
        with faults.armed(call, ending, code):
            status = client.test(film.fields(film.chunks[0])).status
            # Parts that cannot be removed are taken over anyway.
            assert status == 503 or (status == 200 and call == "unlinkat")
        assert film.held(client) == [1, 2]
        assert go_on(client, film) == [3, 4]
        assert (server.root / "film").read_bytes() == film.data
        expect_nothing_left(server, "film")


def test_parts_on_a_full_disk_are_taken_over_when_there_is_space(tmp_path):
    film = Film("film", 40 * CHUNK)
    with disks.tmpfs(tmp_path / "disk", 8 * MIB) as disk:
        with Flask(disk / "root") as flask:
            film.send(flask, film.chunks[:30])
        disks.fill(disk / "filler", leave=MIB)
        with Server(disk / "root", options=("--min-free", "0")) as server, server.client() as client:
            assert client.test(film.fields(film.chunks[0])).status == 503
            assert film.send(client, [film.chunks[35]]) == [503]
            (disk / "filler").unlink()
            assert film.held(client) == list(range(1, 31))
            assert go_on(client, film) == list(range(31, 41))
            assert (server.root / "film").read_bytes() == film.data
            expect_nothing_left(server, "film")


# --- clients that send only what Flask needs


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, 2 * CHUNK, 5 * CHUNK, 5 * CHUNK + 1, 6 * CHUNK - 1])
@pytest.mark.parametrize("force", [False, True], ids=["default", "forceChunkSize"])
def test_without_sizes_any_number_of_chunks_arrives_in_any_order(shared_server, shared_client, size, force):
    film = Film(f"bare {size} {force}", size, force=force, sizes=False)
    order = random.Random(size).sample(film.chunks, len(film.chunks))
    for done, chunk in enumerate(order):
        assert film.held(shared_client) == numbers(order[:done])
        assert film.send(shared_client, [chunk, chunk]) == [200, 200]
    # A finished file of one chunk is sent again instead of asked for.
    assert film.held(shared_client) == (numbers(order) if len(order) > 1 else [])
    assert (shared_server.root / film.name).read_bytes() == film.data


def test_without_sizes_chunks_arrive_in_parallel(server):
    film = Film("film", 40 * CHUNK + 3, sizes=False)
    order = film.chunks * 2
    random.Random(4).shuffle(order)
    own = threading.local()
    clients = []

    def send(chunk) -> int:
        if not hasattr(own, "client"):
            own.client = server.client()
            clients.append(own.client)
        return film.send(own.client, [chunk])[0]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(send, order)) == {200}
    for client in clients:
        client.connection.close()
    assert (server.root / "film").read_bytes() == film.data
    expect_nothing_left(server, "film")


def test_without_sizes_an_upload_continues_after_a_kill(server, client):
    film = Film("film", 9 * CHUNK + 3, sizes=False)
    film.send(client, film.half())
    server.kill_program()
    server.start_program()
    assert film.held(client) == numbers(film.half())
    go_on(client, film)
    assert (server.root / "film").read_bytes() == film.data
    expect_nothing_left(server, "film")


# --- names that Flask follows out of its folder


@pytest.mark.parametrize("identifier", ["../outside", "..", ".", "/{tmp}/outside", ".resumabled", "link", "link/in"])
def test_parts_outside_of_the_root_are_never_touched(tmp_path, identifier):
    """Flask joins the identifier to its path. In resumabled no name leaves the root (PROTOCOL.md, Promises)."""
    film = Film("film", 2 * CHUNK)
    film.identifier = identifier.format(tmp=tmp_path)
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    folders = [outside, outside / "in", tmp_path, root]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        (folder / "film_part_001").write_bytes(film.content(film.chunks[0]))
    (root / "link").symlink_to(outside)
    with Server(root) as server, server.client() as client:
        assert film.held(client) == []
        assert film.send(client, film.chunks) == [200, 200]
        assert (root / "film").read_bytes() == film.data
    for folder in folders:
        assert (folder / "film_part_001").read_bytes() == film.content(film.chunks[0])
    assert os.readlink(root / "link") == str(outside)


@pytest.mark.parametrize("kind", ["link", "link as long as the chunk", "folder", "fifo"])
def test_a_part_that_is_not_a_regular_file_is_ignored(tmp_path, kind):
    film = Film("film", 2 * 4096)
    # The length that a folder has on most file systems, and that a link may have.
    film.chunks = layout(len(film.data), 4096, False)
    chunk_size = 4096
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 4096)
    folder = tmp_path / "root" / film.identifier
    folder.mkdir(parents=True)
    part = folder / "film_part_001"
    if kind == "link":
        part.symlink_to(secret)
    elif kind == "folder":
        part.mkdir()
    elif kind == "fifo":
        os.mkfifo(part)
    else:
        part.symlink_to(secret)
        chunk_size = len(str(secret))
        film.chunks = layout(len(film.data), chunk_size, False)
    film.fields = lambda chunk: parameters(
        chunk, identifier=film.identifier, filename=film.name, size=len(film.data), chunk_size=chunk_size)
    with Server(tmp_path / "root") as server, server.client() as client:
        assert film.held(client) == []
        assert set(film.send(client, film.chunks)) == {200}
        assert (server.root / "film").read_bytes() == film.data
    assert secret.read_bytes() == b"s" * 4096
