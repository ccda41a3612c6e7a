"""Commands for operators with a store in a bucket."""

import json
import os
import subprocess

import pytest

from support.client import MIB, layout, parameters, random_bytes
from support.object_store import BUCKET, ObjectStore, credentials
from support.server import PROGRAM, Server

pytestmark = pytest.mark.objects


class BucketServer(Server):
    """A server whose store is in a bucket. It tests the engine before it listens."""

    patience = 60

    def __init__(self, place: list[str], spool):
        super().__init__(spool, environment=credentials())
        self.bucket = place

    def place(self) -> list[str]:
        return self.bucket


@pytest.fixture(scope="module")
def objects():
    with ObjectStore() as objects:
        yield objects


@pytest.fixture
def place(objects, request, tmp_path) -> list[str]:
    """The options of a bucket's folder that no other test has."""
    return ["--bucket", BUCKET, "--endpoint", objects.endpoint, "--prefix", request.node.name.replace("_", "-"),
            "--spool", str(tmp_path)]


def run(*arguments) -> subprocess.CompletedProcess:
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=120,
                          env={**os.environ, **credentials()})


def send(server: Server, name: str, content: bytes, chunks: int, chunk_size: int = MIB):
    for chunk in layout(len(content), chunk_size, force=True)[:chunks]:
        fields = parameters(chunk, size=len(content), identifier=name, filename=name, chunk_size=chunk_size)
        assert server.client().send(fields, content[chunk.start:chunk.end]).status == 200


def test_status_lists_the_uploads_of_a_bucket_and_sweep_removes_them(place, tmp_path):
    content = random_bytes(3 * MIB)
    with BucketServer(place, tmp_path) as server:
        send(server, "half.bin", content, 2)
        send(server, "whole.bin", content, 3)
    status = run("status", *place)
    assert status.returncode == 0 and "half.bin" in status.stdout and "whole.bin" not in status.stdout
    listed = {each["filename"]: each for each in json.loads(run("status", *place, "--json").stdout)}
    assert (listed["half.bin"]["held"], listed["half.bin"]["complete"]) == (2 * MIB, False)
    assert (listed["whole.bin"]["held"], listed["whole.bin"]["path"]) == (3 * MIB, "whole.bin")

    kept = run("sweep", *place)
    assert (kept.returncode, kept.stdout) == (0, "")
    swept = run("sweep", *place, "--expire", "1s")
    assert swept.returncode == 0
    assert sorted(swept.stdout.splitlines()) == [
        "removed record of whole.bin, whole.bin", "removed upload half.bin, half.bin"]
    assert json.loads(run("status", *place, "--json").stdout) == []


def test_a_bucket_cannot_be_verified(place):
    result = run("verify", *place)
    assert result.returncode == 64 and "bucket" in result.stderr


def test_a_bucket_that_cannot_be_reached_is_a_line_and_status_1(place, tmp_path):
    away = ["http://127.0.0.1:9" if option.startswith("http:") else option for option in place]
    for command in ["status", "sweep"]:
        result = run(command, *away)
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
        assert result.stdout == ""


@pytest.mark.parametrize("command", ["status", "sweep", "verify"])
def test_a_command_needs_a_root_or_a_bucket_and_not_both(place, command, tmp_path):
    for options in [[], [*place, "--root", str(tmp_path)]]:
        result = run(command, *options)
        assert result.returncode == 64 and "--root" in result.stderr and "--bucket" in result.stderr


def test_readiness_says_what_is_wrong_with_the_object_store(tmp_path):
    with ObjectStore() as objects:
        place = ["--bucket", BUCKET, "--endpoint", objects.endpoint, "--spool", str(tmp_path)]
        with BucketServer(place, tmp_path) as server:
            assert server.client().request("GET", "/readyz").status == 200
            objects.close()
            answer = server.client().request("GET", "/readyz")
            assert (answer.status, answer.body) == (503, b"not ready: the object store does not answer\n")
