"""Pages of other origins, through nginx: every answer has the headers that let such a page read it, each once, whether the
program gives it or nginx itself."""

import signal
import socket

import pytest

from client import Chunk, parameters, query
from server import Server

APP = "https://app.example.org"
CHUNK = 1000


def fields(name: str, **more):
    chunk = Chunk(1, 0, CHUNK, 3)
    return parameters(chunk, identifier=name, filename=name, size=3 * CHUNK, chunk_size=CHUNK, **more)


class OpenServer(Server):
    """One that lets the pages of one more origin upload, in the two places where the example says it. Its limits are low
    enough to run into."""

    def configuration(self, text: str) -> str:
        line = f"# {APP} $http_origin;"
        assert text.count(line) == 1
        text = text.replace(line, line[2:])
        for setting, value in {
            "fastcgi_read_timeout 60s": "fastcgi_read_timeout 1s",
            "limit_conn per_address 64": "limit_conn per_address 4",
        }.items():
            assert text.count(setting) == 1, setting
            text = text.replace(setting, value)
        return text


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    with OpenServer(tmp_path_factory.mktemp("open") / "root", options=("--allow-origin", APP)) as server:
        yield server


@pytest.fixture
def visitor(open_server):
    with open_server.client() as client:
        yield client


def expect_readable(headers, outcome: str) -> None:
    """A script of the other page gets to see the answer, and what it says."""
    assert headers.get_all("Access-Control-Allow-Origin") == [APP]
    assert headers.get_all("Access-Control-Allow-Credentials") == ["true"]
    exposed = headers.get_all("Access-Control-Expose-Headers")
    assert exposed == ["X-Upload-Outcome, Retry-After"]
    assert "Origin" in headers.get_all("Vary")[0]
    assert headers["X-Upload-Outcome"] == outcome


def test_a_preflight_lets_everything_pass_that_the_clients_send(visitor):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-digest"}
    answer = visitor.request("OPTIONS", visitor.route, headers={"Origin": APP, **asked})
    assert answer.status == 204
    expect_readable(answer.headers, "allowed")
    assert {"GET", "POST", "PUT"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-digest"


def test_every_answer_of_the_program_can_be_read(open_server, visitor):
    origin = {"Origin": APP}
    octets = {**origin, "Content-Type": "application/octet-stream"}

    def send(name, content, **more):
        return visitor.request("POST", f"{visitor.route}?{query(fields(name, **more))}", content, octets)

    expect_readable(visitor.test(fields("x"), headers=origin).headers, "missing")
    expect_readable(send("x", bytes(CHUNK)).headers, "stored")
    expect_readable(visitor.test(fields("x"), headers=origin).headers, "held")
    expect_readable(visitor.test({}, headers=origin).headers, "malformed")
    expect_readable(send("y", bytes(CHUNK), resumableTotalSize=2**50).headers, "refused")
    expect_readable(send("y", bytes(CHUNK - 1)).headers, "retry")
    expect_readable(visitor.request("DELETE", visitor.route, headers=origin).headers, "unsupported")


def exchange(port: int, request: bytes):
    """What http.client would not send, or not leave unfinished."""
    import http.client

    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        return answer.status, answer.headers


ORIGIN_LINES = f"Host: h\r\nOrigin: {APP}\r\nConnection: close\r\n".encode()


@pytest.mark.parametrize(
    "status, outcome, request_bytes",
    [
        (415, "refused", b"POST /resumable_upload HTTP/1.1\r\nContent-Length: 99999999\r\n"),
        (501, "unsupported", b"POST /resumable_upload HTTP/1.1\r\nTransfer-Encoding: zip\r\n"),
        (501, "unsupported", b"TRACE /resumable_upload HTTP/1.1\r\n"),
        (500, "malformed", b"POST /resumable_upload HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n"),
    ],
    ids=["413", "501", "405", "494"],
)
def test_what_nginx_itself_answers_can_be_read(open_server, status, outcome, request_bytes):
    line, rest = request_bytes.split(b"\r\n", 1)
    answered, headers = exchange(open_server.port, line + b"\r\n" + ORIGIN_LINES + rest + b"\r\n")
    assert answered == status
    expect_readable(headers, outcome)
    assert (headers["Retry-After"] is not None) == (outcome == "retry")


def test_also_while_the_program_is_too_slow_or_down(open_server, visitor):
    open_server.program.send_signal(signal.SIGSTOP)
    try:
        answer = visitor.test(fields("slow"), headers={"Origin": APP})
    finally:
        open_server.program.send_signal(signal.SIGCONT)
    assert answer.status == 504
    expect_readable(answer.headers, "retry")
    open_server.stop_program()
    try:
        answer = visitor.test(fields("down"), headers={"Origin": APP})
    finally:
        open_server.start_program()
    assert answer.status == 502
    expect_readable(answer.headers, "retry")


def test_also_where_one_address_opens_too_many_connections(open_server, visitor):
    waiting = []
    try:
        for _ in range(4):
            connection = socket.create_connection(("127.0.0.1", open_server.port))
            waiting.append(connection)
            connection.sendall(
                b"POST /resumable_upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n"
                b"Content-Type: application/octet-stream\r\n\r\nx"
            )
        # nginx counts a connection once it has read the request's header.
        for _ in range(50):
            answer = visitor.test(fields("many"), headers={"Origin": APP})
            if answer.status == 503:
                break
        assert answer.status == 503
        expect_readable(answer.headers, "retry")
    finally:
        for connection in waiting:
            connection.close()


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:1"])
def test_any_other_page_is_refused_and_can_read_nothing(visitor, origin):
    for method in ("GET", "POST", "OPTIONS"):
        answer = visitor.request(method, f"{visitor.route}?{query(fields('evil'))}", headers={"Origin": origin})
        assert (answer.status, answer.outcome) == (415, "refused")
        assert answer.headers["Access-Control-Allow-Origin"] is None


def test_the_servers_own_page_needs_no_leave(shared_server, shared_client):
    own = {"Origin": f"http://127.0.0.1:{shared_server.port}"}
    answer = shared_client.test(fields("own"), headers=own)
    assert (answer.status, answer.outcome) == (404, "missing")
    assert answer.headers["Access-Control-Allow-Origin"] is None
    # Nor does nginx say anything of origins.
    answer = shared_client.request("POST", shared_client.route, bytes(5 << 20), {"Origin": APP})
    assert answer.status == 415 and answer.headers["Access-Control-Allow-Origin"] is None
