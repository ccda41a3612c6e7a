"""nginx in streaming mode, which passes bodies on as they arrive (`deploy/nginx-conf --buffering off`)."""

import contextlib
import socket
import subprocess

import pytest

from support.client import MIB, layout, multipart, parameters, query, random_bytes
from support.server import REPOSITORY, Server, wait_until

CHUNK = MIB
OFF = ("--buffering", "off")


def fields_of(data: bytes, name: str, number: int = 1):
    chunk = layout(len(data), CHUNK, False)[number - 1]
    fields = parameters(chunk, identifier=name, filename=name, size=len(data), chunk_size=CHUNK)
    return fields, data[chunk.start : chunk.end]


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("streaming"), nginx_options=OFF) as server:
        yield server


@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_a_file_is_stored(streaming, raw):
    data, name = random_bytes(3 * CHUNK + 12_345), f"whole-{raw}"
    with streaming.client() as client:
        send = client.send_raw if raw else client.send
        for number in (2, 1, 2, 3):
            answer = send(*fields_of(data, name, number))
            assert (answer.status, answer.outcome) == (200, "stored")
        assert client.test(fields_of(data, name)[0]).outcome == "held"
    assert (streaming.root / name).read_bytes() == data


@contextlib.contextmanager
def half_sent(server: Server, name: str, data: bytes):
    """A client that has sent half of a chunk's body, and then does nothing."""
    fields, content = fields_of(data, name)
    content_type, body = multipart(fields, content)
    head = (
        f"POST /resumable_upload?{query(fields)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(head.encode() + body[: len(body) // 2])
        yield connection, body[len(body) // 2 :]


def status_of(connection: socket.socket) -> int:
    return int(connection.recv(4096).split()[1])


def test_a_chunk_that_breaks_off_is_missing_and_can_be_sent_again(streaming):
    data = random_bytes(CHUNK)
    fields, content = fields_of(data, "broken-off")
    with streaming.client() as client:
        with half_sent(streaming, "broken-off", data):
            wait_until(lambda: list(streaming.root.glob(".resumabled/*.data")), 10, "the program has received it")
        assert client.test(fields).outcome == "missing"
        assert client.send(fields, content).outcome == "stored"
    assert (streaming.root / "broken-off").read_bytes() == data


def test_a_body_without_a_length_is_stored(streaming):
    data = random_bytes(CHUNK)
    fields, content = fields_of(data, "unmeasured")
    with streaming.client() as client:
        answer = client.request(
            "POST", f"{client.route}?{query(fields)}", iter([content[:1000], content[1000:]]),
            {"Content-Type": "application/octet-stream"})
    assert answer.outcome == "stored"
    assert (streaming.root / "unmeasured").read_bytes() == data


def test_a_refusal_arrives_while_the_client_is_still_sending(streaming):
    fields, _ = fields_of(bytes(CHUNK), "refused")
    with streaming.client() as client:
        answer = client.send(fields | {"resumableTotalSize": str(1 << 50)}, bytes(CHUNK))
    assert (answer.status, answer.outcome) == (415, "refused")


def test_a_value_other_than_on_and_off_is_an_error():
    done = subprocess.run([REPOSITORY / "deploy/nginx-conf", "--buffering", "maybe"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and "--buffering must be on or off" in done.stderr


def test_a_client_that_is_sending_holds_a_thread(tmp_path):
    """The reason why this is not the default."""
    with Server(tmp_path, options=("--threads", "2"), nginx_options=OFF) as server:
        data = random_bytes(CHUNK)
        with half_sent(server, "a", data) as (first, rest), half_sent(server, "b", data):
            wait_until(lambda: len(list(server.root.glob(".resumabled/*.data"))) == 2, 10, "both have a thread")
            with server.client(timeout=1) as client, pytest.raises(TimeoutError):
                client.test(fields_of(data, "c")[0])
            first.sendall(rest)
            assert status_of(first) == 200
        with server.client() as client:
            assert client.test(fields_of(data, "c")[0]).outcome == "missing"
