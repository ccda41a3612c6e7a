"""Files arrive whole: any size and layout, any name, any order, any number of times."""

import concurrent.futures
import hashlib
import random
import threading

import pytest

from support.client import MIB, Chunk, layout, parameters, query, random_bytes

CHUNK = 10_000
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 10 * CHUNK + 1]


@pytest.mark.parametrize("force", [False, True], ids=["default", "forceChunkSize"])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_arrives_in_both_layouts(shared_server, shared_client, size, force):
    data = random_bytes(size, seed=size)
    name = f"{size}-{force}.bin"
    answers = shared_client.upload(data, filename=name, identifier=name, chunk_size=CHUNK, force=force)
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"OK")] * len(layout(size, CHUNK, force))
    assert {answer.outcome for answer in answers} == {"stored"}
    assert (shared_server.root / name).read_bytes() == data


@pytest.mark.parametrize(
    "name",
    [
        "中文文件名.txt",
        "with  two spaces and one at the end ",
        "quotes \" and ' and `.txt",
        "back\\slash.txt",
        "emoji 🧑‍🚀🎉.png",
        "x" * 255,
        "五" * 85,
        "100%25 %2e%2e%2f percent.txt",
        "semi;colon=equals&ampersand+plus.txt",
        "-rf",
        ".hidden",
        "...",
        "~",
    ],
)
def test_any_name_of_one_component_is_kept(shared_server, shared_client, name):
    data = random_bytes(2 * CHUNK + 5, seed=len(name))
    answers = shared_client.upload(data, filename=name, identifier=f"id of {name}", chunk_size=CHUNK)
    assert [answer.status for answer in answers] == [200, 200]
    assert (shared_server.root / name).read_bytes() == data


def test_the_second_route_is_the_same_handler(shared_server):
    data = random_bytes(CHUNK)
    with shared_server.client(route="/api/photo/redeem-upload-token") as client:
        client.upload(data, filename="photo.jpg", identifier="photo", chunk_size=CHUNK)
    assert (shared_server.root / "photo.jpg").read_bytes() == data


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_each_upload_method_works_with_each_content_type(shared_server, shared_client, method, raw):
    data = random_bytes(CHUNK, seed=7)
    name = f"{method}-{raw}"
    for chunk in layout(len(data), CHUNK, False):
        fields = parameters(chunk, identifier=name, filename=name, size=len(data), chunk_size=CHUNK)
        send = shared_client.send_raw if raw else shared_client.send
        assert send(fields, data[chunk.start : chunk.end], method=method).status == 200
    assert (shared_server.root / name).read_bytes() == data


def test_the_file_part_may_precede_the_fields(shared_server, shared_client):
    data = random_bytes(3 * CHUNK, seed=3)
    for chunk in layout(len(data), CHUNK, False):
        fields = parameters(chunk, identifier="first", filename="first", size=len(data), chunk_size=CHUNK)
        assert shared_client.send(fields, data[chunk.start : chunk.end], file_first=True).status == 200
    assert (shared_server.root / "first").read_bytes() == data


def test_parameters_may_be_in_query_and_fields_and_the_fields_win(shared_server, shared_client):
    data = random_bytes(CHUNK, seed=4)
    (chunk,) = layout(len(data), CHUNK, False)
    fields = parameters(chunk, identifier="both", filename="from-field", size=len(data), chunk_size=CHUNK)
    target = f"{shared_client.route}?{query({**fields, 'resumableFilename': 'from-query'})}"
    assert shared_client.send(fields, data, target=target).status == 200
    assert (shared_server.root / "from-field").read_bytes() == data
    assert not (shared_server.root / "from-query").exists()


def test_a_client_of_the_flask_backend_needs_four_parameters_only(shared_server, shared_client):
    # The Flask backend reads identifier, filename, chunk number and number of chunks, but no size.
    data = random_bytes(777, seed=5)
    fields = {
        "resumableIdentifier": "flask",
        "resumableFilename": "flask.bin",
        "resumableChunkNumber": "1",
        "resumableTotalChunks": "1",
    }
    assert shared_client.send(fields, data).status == 200
    assert (shared_server.root / "flask.bin").read_bytes() == data


