"""The outcome table, cause by cause. Each is produced for real, through nginx and the program with the shipped
settings, by a page of another origin that may upload. The answer is checked on the wire: status, outcome, the line for the user,
`Retry-After` only where waiting helps, and the headers that let the page read them.

test_answers.py checks the rules about single parameters. Here each cause occurs once.
"""

import base64
import contextlib
import errno
import fcntl
import hashlib
import http.client
import pathlib
import shutil
import signal
import socket
import time

import pytest

from support import journal
from support.client import MIB, Chunk, multipart, parameters, query
from support.cors import APP, OpenServer, expect_readable
from support.faults import Faults
from support.server import Server, replace, wait_until

CHUNK = 1000
SIZE = 3 * CHUNK
ORIGIN = {"Origin": APP}
OCTETS = {**ORIGIN, "Content-Type": "application/octet-stream"}

# Outcome to status (PROTOCOL.md, Status codes).
STATUS = {
    "stored": 200, "held": 200, "removed": 200, "missing": 404, "refused": 415, "malformed": 500, "unsupported": 501,
    "retry": 503,
}  # fmt: skip


def fields(name: str, number: int = 1, **more):
    chunk = Chunk(number, (number - 1) * CHUNK, number * CHUNK, 3)
    more = {"filename": name, **more}
    return parameters(chunk, identifier=name, size=SIZE, chunk_size=CHUNK, **more)


class Page:
    """A page of the other origin that talks to one server."""

    def __init__(self, server: Server, faults: Faults | None = None):
        self.server, self.faults = server, faults

    def request(self, method: str, told, body=None, headers=None):
        with self.server.client() as client:
            return client.request(method, f"{client.route}?{query(told)}", body, headers or ORIGIN)

    def test(self, name: str, number: int = 1, **more):
        return self.request("GET", fields(name, number, **more))

    def send(self, name: str, number: int = 1, content: bytes = bytes(CHUNK), headers=None, **more):
        return self.request("POST", fields(name, number, **more), content, {**OCTETS, **(headers or {})})

    def post(self, name: str, content: bytes | None, number: int = 1, **more):
        kind, body = multipart(fields(name, number, **more), content)
        return self.request("POST", {}, body, {**ORIGIN, "Content-Type": kind})

    def upload(self, name: str) -> None:
        for number in (1, 2, 3):
            assert self.send(name, number).status == 200


def check(answer, outcome: str, status: int | None = None, line: str | None = None) -> None:
    assert (answer.status, answer.outcome) == (status or STATUS[outcome], outcome), answer.body
    expect_readable(answer.headers, outcome)
    assert answer.headers["Content-Type"].split(";")[0] == "text/plain"
    text = answer.body.decode().removesuffix("\n")
    assert text and len(text) < 200 and text.isprintable()
    assert not any(word in text for word in (" /", "errno", ".resumabled", "nginx", "swift", "Error"))
    if line is not None:
        assert text == line
    if outcome == "retry":
        assert answer.headers.get_all("Retry-After") and int(answer.headers["Retry-After"]) >= 1
    else:
        assert answer.headers["Retry-After"] is None


# --- servers, each shared by the causes that need the same options


