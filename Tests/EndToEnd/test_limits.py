"""Limits on one client, and that honest clients stay far below them."""

import concurrent.futures
import json
import os
import socket
import subprocess
import time

import pytest

from support import disks
from support.client import MIB, Chunk, layout, parameters, query, random_bytes
from support.server import PROGRAM, REPOSITORY, Server, replace

CHUNK = 1000


def fields(name: str, number: int = 1, **more):
    return parameters(layout(2 * CHUNK, CHUNK, False)[number - 1], identifier=name, filename=name, size=2 * CHUNK,
                      chunk_size=CHUNK, **more)


def send(client, name: str, number: int = 1, **more):
    return client.send(fields(name, number, **more), bytes(CHUNK))


def said(answer) -> tuple[int, str, bytes]:
    return answer.status, answer.outcome, answer.body


@pytest.mark.parametrize(
    "option, words",
    [
        ("--max-uploads", b"There are too many unfinished uploads at the moment"),
        ("--max-uploads-per-client", b"You have too many unfinished uploads"),
    ],
)
def test_a_client_with_too_many_unfinished_uploads_waits_until_one_is_finished(tmp_path, option, words):
    with Server(tmp_path / "root", options=(option, "2")) as server, server.client() as client:
        assert [send(client, name).status for name in ("a", "b")] == [200, 200]
        answer = send(client, "c")
        assert said(answer) == (503, "retry", words)
        assert int(answer.headers["Retry-After"]) >= 1
        # Unfinished uploads continue, and the end of one makes room for another.
        assert send(client, "a", 2).status == 200
        assert server.finished_files() == ["a"]
        assert send(client, "c").status == 200


def test_unfinished_uploads_are_counted_when_the_program_starts(tmp_path):
    with Server(tmp_path / "root", options=("--max-uploads", "1")) as server, server.client() as client:
        assert send(client, "a").status == 200
        server.kill_program()
        server.start_program()
        assert send(client, "b").outcome == "retry"
        assert send(client, "a", 2).status == 200
        assert send(client, "b").status == 200


def test_a_client_that_begins_uploads_too_fast_gets_the_time_to_wait(tmp_path):
    with Server(tmp_path / "root", options=("--max-new-uploads", "2")) as server, server.client() as client:
        for name in ("a", "b"):
            assert [send(client, name, number).status for number in (1, 2)] == [200, 200]
        answer = send(client, "c")
        assert said(answer) == (503, "retry", b"You have begun too many uploads in a short time")
        # Two a minute are one in thirty seconds, and some seconds have passed.
        assert 1 <= int(answer.headers["Retry-After"]) <= 30


def test_folders_that_are_created_for_a_file_count_as_uploads(tmp_path):
    options = ("--layout", "tree", "--max-new-uploads", "10")
    with Server(tmp_path / "root", options=options) as server, server.client() as client:

        def whole(path: str):
            chunk, = layout(1, 1, False)
            return client.send(
                parameters(chunk, identifier=path, filename="f", size=1, chunk_size=1, resumableRelativePath=path), b"x")

        assert whole("a/b/c/d/f").status == 200
        assert [whole(f"a/b/c/d/{name}").status for name in ("g", "h")] == [200, 200]
        answer = whole("/".join("abcdefghijk") + "/f")
        assert said(answer) == (503, "retry", b"You have begun too many uploads in a short time")
        assert sorted(path.name for path in (tmp_path / "root/a/b/c/d").iterdir()) == ["f", "g", "h"]


@pytest.mark.parametrize("share", ["3M", "5%"])
def test_a_client_cannot_reserve_much_of_the_disk_with_many_uploads(tmp_path, share):
    """On this disk each upload reserves 1 MiB at first. Uploads over the limit go on without a reservation."""
    with disks.tmpfs(tmp_path / "disk", 60 * MIB) as disk:
        with Server(disk / "root", options=("--min-free", "0", "--max-reserved-per-client", share)) as server:
            with server.client() as client:
                data = random_bytes(2 * MIB)
                for name in map(str, range(10)):
                    assert client.send(*first_chunk(name, data)).status == 200
                space = os.statvfs(disk)
                used = (space.f_blocks - space.f_bfree) * space.f_frsize
                assert 3 * MIB <= used < 4 * MIB
                for name in ("0", "9"):
                    answers = client.upload(data, filename=name, identifier=name, chunk_size=CHUNK * 64)
                    assert {answer.status for answer in answers} == {200}
                    assert (server.root / name).read_bytes() == data


