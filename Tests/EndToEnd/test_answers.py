"""The status table (PROTOCOL.md, Status codes), row by row, as a client sees it through nginx."""

import json
import socket

import pytest

from support.client import MIB, Chunk, layout, multipart, parameters, query, random_bytes

CHUNK = 1000
SIZE = 3 * CHUNK
FIRST = Chunk(1, 0, CHUNK, 3)


def fields_of(identifier: str, chunk: Chunk = FIRST, **changes):
    changes.setdefault("filename", identifier)
    return parameters(chunk, identifier=identifier, size=SIZE, chunk_size=CHUNK, **changes)


def expect(answer, status: int, outcome: str) -> None:
    """Checks the status, the header with the outcome's name, and the body: one line of plain text for the user."""
    assert (answer.status, answer.outcome) == (status, outcome), answer.body
    assert answer.headers["Content-Type"].startswith("text/plain")
    line = answer.body.decode()
    assert line.strip() and line.rstrip("\n").count("\n") == 0 and len(line) < 200
    if status == 503:
        assert int(answer.headers["Retry-After"]) >= 1


# --- tests (GET and HEAD)


def test_a_chunk_is_missing_then_held_then_part_of_a_finished_file(server, client):
    fields = fields_of("story")
    expect(client.test(fields), 404, "missing")
    assert client.test(fields).body.strip() == b"Not found"
    expect(client.send(fields, bytes(CHUNK)), 200, "stored")
    answer = client.test(fields)
    expect(answer, 200, "held")
    assert answer.body == b"OK"
    client.upload(bytes(SIZE), filename="story", identifier="story", chunk_size=CHUNK)
    assert server.finished_files() == ["story"]
    expect(client.test(fields), 200, "held")


def test_head_gets_the_status_of_get_and_no_body(shared_client):
    fields = fields_of("head")
    missing = shared_client.test(fields, method="HEAD")
    assert (missing.status, missing.outcome, missing.body) == (404, "missing", b"")
    shared_client.send(fields, bytes(CHUNK))
    held = shared_client.test(fields, method="HEAD")
    assert (held.status, held.outcome, held.body) == (200, "held", b"")


def test_a_test_that_accepts_json_lists_all_held_ranges(server, client):
    data = random_bytes(SIZE)
    accept = {"Accept": "application/json"}
    first, second, third = layout(SIZE, CHUNK, False)

    def told(chunk):
        answer = client.test(fields_of("json", chunk), headers=accept)
        document = json.loads(answer.body)
        limits = {"maxFileSize": 1 << 40, "maxChunkSize": 256 << 20, "maxBodySize": 8256 << 10, "types": None}
        assert document.pop("limits") == limits
        return answer.status, document, answer.headers["Content-Type"].split(";")[0]

    assert told(first) == (404, {"size": SIZE, "held": [], "complete": False}, "application/json")
    client.send(fields_of("json", first), data[:CHUNK])
    client.send(fields_of("json", third), data[2 * CHUNK :])
    held = [[0, CHUNK], [2 * CHUNK, SIZE]]
    assert told(first) == (200, {"size": SIZE, "held": held, "complete": False}, "application/json")
    assert told(second) == (404, {"size": SIZE, "held": held, "complete": False}, "application/json")
    client.send(fields_of("json", second), data[CHUNK : 2 * CHUNK])
    assert told(second) == (200, {"size": SIZE, "held": [[0, SIZE]], "complete": True}, "application/json")


# --- malformed

