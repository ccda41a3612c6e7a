"""Removal of uploads, and the metadata that a client sends with its file: through nginx, with the shipped settings."""

import json
import subprocess

import pytest

from support.client import layout, parameters, query, random_bytes
from support.server import PROGRAM, Server, run_program

TOKEN = "kept-in-a-file-of-mode-0600"
CHUNK = 10_000
DATA = random_bytes(3 * CHUNK, seed=8)
CHUNKS = layout(len(DATA), CHUNK, False)


def fields_of(number: int, **more):
    return parameters(CHUNKS[number - 1], identifier="id", filename="film", size=len(DATA), chunk_size=CHUNK, **more)


def send(client, number: int, **more) -> None:
    chunk = CHUNKS[number - 1]
    assert client.send(fields_of(number, **more), DATA[chunk.start : chunk.end]).status == 200


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    return path


def test_a_client_with_the_token_removes_an_upload(tmp_path, token_file):
    with Server(tmp_path / "root", options=("--delete-token", str(token_file))) as server, server.client() as client:
        for number in (1, 2):
            send(client, number)
        target = f"{client.route}?{query(fields_of(1))}"
        for headers in ({}, {"Authorization": "Bearer something-else-altogether"}):
            answer = client.request("DELETE", target, headers=headers)
            assert (answer.status, answer.outcome) == (415, "refused")
        assert client.test(fields_of(1)).status == 200
        # The original client sends it in its `query`; a header works, too.
        answer = client.request("DELETE", f"{target}&upload_token={TOKEN}")
        assert (answer.status, answer.outcome) == (200, "removed")
        assert list((server.root / ".resumabled").iterdir()) == []
        assert client.test(fields_of(1)).status == 404
        assert client.request("DELETE", target, headers={"Authorization": f"Bearer {TOKEN}"}).status == 200
        for number in (1, 2, 3):
            send(client, number)
        assert (server.root / "film").read_bytes() == DATA
        answer = client.request("DELETE", f"{target}&upload_token={TOKEN}")
        assert (answer.status, answer.outcome) == (415, "refused")
        assert (server.root / "film").read_bytes() == DATA
        # Neither log contains the token.
        assert TOKEN not in server.program_log() + "\n".join(server.access_log())


@pytest.mark.parametrize("content", [None, "", "short\n", "with a space in it, but long enough\n"])
def test_a_token_file_without_a_usable_token_is_an_error_at_startup(tmp_path, content):
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    result = subprocess.run(
        [PROGRAM, "serve", "--root", tmp_path / "root", "--socket", tmp_path / "s", "--delete-token", path],
        capture_output=True, text=True, timeout=10,
    )
    assert result.returncode != 0
    assert str(path) in result.stderr


def test_the_last_metadata_that_a_client_sends_for_its_file_is_kept(server, client):
    def kept() -> tuple[bool, dict]:
        (upload,) = json.loads(run_program("status", "--root", server.root, "--json").stdout)
        return upload["complete"], upload["metadata"]

    send(client, 1, title="A day", upload_token="not for keeping")
    kind = {"resumableType": "application/octet-stream"}
    assert kept() == (False, kind | {"title": "A day"})
    send(client, 2, title="Ein Tag am Meer 海边", description='"quoted"\n\x1b[31m')
    details = kind | {"title": "Ein Tag am Meer 海边", "description": '"quoted"\n\x1b[31m'}
    assert kept() == (False, details)
    send(client, 3, **{name: value for name, value in details.items() if name != "resumableType"})
    assert kept() == (True, details)