def first_chunk(name: str, data: bytes):
    chunk = layout(len(data), CHUNK * 64, False)[0]
    described = parameters(chunk, identifier=name, filename=name, size=len(data), chunk_size=CHUNK * 64)
    return described, data[chunk.start : chunk.end]


def test_each_limit_on_a_request_is_a_setting(tmp_path):
    options = ("--max-chunk-size", "1K", "--max-parameters", "17", "--max-parameter-size", "4K", "--max-header-lines", "4")
    with Server(tmp_path / "root", options=options) as server, server.client() as client:

        def answer(**more):
            return said(client.send(fields("a", **more), bytes(CHUNK)))

        seven = {f"extra{number}": "x" for number in range(7)}
        assert answer(**seven)[:2] == (200, "stored")
        assert answer(**seven, one="more") == (500, "malformed", b"There are too many parameters")
        assert answer(note="x" * 3000)[:2] == (200, "stored")
        assert answer(note="x" * 5000)[:2] == (500, "malformed")

        def lines(count: int):
            boundary = "b"
            parts = "".join(
                f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in fields("h").items()
            )
            extra = "".join(f"X-{number}: y\r\n" for number in range(count - 1))
            head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n{extra}\r\n'
            body = (parts + head).encode() + bytes(CHUNK) + b"\r\n--b--\r\n"
            return client.request(
                "POST", client.route, body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

        assert lines(4).status == 200
        assert said(lines(5))[:2] == (500, "malformed")

        large = parameters(Chunk(1, 0, 1025, 2), identifier="l", filename="l", size=3000, chunk_size=1025)
        assert said(client.send(large, bytes(1025))) == (
            415, "refused", b"Chunks of at most 1024 bytes are accepted here")
        assert client.test(large).outcome == "refused"
        # A body of exactly the chunk limit and 64 KiB for the parts around the chunk, then one more byte.
        target = f"{client.route}?{query(fields('body'))}"
        octets = {"Content-Type": "application/octet-stream"}
        limit = 2 * 1024 + 64 * 1024
        assert client.request("POST", target, bytes(limit), octets).outcome == "malformed"
        assert said(client.request("POST", target, bytes(limit + 1), octets)) == (
            415, "refused", b"The chunk is larger than this server accepts")


@pytest.mark.parametrize(
    "option, value",
    [
        ("--max-chunk-size", "0"), ("--max-chunk-size", "2T"), ("--max-uploads", "-1"), ("--max-parameters", "9"),
        ("--max-parameter-size", "1K"), ("--max-header-lines", "1"), ("--max-new-uploads", "1000001"),
    ],
)  # fmt: skip
def test_an_invalid_limit_is_an_error_at_startup(tmp_path, option, value):
    done = subprocess.run(
        [PROGRAM, "serve", "--root", tmp_path, "--listen", "127.0.0.1:1", f"{option}={value}"],
        capture_output=True, text=True,
    )
    assert done.returncode == 64 and option in done.stderr


def told_body_limit(client) -> int:
    """The largest request body, as a test in JSON tells it."""
    answer = client.test(fields("limits"), headers={"Accept": "application/json"})
    return json.loads(answer.body)["limits"]["maxBodySize"]


class LargeChunks(Server):
    """The program and nginx, both set up for chunks of 2 MiB by one number."""

    def __init__(self, root):
        super().__init__(root, options=("--max-chunk-size", "2M"))

    def configuration(self, text: str) -> str:
        printed = subprocess.run(
            [REPOSITORY / "deploy/nginx-conf", "--chunk-size", "2M"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
        for line in printed.splitlines():
            *name, _ = line.split() or [""]
            if name in (["client_max_body_size"], ["client_body_buffer_size"], ["fastcgi_param", "CLIENT_MAX_BODY_SIZE"]):
                text = "\n".join(line if each.split()[:-1] == name else each for each in text.splitlines())
        return text


def test_one_number_sets_nginx_and_the_program_up_for_larger_chunks(tmp_path):
    with LargeChunks(tmp_path / "root") as server, server.client() as client:
        # Cut in the default way, the last chunk has nearly twice as many bytes as the others.
        data = random_bytes(6 * MIB - 1)
        answers = client.upload(data, filename="large", identifier="large", chunk_size=2 * MIB)
        assert [answer.status for answer in answers] == [200, 200]
        assert (server.root / "large").read_bytes() == data
        # nginx and the program have exactly the same limit, and send the same answer.
        target = f"{client.route}?{query(fields('x'))}"
        octets = {"Content-Type": "application/octet-stream"}
        limit = 4 * MIB + 64 * 1024
        assert client.request("POST", target, bytes(limit), octets).outcome == "malformed"
        assert said(client.request("POST", target, bytes(limit + 1), octets))[:2] == (415, "refused")
        assert told_body_limit(client) == limit


@pytest.mark.parametrize(
    "parameter, told",
    [("8256k", 8256 << 10), ("1m", 1 << 20), ("1G", (512 << 20) + (64 << 10)), ("0", (512 << 20) + (64 << 10)),
     ("a lot", (512 << 20) + (64 << 10)), (None, (512 << 20) + (64 << 10))],
)  # fmt: skip
def test_a_test_in_json_tells_the_smaller_limit_on_bodies_of_nginx_and_the_program(tmp_path, parameter, told):
    class Passing(Server):
        def configuration(self, text: str) -> str:
            shipped = "fastcgi_param CLIENT_MAX_BODY_SIZE 8256k;"
            return replace(text, shipped, f'fastcgi_param CLIENT_MAX_BODY_SIZE "{parameter}";' if parameter else "")

    with Passing(tmp_path / "root") as server, server.client() as client:
        assert told_body_limit(client) == told

@pytest.mark.parametrize("size", ["8m", "M", "0M", "-1", "1.5M", "9999999999999"])
def test_an_invalid_chunk_size_is_an_error(size):
    done = subprocess.run(
        [REPOSITORY / "deploy/nginx-conf", "--chunk-size", size], capture_output=True, text=True)
    assert done.returncode == 1 and "--chunk-size" in done.stderr and done.stdout == ""


# --- nginx's limits on one address


def test_an_original_client_with_tests_and_parallel_chunks_reaches_no_limit(server):
    # More requests than the example's 500 a second, by 6 connections without a pause. A page with simultaneousUploads 6
    # on a fast network sends as many, because original clients test each chunk.
    chunks = layout(1000 * 10, 10, False)

    def run(worker: int) -> list[int]:
        statuses = []
        with server.client() as client:
            for chunk in chunks[worker::6]:
                told = parameters(chunk, identifier="many", filename="many", size=10_000, chunk_size=10)
                statuses.append(client.test(told).status)
                statuses.append(client.send_raw(told, bytes(10)).status)
        return statuses

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        statuses = [status for each in pool.map(run, range(6)) for status in each]
    assert sorted(set(statuses)) == [200, 404] and len(statuses) == 2000
    assert server.finished_files() == ["many"]


def test_a_flood_gets_an_answer_that_every_client_takes_as_retry(server):
    target = f"/resumable_upload?{query(fields('flood'))}"
    request = f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode()
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(600)]
    try:
        for connection in connections:
            connection.sendall(request)
        answers = []
        for connection in connections:
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            answers.append(answer)
    finally:
        for connection in connections:
            connection.close()
    statuses = [int(answer.split()[1]) for answer in answers]
    assert set(statuses) <= {404, 429, 503} and 429 in statuses and 404 in statuses
    for answer in answers:
        if answer.split()[1] in (b"429", b"503"):
            assert b"\r\nX-Upload-Outcome: retry\r\n" in answer and b"\r\nRetry-After: 5\r\n" in answer
    # The limit ends with the flood.
    deadline = time.monotonic() + 20
    with server.client() as client:
        while client.test(fields("flood")).status != 404:
            assert time.monotonic() < deadline