INVALID = {
    "no identifier": {"resumableIdentifier": None},
    "an empty identifier": {"resumableIdentifier": ""},
    "an identifier of 1025 bytes": {"resumableIdentifier": "i" * 1025},
    "NUL in the identifier": {"resumableIdentifier": "a\0b"},
    "an identifier that is not UTF-8": {"resumableIdentifier": b"\xff\xfe"},
    "no filename": {"resumableFilename": None},
    "an empty filename": {"resumableFilename": ""},
    "a filename of 4097 bytes": {"resumableFilename": "n" * 4097},
    "a filename that is a path": {"resumableFilename": "a/b"},
    "a filename that is not UTF-8": {"resumableFilename": b"\xc3\x28"},
    "chunk 0": {"resumableChunkNumber": "0"},
    "chunk -1": {"resumableChunkNumber": "-1"},
    "chunk one": {"resumableChunkNumber": "one"},
    "chunk 1.5": {"resumableChunkNumber": "1.5"},
    "an empty chunk number": {"resumableChunkNumber": ""},
    "chunk 2^31": {"resumableChunkNumber": str(2**31)},
    "a chunk number of 30 digits": {"resumableChunkNumber": "9" * 30},
    "a chunk past the end": {"resumableChunkNumber": "4"},
    "a negative size": {"resumableTotalSize": "-1"},
    "a size that is no number": {"resumableTotalSize": "large"},
    "a size of 30 digits": {"resumableTotalSize": "9" * 30},
    "chunks of 0 bytes": {"resumableChunkSize": "0"},
    "chunks of more than 2^40 bytes": {"resumableChunkSize": str(2**40 + 1)},
    "no size and no total": {"resumableTotalSize": None, "resumableTotalChunks": None},
    "no chunk size and no total": {"resumableChunkSize": None, "resumableTotalChunks": None},
}


@pytest.mark.parametrize("changes", INVALID.values(), ids=INVALID.keys())
def test_a_test_with_an_invalid_parameter_is_malformed(shared_client, changes):
    expect(shared_client.test(fields_of("invalid", **changes)), 500, "malformed")


@pytest.mark.parametrize("changes", INVALID.values(), ids=INVALID.keys())
@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_an_upload_with_an_invalid_parameter_is_malformed(shared_server, shared_client, changes, raw):
    before = shared_server.finished_files()
    send = shared_client.send_raw if raw else shared_client.send
    expect(send(fields_of("invalid", **changes), bytes(CHUNK)), 500, "malformed")
    assert shared_server.finished_files() == before


def test_a_test_without_a_chunk_number_is_malformed(shared_client):
    expect(shared_client.test(fields_of("number", resumableChunkNumber=None)), 500, "malformed")


def test_an_upload_without_a_chunk_number_is_chunk_one(shared_client):
    # As in the Flask backend.
    expect(shared_client.send(fields_of("one", resumableChunkNumber=None), bytes(CHUNK)), 200, "stored")
    expect(shared_client.test(fields_of("one")), 200, "held")


def test_a_parameter_sent_twice_is_malformed_only_if_its_values_differ(shared_client):
    fields = list(fields_of("twice").items())
    expect(shared_client.send([*fields, ("resumableFilename", "other")], bytes(CHUNK)), 500, "malformed")
    expect(shared_client.test([*fields, ("resumableFilename", "other")]), 500, "malformed")
    expect(shared_client.test(fields_of("twice")), 404, "missing")
    expect(shared_client.send([*fields, ("resumableFilename", "twice")], bytes(CHUNK)), 200, "stored")


def test_a_body_that_does_not_match_its_content_type_is_malformed(shared_client):
    fields = fields_of("type")
    target = f"{shared_client.route}?{query(fields)}"
    content_type, body = multipart(fields, bytes(CHUNK))

    def post(content_type, body):
        return shared_client.request("POST", target, body, {"Content-Type": content_type})

    expect(post("multipart/form-data", body), 500, "malformed")
    expect(post(content_type, b"no boundary in here"), 500, "malformed")
    expect(post(content_type, b""), 500, "malformed")
    expect(shared_client.send(fields, None), 500, "malformed")
    # Without the closing delimiter it is unknown whether the part was whole. The body is not multipart, or it was cut
    # short on the way. Both must leave the chunk missing.
    assert post(content_type, body[:-40]).status in (500, 503)
    expect(shared_client.test(fields), 404, "missing")


