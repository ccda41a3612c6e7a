"""Uploads over HTTP/2 and TLS: files arrive whole, resume, and nginx's own errors fit the table of status codes.

The requests come from a page of another origin that may upload, so that the CORS headers are checked as well.
"""

import json
import os
import pathlib
import random
import re
import shutil
import signal

import pytest

from support.client import MIB, ROUTE, Client, layout, multipart, parameters, query, random_bytes
from support.cors import APP, expect_readable
from support.http2 import HOST, HTTP2Client, TLSServer
from support.server import replace, wait_until

ORIGIN = {"Origin": APP}
OCTETS = {**ORIGIN, "Content-Type": "application/octet-stream"}
# The longest body that nginx accepts, and its limit for the request line and the headers.
BODY_LIMIT, HEAD_LIMIT = 8256 * 1024, 60 * 1024
# The value that OpenServer sets: the requests of one address at a time.
PARALLEL = 4


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    with TLSServer(tmp_path_factory.mktemp("tls") / "root", options=("--allow-origin", APP)) as server:
        yield server


@pytest.fixture
def server(tmp_path):
    with TLSServer(tmp_path / "root", options=("--allow-origin", APP)) as server:
        yield server


def target(name: str, chunk, size: int, chunk_size: int) -> str:
    return f"{ROUTE}?{query(parameters(chunk, identifier=name, filename=name, size=size, chunk_size=chunk_size))}"


def small_target(name: str) -> str:
    """The target for a file of one chunk, with a token: no log may contain it (see `Server.close`)."""
    return target(name, layout(1000, 1000, False)[0], 1000, 1000) + "&upload_token=secret"


def check(answer, status: int, outcome: str) -> None:
    """An answer that each client understands, and that the page can read."""
    assert (answer.status, answer.outcome) == (status, outcome), (answer.status, answer.body)
    expect_readable(answer.headers, outcome)
    assert answer.headers["Content-Type"].startswith("text/plain")
    text = answer.body.decode().removesuffix("\n")
    assert text and text.isprintable() and "<" not in text
    assert (answer.headers["Retry-After"] is not None) == (outcome == "retry")


# --- uploads


@pytest.mark.parametrize("kind", ["HTTP/2", "HTTP/1.1"])
def test_a_file_arrives_whole(shared_server, kind):
    data = random_bytes(5 * MIB + 17)
    name = kind.replace("/", " ")
    with shared_server.client() if kind == "HTTP/2" else shared_server.http1_client() as client:
        answers = client.upload(data, filename=name, identifier=name)
        assert {(answer.status, answer.outcome) for answer in answers} == {(200, "stored")} and len(answers) == 5
        # The file is complete, so no chunk is sent again.
        assert client.upload(data, filename=name, identifier=name) == []
    assert (shared_server.root / name).read_bytes() == data
    assert any(f'"POST {ROUTE} {kind}' in line for line in shared_server.access_log())


def test_chunks_arrive_whole_in_parallel_over_one_connection(shared_server):
    data = random_bytes(12 * MIB + 5)
    chunks = layout(len(data), MIB, False)
    random.Random(2).shuffle(chunks)
    with shared_server.client() as client:
        for start in range(0, len(chunks), PARALLEL):
            requests = []
            for chunk in chunks[start : start + PARALLEL]:
                content = data[chunk.start : chunk.end]
                kind, body = multipart({}, content) if chunk.number % 2 else (OCTETS["Content-Type"], content)
                requests.append(("POST", target("parallel", chunk, len(data), MIB), body, {"Content-Type": kind}))
            assert [answer.status for answer in client.exchange(requests)] == [200] * len(requests)
    assert (shared_server.root / "parallel").read_bytes() == data


def test_a_body_without_a_length_is_stored(shared_server):
    (chunk,) = layout(MIB, MIB, False)
    data = random_bytes(MIB)
    with shared_server.client() as client:
        answer = client.request(
            "POST", target("unannounced", chunk, MIB, MIB), data, {**OCTETS, "Content-Length": None})
    check(answer, 200, "stored")
    assert (shared_server.root / "unannounced").read_bytes() == data