def test_a_body_without_a_length_arrives(shared_server, shared_client):
    # Transfer-Encoding: chunked, as curl sends a body from a pipe. nginx counts the bytes for the program.
    data = random_bytes(CHUNK, seed=6)
    (chunk,) = layout(len(data), CHUNK, False)
    fields = parameters(chunk, identifier="unknown", filename="unknown", size=len(data), chunk_size=CHUNK)
    target = f"{shared_client.route}?{query(fields)}"
    pieces = (data[at : at + 999] for at in range(0, len(data), 999))
    answer = shared_client.request("POST", target, pieces, {"Content-Type": "application/octet-stream"})
    assert answer.status == 200
    assert (shared_server.root / "unknown").read_bytes() == data


def test_a_body_full_of_almost_boundaries_arrives(shared_server, shared_client):
    data = (b"\r\n------ReferenceClientBoundary7MA4YWxkTrZu0g" * 400)[:CHUNK]
    (chunk,) = layout(len(data), CHUNK, False)
    fields = parameters(chunk, identifier="almost", filename="almost", size=len(data), chunk_size=CHUNK)
    assert shared_client.send(fields, data).status == 200
    assert (shared_server.root / "almost").read_bytes() == data


def test_a_finished_file_is_not_changed_by_late_chunks(server, client):
    data = random_bytes(2 * CHUNK)
    client.upload(data, filename="done", identifier="done", chunk_size=CHUNK)
    chunk = layout(len(data), CHUNK, False)[0]
    fields = parameters(chunk, identifier="done", filename="done", size=len(data), chunk_size=CHUNK)
    # The same chunk again gets 200. Other bytes must never reach the file (PROTOCOL.md, Promises).
    assert client.send(fields, data[:CHUNK]).status == 200
    client.send(fields, bytes(CHUNK))
    assert (server.root / "done").read_bytes() == data


def test_an_upload_continues_with_another_chunk_size(server, client):
    data = random_bytes(6 * CHUNK, seed=8)
    first = layout(len(data), CHUNK, False)[0]
    fields = parameters(first, identifier="other", filename="other", size=len(data), chunk_size=CHUNK)
    assert client.send(fields, data[:CHUNK]).status == 200
    client.upload(data, filename="other", identifier="other", chunk_size=2 * CHUNK)
    assert (server.root / "other").read_bytes() == data


def test_no_chunk_of_the_default_size_needs_a_temporary_file_of_nginx(server, client):
    data = random_bytes(3 * MIB - 1)
    folder = server.state / "nginx-body"
    before = folder.stat().st_mtime_ns
    assert [answer.status for answer in client.upload(data, filename="big", identifier="big")] == [200, 200]
    assert folder.stat().st_mtime_ns == before


def test_a_gibibyte_shuffled_eight_at_a_time_every_chunk_twice(server):
    size = 1024 * MIB
    block = random_bytes(MIB, seed=20)
    chunks = layout(size, MIB, False)

    def content(chunk: Chunk) -> bytes:
        # No two chunks are alike, and no chunk is equal to itself at another offset.
        turn = chunk.number * 997
        return block[turn:] + block[:turn]

    expected = hashlib.sha256()
    for chunk in chunks:
        expected.update(content(chunk))

    order = chunks * 2
    random.Random(21).shuffle(order)
    own = threading.local()
    clients = []

    def send(chunk: Chunk) -> int:
        if not hasattr(own, "client"):
            own.client = server.client(timeout=60)
            clients.append(own.client)
        fields = parameters(chunk, identifier="gibibyte", filename="gibibyte", size=size, chunk_size=MIB)
        return own.client.send(fields, content(chunk)).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, order))
    for client in clients:
        client.connection.close()
    memory = server.peak_memory()
    print(f"peak memory of the program: {memory / MIB:.1f} MiB")  # pytest -s shows it

    assert set(statuses) == {200}
    with open(server.root / "gibibyte", "rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == expected.hexdigest()
    assert server.finished_files() == ["gibibyte"]
    # Only the marker for late duplicates is left, which is small for a file of any size.
    assert server.private_bytes() < 64 * 1024
    assert memory < 32 * MIB, f"{memory / MIB:.1f} MiB"
