"""Clients that do not state when a file was modified, such as Resumable.js: the rules for finished files (PROTOCOL.md,
How bytes are matched to files). Our own browser library states it, and support/client.py does by default."""

import pathlib
import socket
import time

import pytest

from support.client import layout, multipart, parameters, query, random_bytes
from support.server import Server, wait_until

CHUNK = 10_000
DATA = random_bytes(3 * CHUNK, seed=1)


def changed(*numbers: int) -> bytes:
    """The same file, with other bytes in these chunks."""
    data = bytearray(DATA)
    for number in numbers:
        data[(number - 1) * CHUNK : number * CHUNK] = random_bytes(CHUNK, seed=100 + number)
    return bytes(data)


def fields_of(name: str, number: int = 1, data: bytes = DATA, chunk_size: int = CHUNK, **more):
    chunk = layout(len(data), chunk_size, False)[number - 1]
    return parameters(
        chunk, identifier=f"{len(data)}-{name}", filename=name, size=len(data), chunk_size=chunk_size,
        resumableLastModified=None, **more)


def send(client, name: str, number: int, data: bytes = DATA, **more):
    answer = client.send(fields_of(name, number, data, **more), data[(number - 1) * CHUNK : number * CHUNK])
    assert (answer.status, answer.outcome) == (200, "stored"), answer
    return answer


def send_all(client, name: str, data: bytes = DATA, **more):
    """Returns the answer to the last chunk."""
    return [send(client, name, number, data, **more) for number in (1, 2, 3)][-1]


def outcomes(client, name: str, **more) -> list[str]:
    """The outcomes of the tests of all chunks."""
    return [client.test(fields_of(name, number, **more)).outcome for number in (1, 2, 3)]


def files(server: Server) -> dict[str, bytes]:
    paths = (path for path in server.root.rglob("*") if path.is_file() and ".resumabled" not in path.parts)
    return {str(path.relative_to(server.root)): path.read_bytes() for path in paths}


@pytest.fixture
def serving(tmp_path):
    """Starts a server with these options."""
    servers = []

    def start(*options: str, **more) -> Server:
        servers.append(Server(tmp_path / f"root{len(servers)}", options=options, **more))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


def test_a_finished_file_of_one_chunk_is_sent_again_instead_of_asked_for(server, client):
    fields = fields_of("one", chunk_size=len(DATA))
    for _ in range(2):
        answer = client.test(fields)
        assert (answer.status, answer.outcome) == (404, "missing")
        answer = client.send(fields, DATA)
        assert (answer.status, answer.outcome) == (200, "stored")
    assert files(server) == {"one": DATA}


def test_a_finished_file_of_several_chunks_is_held_for_the_time_of_the_window(serving):
    server = serving("--finished-window", "4")
    with server.client() as client:
        began = time.monotonic()
        send_all(client, "several")
        answers = outcomes(client, "several")
        # On a machine that has been busy for so long, nothing can be said.
        assert answers == ["held"] * 3 or time.monotonic() - began > 3
        wait_until(lambda: outcomes(client, "several") == ["missing"] * 3, 10, "the window is over")
        # The client sends it all again, and there is one file.
        send_all(client, "several")
        assert files(server) == {"several": DATA}


def test_the_window_is_a_quarter_of_an_hour_by_default(server, client):
    send_all(client, "default")
    assert outcomes(client, "default") == ["held"] * 3
    assert client.test(fields_of("default"), headers={"Accept": "application/json"}).body.startswith(
        b'{"size": %d, "held": [[0, %d]], "complete": true' % (len(DATA), len(DATA)))


def test_a_late_duplicate_gets_200_and_changes_nothing(server, client):
    send_all(client, "late")
    for number in (3, 1, 2):
        assert "X-Upload-Path" not in send(client, "late", number).headers
    assert files(server) == {"late": DATA}


@pytest.mark.parametrize("differing", [(1,), (2,), (3,), (1, 2, 3)], ids=str)
def test_other_bytes_under_the_same_identity_become_a_file_of_their_own(server, client, differing):
    send_all(client, "film.mp4")
    assert send_all(client, "film.mp4", changed(*differing)).headers["X-Upload-Path"] == "film%20%281%29.mp4"
    assert files(server) == {"film.mp4": DATA, "film (1).mp4": changed(*differing)}