@pytest.fixture(scope="module")
def page_at(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        pages = {}

        def page(*options: str, failing: bool = False) -> Page:
            if (options, failing) not in pages:
                folder = tmp_path_factory.mktemp("site")
                token = folder / "token"
                token.write_text("kept-in-a-file-of-mode-0600\n")
                faults = Faults(folder) if failing else None
                server = OpenServer(
                    folder / "root", options=("--allow-origin", APP, "--delete-token", str(token), *options),
                    environment=faults.environment if faults else None,
                )
                pages[options, failing] = Page(stack.enter_context(server), faults)
            return pages[options, failing]

        yield page


# --- 200


def test_stored_the_chunk_is_on_disk_or_was_already_or_the_file_is_complete(page_at):
    page = page_at()
    check(page.send("stored"), "stored", line="OK")
    check(page.send("stored"), "stored", line="OK")
    check(page.post("stored", bytes(CHUNK), 2), "stored", line="OK")
    check(page.send("stored", 3), "stored", line="OK")
    assert (page.server.root / "stored").read_bytes() == bytes(SIZE)
    check(page.send("stored", 3), "stored", line="OK")


def test_held_the_chunk_is_on_disk_or_the_file_is_complete(page_at):
    page = page_at()
    page.send("held")
    check(page.test("held"), "held", line="OK")
    page.upload("held")
    check(page.test("held", 2), "held", line="OK")


def test_removed_a_client_has_removed_the_upload(page_at):
    page = page_at()
    page.send("removed")
    token = {**ORIGIN, "Authorization": "Bearer kept-in-a-file-of-mode-0600"}
    check(page.request("DELETE", fields("removed"), headers=token), "removed", line="OK")
    check(page.test("removed"), "missing")


# --- missing


def test_missing_not_held_yet(page_at):
    page = page_at()
    check(page.test("nowhere"), "missing", line="Not found")
    page.send("partly")
    check(page.test("partly", 2), "missing", line="Not found")


def renamed(prefix: str) -> dict[str, str]:
    names = {name.removeprefix("resumable"): value for name, value in fields("quiet").items()}
    return {prefix + name if prefix else name[0].lower() + name[1:]: value for name, value in names.items()}


@pytest.mark.parametrize(
    "options, told",
    [(("--missing-status", "204"), fields("quiet")), ((), renamed("flow")), ((), renamed(""))],
    ids=["by option", "flow.js", "simple-uploader"],
)
def test_missing_is_204_where_clients_give_up_on_404(page_at, options, told):
    answer = page_at(*options).request("GET", told)
    assert (answer.status, answer.outcome, answer.body) == (204, "missing", b"")
    expect_readable(answer.headers, "missing")
    assert answer.headers["Retry-After"] is None


# --- malformed


@pytest.mark.parametrize(
    "more, word",
    [
        ({"resumableFilename": None}, "resumableFilename is missing"),
        ({"resumableChunkNumber": "many"}, "resumableChunkNumber must be a whole number"),
        ({"resumableCurrentChunkSize": "7"}, "resumableCurrentChunkSize contradicts"),
    ],
    ids=["missing", "invalid", "contradicts another"],
)
def test_malformed_a_parameter_is_wrong(page_at, more, word):
    page = page_at()
    for answer in (page.test("m", **more), page.send("m", **more), page.post("m", bytes(CHUNK), **more)):
        check(answer, "malformed")
        assert word in answer.body.decode()


def test_malformed_another_size_than_the_upload_has(page_at):
    page = page_at()
    page.send("sized")
    for answer in (page.test("sized", resumableTotalSize=SIZE + 1), page.send("sized", resumableTotalSize=SIZE + 1)):
        check(answer, "malformed", line=f"This upload was begun with a file of {SIZE} bytes; please upload the changed file anew")


def test_malformed_the_body_does_not_match_its_type(page_at):
    page = page_at()
    told = fields("body")
    kind = {**ORIGIN, "Content-Type": "multipart/form-data; boundary=b"}
    check(page.request("POST", told, b"this is no form", kind), "malformed")
    check(page.request("POST", told, bytes(CHUNK), {**ORIGIN, "Content-Type": "multipart/form-data"}), "malformed")
    check(page.post("body", None), "malformed")
    check(page.send("body", content=bytes(CHUNK + 1)), "malformed")
    check(page.test("body"), "missing")


# --- refused


def test_refused_the_type_by_name_and_declaration_and_by_content(page_at):
    page = page_at("--allow-type", "image/*", "--sniff")
    check(page.test("a.exe", resumableType="application/x-dosexec"), "refused")
    check(page.send("a.exe", resumableType="application/x-dosexec"), "refused")
    check(page.send("b.png", content=b"%PDF-1.7\n".ljust(CHUNK), resumableType="image/png"), "refused")
    check(page.test("b.png", resumableType="image/png"), "missing")


def test_refused_the_size_of_the_file_of_the_chunk_and_of_the_body(page_at):
    page = page_at("--max-file-size", "3000", "--max-chunk-size", "1000")
    large = {"resumableTotalSize": SIZE + 1}
    for answer in (page.test("l", **large), page.send("l", **large), page.post("l", bytes(CHUNK), **large)):
        check(answer, "refused", line="The file is too large; at most 3000 bytes are accepted")
    long = {"resumableChunkSize": 1500, "resumableCurrentChunkSize": 1500}
    for answer in (page.test("c", **long), page.send("c", content=bytes(1500), **long)):
        check(answer, "refused", line="Chunks of at most 1000 bytes are accepted here")
    check(page.send("b", content=bytes(100_000)), "refused", line="The chunk is larger than this server accepts")


def test_refused_a_file_that_is_larger_than_the_disk(page_at):
    page = page_at("--max-file-size", "2000T")
    petabyte = {"resumableTotalSize": 2**50, "resumableTotalChunks": None}
    answer = page.send("disk", **petabyte)
    check(answer, "refused", line="The file is larger than the server has room for")


def test_refused_the_name_is_taken_or_the_servers_own(page_at):
    page = page_at("--on-conflict", "refuse", "--layout", "tree")
    page.upload("taken")
    answer = page.request("POST", {**fields("other"), "resumableFilename": "taken", "resumableRelativePath": "taken"},
                          bytes(CHUNK), OCTETS)
    check(answer, "refused", line="There is another file of this name already")
    check(page.send("own", resumableRelativePath=".resumabled/own"), "refused",
          line="This path is used by the server itself")


def test_refused_the_token(page_at):
    page = page_at()
    page.send("kept")
    for headers in (ORIGIN, {**ORIGIN, "Authorization": "Bearer a-guess-of-the-same-length1"}):
        check(page.request("DELETE", fields("kept"), headers=headers), "refused")
    check(page.test("kept"), "held")


def test_refused_a_complete_file_is_not_removed(page_at):
    page = page_at()
    page.upload("whole")
    token = {**ORIGIN, "Authorization": "Bearer kept-in-a-file-of-mode-0600"}
    check(page.request("DELETE", fields("whole"), headers=token), "refused")
    assert "whole" in page.server.finished_files()


# --- unsupported


def test_unsupported_a_method_or_a_content_type(page_at):
    page = page_at()
    for method in ("PROPFIND", "BREW"):
        check(page.request(method, fields("u")), "unsupported")
    for kind in ("application/x-www-form-urlencoded", "multipart/mixed; boundary=b"):
        check(page.request("POST", fields("u"), bytes(CHUNK), {**ORIGIN, "Content-Type": kind}), "unsupported")
    # A body that is no form, and a query that names no upload.
    for kind in ({}, {"Content-Type": "text/plain"}):
        check(page.request("POST", {"title": "u"}, bytes(CHUNK), {**ORIGIN, **kind}), "unsupported")


def test_an_octet_body_may_have_any_type_but_not_be_compressed(page_at):
    page = page_at()
    for kind in ({}, {"Content-Type": "video/mp4"}, {"Content-Type": "text/plain"}):
        check(page.request("POST", fields("any"), bytes(CHUNK), {**ORIGIN, **kind}), "stored")
    answer = page.request("POST", fields("gzip"), bytes(CHUNK), {**ORIGIN, "Content-Encoding": "gzip"})
    check(answer, "refused", line="Compressed requests are not accepted here")
    check(page.request("GET", fields("gzip")), "missing")


# --- retry


def test_retry_the_disk_is_full(page_at):
    # No disk has as much space as has to stay free.
    page = page_at("--min-free", "8000000T")
    check(page.send("full"), "retry", line="The server has no space left")
    check(page.post("full", bytes(CHUNK)), "retry", line="The server has no space left")


def test_retry_during_an_error_of_the_disk_and_success_after_it(page_at):
    page = page_at(failing=True)
    with page.faults.armed("pwrite", ".data", errno.EIO):
        check(page.send("io"), "retry")
    check(page.test("io"), "missing")
    check(page.send("io"), "stored")


def test_retry_the_body_was_cut_short(page_at):
    page = page_at()
    check(page.send("short", content=bytes(CHUNK - 1)), "retry",
          line=f"The chunk was cut short: {CHUNK - 1} of {CHUNK} bytes arrived")
    check(page.test("short"), "missing")


def test_retry_the_checksum_differs(page_at):
    page = page_at()
    # RFC 9530, section 2: the digest as a structured field's byte sequence.
    digest = base64.b64encode(hashlib.sha256(b"something else").digest()).decode()
    check(page.send("digest", headers={"Content-Digest": f"sha-256=:{digest}:"}), "retry")
    check(page.test("digest"), "missing")


def test_retry_another_request_holds_the_range(page_at):
    page = page_at()
    # Another sender of the same range keeps it for longer than a request waits, by a lock on the range. With these
    # settings nginx would give up first, so the request goes straight to the program.
    page.send("locked", 2)
    (data,) = (page.server.root / ".resumabled").glob(f"{journal.key('locked', 'locked')}*.data")
    with open(data, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, CHUNK, 0)
        server = Server(page.server.root, options=("--allow-origin", APP))
        with contextlib.closing(server), server.start().client() as client:
            answer = client.request("POST", f"{client.route}?{query(fields('locked'))}", bytes(CHUNK), OCTETS)
    assert (answer.status, answer.outcome) == (503, "retry")
    assert int(answer.headers["Retry-After"]) >= 1 and b"another request" in answer.body
    check(page.send("locked"), "stored")


def test_retry_too_many_uploads(page_at):
    for option in ("--max-uploads", "--max-uploads-per-client", "--max-new-uploads"):
        page = page_at(option, "1")
        check(page.send("one"), "stored")
        check(page.send("two"), "retry")
        check(page.test("two"), "missing")


def test_retry_while_the_program_is_shutting_down(page_at):
    page = page_at("--stop-timeout", "31")
    page.server.stop_program()
    try:
        check(page.test("down"), "retry", 502)
        check(page.send("down"), "retry", 502)
    finally:
        page.server.start_program()
    check(page.send("down"), "stored")


# --- nginx's own answers


class Answer:
    def __init__(self, response: http.client.HTTPResponse):
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        self.outcome = response.headers["X-Upload-Outcome"]


def exchange(port: int, line: bytes, rest: bytes = b"", *, host: bytes = b"Host: h\r\n"):
    """Sends bytes that http.client would not send, or would not leave unfinished."""
    head = line + b"\r\n" + host + b"Connection: close\r\nOrigin: " + APP.encode() + b"\r\n" + rest + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return Answer(response)


POST = b"POST /resumable_upload HTTP/1.1"
GET = b"GET /resumable_upload HTTP/1.1"
NGINX = {
    "413, a body that is too large": ("refused", 415, POST, b"Content-Length: 99999999\r\n", {}),
    "400, no host": ("malformed", 500, GET, b"", {"host": b""}),
    "400, a length that is no number": ("malformed", 500, POST, b"Content-Length: many\r\n", {}),
    "494, a header that is too long": ("malformed", 500, GET, b"X: " + b"x" * 70_000 + b"\r\n", {}),
    "405, a method that nginx keeps to itself": ("unsupported", 501, b"TRACE /resumable_upload HTTP/1.1", b"", {}),
    "501, an unknown encoding": ("unsupported", 501, POST, b"Transfer-Encoding: zip\r\n", {}),
}


@pytest.mark.parametrize("outcome, status, line, rest, how", NGINX.values(), ids=NGINX.keys())
def test_nginx_answers_with_the_same_outcomes(page_at, outcome, status, line, rest, how):
    check(exchange(page_at().server.port, line, rest, **how), outcome, status)


@pytest.mark.parametrize(
    "request_bytes",
    [b"\x16\x03\x01 no HTTP\r\n\r\n", b"GET /resumable_upload?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
     b"GET /resumable_upload HTTP/7.0\r\nHost: h\r\n\r\n"],
    ids=["400", "414", "505"],
)  # fmt: skip
def test_nginx_answers_malformed_even_before_it_has_read_the_origin(page_at, request_bytes):
    with socket.create_connection(("127.0.0.1", page_at().server.port), timeout=20) as connection:
        connection.sendall(request_bytes)
        response = http.client.HTTPResponse(connection)
        response.begin()
        answer = Answer(response)
    assert (answer.status, answer.outcome) == (500, "malformed")
    assert answer.body == b"The request cannot be understood.\n" and answer.headers["Retry-After"] is None
    # Without an origin, no page may read it.
    assert answer.headers["Access-Control-Allow-Origin"] is None


def test_nginx_closes_the_connection_if_a_body_does_not_arrive(page_at):
    # It logs 408 and sends nothing, which every client takes as a broken connection.
    server = page_at().server
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(POST + b"\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + bytes(10))
        try:
            assert connection.recv(1000) == b""
        except ConnectionResetError:
            pass
    wait_until(lambda: any('"POST /resumable_upload HTTP/1.1" 408 ' in line for line in server.access_log()), 5, "408")


def test_nginx_answers_retry_while_the_program_is_too_slow(page_at):
    page = page_at()
    program = page.server.program
    program.send_signal(signal.SIGSTOP)
    tasks = pathlib.Path(f"/proc/{program.pid}/task")
    wait_until(lambda: all(") T " in path.read_text() for path in tasks.glob("*/stat")), 5, "all threads are stopped")
    try:
        answers = [page.test("slow"), page.send("slow")]
    finally:
        program.send_signal(signal.SIGCONT)
    for answer in answers:
        check(answer, "retry", 504)


def test_nginx_answers_retry_if_one_address_has_too_many_concurrent_requests(page_at):
    page = page_at()
    waiting = []
    try:
        for _ in range(4):
            connection = socket.create_connection(("127.0.0.1", page.server.port))
            waiting.append(connection)
            head = "POST /resumable_upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n"
            connection.sendall(f"{head}Content-Type: application/octet-stream\r\n\r\nx".encode())
        # nginx counts a connection once it has read the request head.
        deadline = time.monotonic() + 10
        while (answer := page.test("many")).status != 503:
            assert time.monotonic() < deadline
        check(answer, "retry")
    finally:
        for connection in waiting:
            connection.close()


class Strict(OpenServer):
    """One request a minute, without a burst."""

    def configuration(self, text: str) -> str:
        for setting, value in {"rate=500r/s": "rate=1r/m", "burst=200 delay=50": "nodelay"}.items():
            text = replace(text, setting, value)
        return super().configuration(text)


def test_nginx_answers_retry_to_a_flood(tmp_path):
    with Strict(tmp_path / "root", options=("--allow-origin", APP)) as server:
        page = Page(server)
        check(page.test("first"), "missing")
        check(page.test("first"), "retry", 429)
        check(page.send("first"), "retry", 429)


class Broken(OpenServer):
    """nginx has to write bodies to its disk, and cannot."""

    def configuration(self, text: str) -> str:
        text = super().configuration(text)
        return replace(text, "client_body_buffer_size 8256k", "client_body_buffer_size 1k")


def test_nginx_answers_retry_to_its_own_errors(tmp_path):
    with Broken(tmp_path / "root", options=("--allow-origin", APP)) as server:
        page = Page(server)
        check(page.send("first"), "stored")
        folder: pathlib.Path = server.state / "nginx-body"
        shutil.rmtree(folder)
        large = {"resumableChunkSize": MIB, "resumableTotalSize": 3 * MIB, "resumableCurrentChunkSize": MIB}
        # Not 500, which would end the upload.
        check(page.send("second", content=bytes(MIB), **large), "retry", 503)
        folder.mkdir(mode=0o700)
        shutil.chown(folder, *owner(server.root))
        check(page.send("second", content=bytes(MIB), **large), "stored")


def owner(path: pathlib.Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_uid, status.st_gid
