"""Two servers behind nginx that share a bucket: uploads by both in turns, deaths, and options that a bucket refuses."""

import concurrent.futures
import hashlib
import os
import random
import subprocess
import threading
import time

import pytest

from support.client import MIB, layout, parameters, random_bytes
from support.hosts import BucketServer
from support.object_store import BUCKET, SECRET_KEY, ObjectStore, credentials
from support.server import PROGRAM, wait_until

pytestmark = pytest.mark.objects


@pytest.fixture(scope="module")
def objects():
    with ObjectStore(gateways=2) as objects:
        yield objects


@pytest.fixture(scope="module")
def servers(objects, tmp_path_factory):
    spool = tmp_path_factory.mktemp("spool")
    with BucketServer(objects, 0, "two", spool) as one, BucketServer(objects, 1, "two", spool) as other:
        yield [one, other]


def stored(server: BucketServer, name: str) -> bytes:
    return subprocess.run(
        ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"AKIDTESTS:{SECRET_KEY}",
         f"{server.objects.endpoint}/{BUCKET}/{server.prefix}{name}"], check=True, capture_output=True).stdout


def left(server: BucketServer) -> list[str]:
    """The keys of the store's own objects that a finished upload does not need."""
    return [key for key in server.objects.keys() if key.startswith(f"{server.prefix}.resumabled/")
            and any(f"/{folder}/" in key for folder in ("c", "name", "probe", "trial"))]


def send(server: BucketServer, chunk, content: bytes, **facts):
    """Sends a chunk until it is stored. Any other answer than "try again" fails the test."""
    deadline = time.monotonic() + 60
    fields = parameters(chunk, size=len(content), **facts)
    while True:
        try:
            answer = server.client().send(fields, content[chunk.start:chunk.end])
            if answer.status == 200:
                return answer
            assert answer.status in (502, 503, 504), (answer.status, answer.body)
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("chunk_size, size", [(5 * MIB, 23 * MIB + 17), (MIB, 19 * MIB + 3), (MIB, 40_000), (MIB, 0)])
def test_two_servers_take_the_chunks_of_a_file_in_turns(servers, chunk_size, size):
    content, name = random_bytes(size), f"turns-{size}.bin"
    facts = dict(identifier=name, filename=name, chunk_size=chunk_size)
    before = left(servers[0])
    chunks = layout(size, chunk_size, force=False)
    answers = [send(servers[chunk.number % 2], chunk, content, **facts) for chunk in chunks]
    assert answers[-1].headers["X-Upload-Path"] == name
    assert hashlib.sha256(stored(servers[0], name)).digest() == hashlib.sha256(content).digest()
    assert left(servers[0]) == before


def test_files_are_whole_although_a_server_is_killed_again_and_again(servers):
    chunk_size = 2 * MIB
    contents = {f"file {number}.bin": random_bytes(15 * MIB + number, seed=number) for number in range(8)}
    stop = threading.Event()
    kills = 0

    def kill() -> None:
        nonlocal kills
        while not stop.wait(random.uniform(0.2, 1)):
            servers[1].kill_program()
            kills += 1
            servers[1].start_program()

    def upload(name: str) -> list[str]:
        content = contents[name]
        chunks = layout(len(content), chunk_size, force=True)
        random.Random(name).shuffle(chunks)
        paths = []
        for chunk in chunks:
            answer = send(
                servers[random.randrange(2)], chunk, content, identifier=name, filename=name, chunk_size=chunk_size)
            paths += [answer.headers["X-Upload-Path"]] if "X-Upload-Path" in answer.headers else []
        return paths

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            paths = list(pool.map(upload, contents))
    finally:
        stop.set()
        killer.join()
    assert kills >= 2
    # The answer that has the path may have been lost with its server.
    assert all(len(path) <= 1 for path in paths)
    for name, content in contents.items():
        path = name.replace(" ", "%20")
        wait_until(lambda: f"{servers[0].prefix}{name}" in servers[0].objects.keys(), 10, name)
        assert hashlib.sha256(stored(servers[0], path)).digest() == hashlib.sha256(content).digest(), name
    files = [key for key in servers[0].objects.keys() if key.startswith(f"{servers[0].prefix}file ")]
    assert sorted(files) == sorted(servers[0].prefix + name for name in contents)


def test_a_client_resumes_at_the_other_server(servers):
    content = random_bytes(12 * MIB)
    facts = dict(identifier="resumed", filename="resumed.bin", chunk_size=5 * MIB)
    chunks = layout(len(content), 5 * MIB, force=True)
    send(servers[0], chunks[1], content, **facts)
    tests = [servers[1].client().test(parameters(chunk, size=len(content), **facts)) for chunk in chunks]
    assert [answer.status for answer in tests] == [404, 200, 404]
    for chunk in (chunks[0], chunks[2]):
        send(servers[1], chunk, content, **facts)
    assert stored(servers[0], "resumed.bin") == content


def refusal(*options: str) -> str:
    process = subprocess.run(
        [PROGRAM, "serve", "--listen", "127.0.0.1:1", "--bucket", BUCKET, *options], capture_output=True, text=True,
        timeout=60, env=os.environ | {"HOME": "/nonexistent"} | credentials())
    assert process.returncode != 0 and SECRET_KEY not in process.stderr
    return process.stderr


def test_options_that_a_bucket_cannot_keep_are_refused(objects, tmp_path):
    assert "--root or --bucket, not both" in refusal("--root", str(tmp_path))
    assert "as durable as the engine makes it" in refusal("--durability", "chunk")
    missing = str(tmp_path / "missing")
    assert "The folder of --spool cannot be used" in refusal("--endpoint", objects.endpoint, "--spool", missing)


def test_a_server_does_not_start_without_its_engine():
    assert "The bucket uploads cannot be used" in refusal("--endpoint", "http://127.0.0.1:9")


def test_a_client_without_sizes_is_told_what_is_missing(servers):
    answer = servers[0].client().send(
        {"resumableIdentifier": "old", "resumableFilename": "old.bin", "resumableChunkNumber": "1",
         "resumableTotalChunks": "2"}, b"bytes")
    assert answer.outcome == "malformed" and b"needs the size" in answer.body


def test_metrics_readiness_and_status_work_for_a_bucket(servers):
    content = random_bytes(12 * MIB)
    facts = dict(identifier="seen", filename="seen.bin", chunk_size=5 * MIB)
    send(servers[0], layout(len(content), 5 * MIB, force=True)[0], content, **facts)
    assert servers[1].client().request("GET", "/readyz").status == 200
    assert b'"seen"' in servers[1].client().request("GET", "/resumable/status.json").body
    metrics = servers[1].client().request("GET", "/metrics").body.decode()
    assert "resumabled_uploads" in metrics