def test_a_chunk_that_was_damaged_on_its_way_leaves_no_second_file(server, client):
    send_all(client, "film.mp4")
    send(client, "film.mp4", 2, changed(2))
    assert send_all(client, "film.mp4").headers["X-Upload-Path"] == "film.mp4"
    assert files(server) == {"film.mp4": DATA}


@pytest.mark.parametrize("restarted", [False, True], ids=["", "restarted"])
def test_two_files_that_are_sent_in_turns_stay_two_files(server, client, restarted):
    for data in (DATA, changed(1), DATA, changed(1)):
        send_all(client, "film.mp4", data)
        if restarted:
            server.kill_program()
            server.start_program()
    assert files(server) == {"film.mp4": DATA, "film (1).mp4": changed(1)}


def test_other_bytes_replace_the_finished_file_with_that_policy(serving):
    server = serving("--on-conflict", "replace")
    with server.client() as client:
        send_all(client, "film.mp4")
        for number in (1, 2):
            send(client, "film.mp4", number, changed(2))
            assert files(server) == {"film.mp4": DATA}
        send(client, "film.mp4", 3, changed(2))
        assert files(server) == {"film.mp4": changed(2)}


def test_other_bytes_are_refused_with_that_policy(serving):
    server = serving("--on-conflict", "refuse")
    with server.client() as client:
        send_all(client, "film.mp4")
        send(client, "film.mp4", 1, changed(2))
        answer = client.send(fields_of("film.mp4", 2), changed(2)[CHUNK : 2 * CHUNK])
        assert (answer.status, answer.outcome) == (415, "refused")
        assert answer.body == b"There is another file of this name already"
        assert files(server) == {"film.mp4": DATA}
        # The same bytes are still duplicates.
        send_all(client, "film.mp4")


def test_in_a_tree_the_path_belongs_to_the_identity(serving):
    server = serving("--layout", "tree")
    with server.client() as client:
        send_all(client, "1.jpg", resumableRelativePath="照片/1.jpg")
        assert outcomes(client, "1.jpg", resumableRelativePath="照片/1.jpg") == ["held"] * 3
        assert outcomes(client, "1.jpg", resumableRelativePath="视频/1.jpg") == ["missing"] * 3
        # Two uploads at the same time do not mix.
        for number in (1, 2, 3):
            send(client, "1.jpg", number, changed(1, 2, 3), resumableRelativePath="视频/1.jpg")
            send(client, "1.jpg", number, resumableRelativePath="音乐/1.jpg")
        assert files(server) == {"照片/1.jpg": DATA, "视频/1.jpg": changed(1, 2, 3), "音乐/1.jpg": DATA}


@pytest.mark.parametrize("data", [DATA, changed(2)], ids=["the same file", "another file"])
def test_a_file_that_was_moved_away_can_be_sent_anew_at_once(server, client, tmp_path, data):
    send_all(client, "moved")
    (server.root / "moved").rename(tmp_path / "elsewhere")
    assert outcomes(client, "moved") == ["missing"] * 3
    send_all(client, "moved", data)
    assert files(server) == {"moved": data}
    assert (tmp_path / "elsewhere").read_bytes() == DATA


def test_a_chunk_that_is_on_its_way_gets_200_although_the_file_was_moved_away(serving, tmp_path):
    server = serving(nginx_options=("--buffering", "off"))
    fields = fields_of("moved", 2)
    content_type, body = multipart(fields, DATA[CHUNK : 2 * CHUNK])
    head = (
        f"POST /resumable_upload?{query(fields)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with server.client() as client:
        for number in (1, 2):
            send(client, "moved", number)
        # A client that has lost its answer sends the chunk again, and another one sends the last chunk meanwhile.
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(head.encode() + body[: len(body) // 2])
            wait_until(lambda: reads_from(server, ".data"), 10, "the program has begun to compare the chunk")
            send(client, "moved", 3)
            (server.root / "moved").rename(tmp_path / "elsewhere")
            connection.sendall(body[len(body) // 2 :])
            assert connection.recv(4096).split()[1] == b"200"
        assert files(server) == {}
        # A client that comes now begins anew.
        assert outcomes(client, "moved") == ["missing"] * 3
        send_all(client, "moved")
        assert files(server) == {"moved": DATA}


def reads_from(server: Server, suffix: str) -> bool:
    """True if the program has a file open whose name ends so."""
    for link in pathlib.Path(f"/proc/{server.program.pid}/fd").iterdir():
        try:
            if str(link.readlink()).endswith(suffix):
                return True
        except FileNotFoundError:
            continue
    return False