@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_a_body_with_another_length_than_the_chunk_is_never_stored(shared_client, raw):
    fields = fields_of(f"length{raw}")
    send = shared_client.send_raw if raw else shared_client.send
    # Shorter than resumableCurrentChunkSize: the connection lost bytes, so the client should send the chunk again.
    expect(send(fields, bytes(CHUNK - 1)), 503, "retry")
    expect(shared_client.test(fields), 404, "missing")
    # Longer: no connection adds bytes, so the client is wrong.
    expect(send(fields, bytes(CHUNK + 1)), 500, "malformed")
    expect(shared_client.test(fields), 404, "missing")


# --- unsupported


@pytest.mark.parametrize("method", ["DELETE", "TRACE", "PROPFIND", "LOCK", "BREW"])
def test_any_other_method_is_unsupported(shared_client, method):
    expect(shared_client.request(method, f"{shared_client.route}?{query(fields_of('m'))}"), 501, "unsupported")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/mixed; boundary=b"])
def test_any_other_content_type_is_unsupported(shared_client, kind):
    target = f"{shared_client.route}?{query(fields_of('c'))}"
    expect(shared_client.request("POST", target, bytes(CHUNK), {"Content-Type": kind}), 501, "unsupported")


def test_options_has_no_content(shared_client):
    answer = shared_client.request("OPTIONS", shared_client.route)
    assert (answer.status, answer.body) == (204, b"")


# --- answers of nginx itself


def raw_exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Sends one request that http.client refuses to send, and reads the answer until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    return int(status_line.split()[1]), dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize("expectation", [{}, {"Expect": "100-continue"}], ids=["at once", "Expect"])
def test_a_client_can_read_the_refusal_of_a_body_that_is_too_large(shared_client, expectation):
    # The client sends all of its 50 MiB before it reads. If nginx closed the connection at once, a reset would discard
    # the answer.
    headers = {"Content-Type": "application/octet-stream", **expectation}
    target = f"{shared_client.route}?{query(fields_of('large'))}"
    expect(shared_client.request("POST", target, bytes(50 * MIB), headers), 415, "refused")


def test_a_chunked_body_that_exceeds_the_limit_is_refused(shared_client):
    # Without Content-Length nginx notices the size in the middle of the body.
    pieces = (bytes(MIB) for _ in range(9))
    target = f"{shared_client.route}?{query(fields_of('large'))}"
    answer = shared_client.request("POST", target, pieces, {"Content-Type": "application/octet-stream"})
    expect(answer, 415, "refused")


@pytest.mark.parametrize(
    "request_bytes, status, outcome",
    [
        (b"\x16\x03\x01 this is not HTTP\r\n\r\n", 500, "malformed"),
        (b"POST /resumable_upload HTTP/1.1\r\n\r\n", 500, "malformed"),
        (b"POST /resumable_upload HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n", 500, "malformed"),
        (b"GET /resumable_upload?" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", 500, "malformed"),
        (b"GET /resumable_upload HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", 500, "malformed"),
        (b"GET /resumable_upload HTTP/7.0\r\nHost: h\r\n\r\n", 500, "malformed"),
        (b"POST /resumable_upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: zip\r\n\r\n", 501, "unsupported"),
        (b"TRACE /resumable_upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 501, "unsupported"),
        (b"CONNECT /resumable_upload HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 501, "unsupported"),
    ],
    ids=["no HTTP", "no Host", "no number", "long URI", "long header", "version", "encoding", "TRACE", "CONNECT"],
)
def test_the_errors_of_nginx_follow_the_status_table(shared_server, request_bytes, status, outcome):
    answer_status, headers, body = raw_exchange(shared_server.port, request_bytes)
    assert (answer_status, headers.get("X-Upload-Outcome")) == (status, outcome)
    assert headers["Content-Type"].startswith("text/plain") and b"<" not in body


def test_clients_get_retry_while_the_program_is_down(server, client):
    server.stop_program()
    answer = client.send(fields_of("down"), bytes(CHUNK))
    assert (answer.status, answer.outcome) == (502, "retry")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Content-Type"].startswith("text/plain") and b"<" not in answer.body
    server.start_program()
    expect(client.send(fields_of("down"), bytes(CHUNK)), 200, "stored")