@pytest.mark.parametrize("end", ["the stream is reset", "the connection breaks"])
def test_an_upload_resumes_after_a_chunk_that_broke_off(server, end):
    data = random_bytes(6 * MIB)
    chunks = layout(len(data), MIB, False)
    send = {"method": "POST", "headers": OCTETS}
    with server.client() as client:
        for chunk in (chunks[0], chunks[3]):
            content = data[chunk.start : chunk.end]
            assert client.request(target=target("film", chunk, len(data), MIB), body=content, **send).status == 200
        # Half of the second chunk.
        client.break_off(
            "POST", target("film", chunks[1], len(data), MIB), data[MIB : MIB + MIB // 2],
            {**OCTETS, "Content-Length": MIB}, resets=end == "the stream is reset")
        server.stop_program()
        server.start_program()
        asked = client.request("GET", target("film", chunks[0], len(data), MIB), None,
                               {**ORIGIN, "Accept": "application/json"})
        told = json.loads(asked.body)
        assert (told["size"], told["held"], told["complete"]) == (len(data), [[0, MIB], [3 * MIB, 4 * MIB]], False)
        for chunk in (chunks[1], chunks[2], *chunks[4:]):
            content = data[chunk.start : chunk.end]
            check(client.request(target=target("film", chunk, len(data), MIB), body=content, **send), 200, "stored")
    assert (server.root / "film").read_bytes() == data


# --- the program's errors


def test_the_programs_answers_pass_unchanged(shared_server):
    with shared_server.client() as client:
        check(client.request("GET", small_target("nothing"), None, ORIGIN), 404, "missing")
        check(client.request("GET", ROUTE, None, ORIGIN), 500, "malformed")
        check(client.request("POST", small_target("zip"), b"x", {**ORIGIN, "Content-Type": "multipart/mixed; boundary=b"}),
              501, "unsupported")
        check(client.request("POST", small_target("short"), b"x", OCTETS), 503, "retry")


# --- nginx's errors

TOO_LARGE = bytes(BODY_LIMIT + 1)
ERRORS = {
    "413, a length over the limit": (415, "refused", "POST", "", TOO_LARGE, {}),
    "413, a body over the limit, without a length": (415, "refused", "POST", "", TOO_LARGE, {"Content-Length": None}),
    "413, a length over the limit with a short body": (
        415, "refused", "POST", "", bytes(1000), {"Content-Length": 2 * BODY_LIMIT}),
    "400, a body over its length": (500, "malformed", "POST", "", bytes(2000), {"Content-Length": 1000}),
    "400, a body that ends before its length": (500, "malformed", "POST", "", bytes(10), {"Content-Length": 1000}),
    "400, a length that is no number": (500, "malformed", "POST", "", b"x", {"Content-Length": "many"}),
    "405, a method of nginx's": (501, "unsupported", "TRACE", "", None, {}),
    "405 with a length over the limit": (501, "unsupported", "TRACE", "", TOO_LARGE, {}),
    "405, a tunnel": (501, "unsupported", "CONNECT", "", None, {}),
}


@pytest.mark.parametrize("status, outcome, method, more, body, headers", ERRORS.values(), ids=ERRORS.keys())
def test_nginx_maps_its_own_errors(shared_server, status, outcome, method, more, body, headers):
    with shared_server.client() as client:
        check(client.request(method, small_target("error") + more, body, {**OCTETS, **headers}), status, outcome)
        # The next request finds the server working.
        check(client.request("GET", small_target("error"), None, ORIGIN), 404, "missing")


@pytest.mark.parametrize("kind", ["HTTP/2", "HTTP/1.1"])
def test_a_long_request_head_is_processed_up_to_a_limit_that_leaves_room_for_all_valid_names(shared_server, kind):
    outcomes = []
    for length in range(1000, 2 * HEAD_LIMIT, 4000):
        with shared_server.client() if kind == "HTTP/2" else shared_server.http1_client() as client:
            try:
                # HPACK encodes an `X` with 8 bits (RFC 7541, appendix B).
                answer = client.request("GET", f"{small_target('head')}&x={'X' * length}", None, ORIGIN)
            except ConnectionResetError:
                # nginx has no answer for an HTTP/2 head that is too long: it closes the connection.
                assert kind == "HTTP/2"
                break
            outcomes.append((answer.status, answer.outcome))
    processed = outcomes.count((404, "missing"))
    # The longest valid query: 64 folders and a name of 255 bytes each, with three characters for a byte.
    assert processed > 64 * 256 * 3 // 4000
    assert outcomes == [(404, "missing")] * processed + [(500, "malformed")] * (len(outcomes) - processed)
    assert len(outcomes) > processed or kind == "HTTP/2"


def test_a_full_head_with_many_headers_fits_into_the_request_to_the_program(shared_server):
    headers = {f"X-{number}": "x" * 90 for number in range(250)}
    with shared_server.http1_client() as client:
        answer = client.request("GET", f"{small_target('full')}&x={'x' * 32_000}", None, {**ORIGIN, **headers})
    check(answer, 404, "missing")


@pytest.mark.parametrize("name, status", [("localhost", 200), ("rebound.example.com", 403)])
def test_the_operators_paths_answer_only_under_the_servers_own_names(shared_server, name, status):
    with HTTP2Client(shared_server.port, shared_server.certificate, authority=name) as client:
        for path in ("/healthz", "/metrics", "/resumable/status.json", "/resumable/status"):
            assert client.request("GET", path).status == status


@pytest.mark.parametrize("allowed", [True, False])
def test_a_request_without_tls_is_malformed(shared_server, allowed):
    with Client(shared_server.port) as client:
        answer = client.request("GET", small_target("plain"), None, ORIGIN if allowed else {})
    # nginx reads no headers before it answers.
    assert (answer.status, answer.outcome) == (500, "malformed") and answer.headers["Retry-After"] is None
    assert answer.body == b"The request cannot be understood.\n"


class WithClientCertificates(TLSServer):
    """An operator requires client certificates, and has a site of another name at the same address."""

    def configuration(self, text: str) -> str:
        text = super().configuration(text)
        (own_name,) = re.findall(r"^ *server_name _;$", text, re.M)
        verify = f"ssl_client_certificate {self.certificate};\nssl_verify_client on;"
        text = replace(text, own_name, f"server_name {HOST};\n{verify}")
        lines = re.findall(r"^ *(?:listen|http2|ssl_certificate|ssl_certificate_key) .*;$", text, re.M)
        other = "\n".join(["server {", *lines, "server_name unrelated.example.org;", "}"])
        return text.rstrip().removesuffix("}") + other + "\n}\n"


def test_answers_about_certificates_and_names_fit_as_well(tmp_path):
    with WithClientCertificates(tmp_path / "root", options=("--allow-origin", APP)) as server:
        with server.client() as client:
            check(client.request("POST", small_target("none"), TOO_LARGE, OCTETS), 500, "malformed")
        with HTTP2Client(server.port, server.certificate, authority="other.example.org") as client:
            answer = client.request("GET", small_target("other"), None, ORIGIN)
            assert (answer.status, answer.outcome, answer.headers["Retry-After"]) == (421, "retry", "5")


def test_nginx_says_retry_while_the_program_is_down_or_slow(server):
    with server.client() as client:
        requests = [("GET", small_target("a"), None, ORIGIN), ("POST", small_target("a"), bytes(1000), OCTETS)]
        server.stop_program()
        for answer in client.exchange(requests):
            check(answer, 502, "retry")
        server.start_program()
        program = server.program
        program.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{program.pid}/task")
        wait_until(lambda: all(") T " in path.read_text() for path in tasks.glob("*/stat")), 5, "all threads stop")
        try:
            for answer in client.exchange(requests):
                check(answer, 504, "retry")
        finally:
            program.send_signal(signal.SIGCONT)
        # The program may have processed the first ones after it went on.
        check(client.request(*requests[1]), 200, "stored")


def test_nginx_says_retry_where_an_address_has_too_many_requests(server):
    with server.client() as client:
        request = ("POST", small_target("many"), bytes(MIB), {**OCTETS, "Content-Length": None})
        answers = client.exchange([request] * (3 * PARALLEL))
    for answer in answers:
        assert (answer.status, answer.outcome) in [(503, "retry"), (500, "malformed")]
    check(next(answer for answer in answers if answer.status == 503), 503, "retry")


class Limited(TLSServer):
    """One request in a minute, without delay."""

    def configuration(self, text: str) -> str:
        for setting, value in {"rate=500r/s": "rate=1r/m", "burst=200 delay=50": "nodelay"}.items():
            text = replace(text, setting, value)
        return super().configuration(text)


def test_nginx_says_retry_over_its_rate(tmp_path):
    with Limited(tmp_path / "root", options=("--allow-origin", APP)) as server, server.client() as client:
        check(client.request("GET", small_target("first"), None, ORIGIN), 404, "missing")
        check(client.request("GET", small_target("first"), None, ORIGIN), 429, "retry")
        check(client.request("POST", small_target("first"), bytes(2 * MIB), OCTETS), 429, "retry")


class WithoutBuffers(TLSServer):
    """nginx has to write bodies to its disk."""

    def configuration(self, text: str) -> str:
        text = super().configuration(text)
        return replace(text, "client_body_buffer_size 8256k", "client_body_buffer_size 1k")


def test_nginx_says_retry_where_it_fails_itself(tmp_path):
    (chunk,) = layout(MIB, MIB, False)
    with WithoutBuffers(tmp_path / "root", options=("--allow-origin", APP)) as server, server.client() as client:
        folder: pathlib.Path = server.state / "nginx-body"
        owner = folder.stat()
        shutil.rmtree(folder)
        check(client.request("POST", target("disk", chunk, MIB, MIB), bytes(MIB), OCTETS), 503, "retry")
        folder.mkdir(mode=0o700)
        os.chown(folder, owner.st_uid, owner.st_gid)
        check(client.request("POST", target("disk", chunk, MIB, MIB), bytes(MIB), OCTETS), 200, "stored")


def test_a_body_that_does_not_come_ends_its_stream(server):
    """The client sees a broken request, which each client tries again."""
    with server.client() as client:
        stream = client.stall("POST", small_target("stall"), bytes(10), {**OCTETS, "Content-Length": 1000})
        assert stream.status in (None, 408)
        # The connection is still of use.
        check(client.request("GET", small_target("stall"), None, ORIGIN), 404, "missing")
    wait_until(lambda: any(f'"POST {ROUTE} HTTP/2.0" 408 ' in line for line in server.access_log()), 5, "408")
