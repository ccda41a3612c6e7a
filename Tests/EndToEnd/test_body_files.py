"""Bodies that nginx puts into files instead of sending them (client_body_in_file_only), as `deploy/nginx-conf
--body-folder` sets it up."""

import base64
import contextlib
import hashlib
import pathlib
import re

import pytest

import disks
from client import MIB, layout, parameters, query, random_bytes
from fastcgi import Request, upload_params
from server import Server

CHUNK = MIB
LINE = "The server cannot read the chunk at the moment"


@contextlib.contextmanager
def serving(disk: pathlib.Path, *options: str):
    option = ("--body-folder", str(disk / "bodies"))
    with Server(disk / "files", options=(*option, *options), nginx_options=option) as server:
        yield server


def fields_of(data: bytes, name: str, number: int = 1, **more):
    chunk = layout(len(data), CHUNK, False)[number - 1]
    fields = parameters(chunk, identifier=name, filename=name, size=len(data), chunk_size=CHUNK, **more)
    return fields, data[chunk.start : chunk.end]


def left_over(server: Server) -> list[pathlib.Path]:
    return [path for path in (server.root.parent / "bodies").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def filing(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("filing")) as server:
        yield server


@pytest.mark.parametrize("raw", [False, True], ids=["multipart", "octet-stream"])
def test_a_file_is_stored_from_files(filing, raw):
    data, name = random_bytes(3 * CHUNK + 12_345), f"whole-{raw}"
    with filing.client() as client:
        send = client.send_raw if raw else client.send
        for number in (2, 1, 2, 3):
            answer = send(*fields_of(data, name, number))
            assert (answer.status, answer.outcome) == (200, "stored")
        assert client.test(fields_of(data, name)[0]).outcome == "held"
    assert (filing.root / name).read_bytes() == data
    assert left_over(filing) == []


def test_other_bytes_replace_what_is_held_and_a_wrong_length_changes_nothing(filing):
    data = random_bytes(2 * CHUNK)
    fields, content = fields_of(data, "replaced")
    with filing.client() as client:
        assert client.send_raw(fields, random_bytes(CHUNK, 7)).status == 200
        assert client.send_raw(fields, content).status == 200
        assert client.send_raw(fields, content[:-1]).outcome == "retry"
        assert client.send_raw(fields, content + b"x").outcome == "malformed"
        assert client.send_raw(fields, b"").outcome == "retry"
        assert client.send_raw(*fields_of(data, "replaced", 2)).status == 200
    assert (filing.root / "replaced").read_bytes() == data


def test_a_digest_is_checked(filing):
    fields, content = fields_of(random_bytes(5000), "digest")
    target = f"/resumable_upload?{query(fields)}"
    headers = {"Content-Type": "application/octet-stream"}
    with filing.client() as client:
        for data, outcome in ((content + b"x", "retry"), (content, "stored")):
            digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
            headers["Content-Digest"] = f"sha-256=:{digest}:"
            assert client.request("POST", target, content, headers).outcome == outcome
    assert (filing.root / "digest").read_bytes() == content


def test_contents_are_looked_at(tmp_path):
    with serving(tmp_path, "--allow-type", ".pdf", "--sniff") as server, server.client() as client:
        refused = client.send_raw(*fields_of(b"<!doctype html><script>", "page.pdf"))
        assert (refused.status, refused.outcome) == (415, "refused")
        paper = b"%PDF-1.7\n" + random_bytes(5000)
        assert client.send_raw(*fields_of(paper, "paper.pdf")).outcome == "stored"
        assert (server.root / "paper.pdf").read_bytes() == paper


def test_a_program_that_was_not_told_says_so_in_its_log(tmp_path):
    option = ("--body-folder", str(tmp_path / "bodies"))
    with Server(tmp_path / "files", nginx_options=option) as server, server.client() as client:
        answer = client.send_raw(*fields_of(b"content", "file"))
        assert (answer.status, answer.outcome, answer.body.decode().strip()) == (503, "retry", LINE)
        assert "--body-folder isn't given" in server.program_log()
        assert server.finished_files() == []


def test_a_client_cannot_name_a_file(filing, tmp_path):
    """Not through nginx, which passes headers on as HTTP_*; and who has the socket itself gets nothing but a body."""
    secret = tmp_path / "1"
    secret.write_bytes(b"secret")
    fields, content = fields_of(b"honest", "honest")
    with filing.client() as client:
        answer = client.request(
            "POST", f"/resumable_upload?{query(fields)}", content,
            {"Content-Type": "application/octet-stream", "Request-Body-File": str(secret), "Request_Body_File": str(secret)})
        assert answer.outcome == "stored"
    assert (filing.root / "honest").read_bytes() == b"honest"
    bodies = filing.root.parent / "bodies"
    (bodies / "1").symlink_to(secret)
    for number, path in enumerate(
        [secret, bodies / "1", f"{bodies}/../../{tmp_path.name}/1", "/etc/passwd", "/proc/self/environ", bodies, "1"]):
        fields, _ = fields_of(b"secret", f"stolen-{number}")
        params = upload_params("POST", query(fields), "application/octet-stream", 6)
        status, fields, _ = Request(filing.socket, params | {"REQUEST_BODY_FILE": str(path)}).answer()
        assert (status, fields["x-upload-outcome"]) == (503, "retry"), path
    (bodies / "1").unlink()
    assert not [path for path in filing.finished_files() if "stolen" in str(path)]


def test_btrfs_shares_the_bytes(tmp_path):
    """The program writes its journal and no byte of the file."""
    size = 32 * MIB
    data = random_bytes(size)
    with disks.image(tmp_path / "disk", "btrfs", 512 * MIB) as disk, serving(disk) as server:
        with server.client() as client:
            for number in range(1, size // CHUNK + 1):
                assert client.send_raw(*fields_of(data, "shared", number)).status == 200
        counted = pathlib.Path(f"/proc/{server.program.pid}/io").read_text()
        assert (server.root / "shared").read_bytes() == data
        assert left_over(server) == []
    assert int(re.search(r"^write_bytes: (\d+)$", counted, re.M)[1]) < size // 8
