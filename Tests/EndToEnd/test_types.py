"""The accepted types of files, with the real database of libmagic."""

import pathlib
import zlib

import pytest

from support.client import layout, parameters, random_bytes
from support.server import Server


def png() -> bytes:
    """A picture of one black dot (PNG specification, chapter 5)."""

    def block(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = block(b"IHDR", bytes([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]))
    return b"\x89PNG\r\n\x1a\n" + header + block(b"IDAT", zlib.compress(b"\0\0")) + block(b"IEND", b"")


@pytest.fixture(scope="module")
def picky_server(tmp_path_factory):
    options = ("--allow-type", ".pdf,image/*", "--sniff")
    with Server(tmp_path_factory.mktemp("picky") / "root", options=options) as server:
        yield server


def send(server, name: str, data: bytes, media: str):
    with server.client() as client:
        (chunk,) = layout(len(data), 1 << 20, False)
        fields = parameters(
            chunk, identifier=name, filename=name, size=len(data), chunk_size=1 << 20, resumableType=media)
        return client.send(fields, data)


@pytest.mark.parametrize(
    "name, data, media",
    [
        ("dot.png", png(), "image/png"),
        ("dot", png(), ""),
        ("paper.pdf", b"%PDF-1.7\n" + random_bytes(5000), "application/pdf"),
    ],
    ids=["a picture", "a picture without name or type", "a paper"],
)
def test_a_file_of_an_accepted_type_is_stored(picky_server, name, data, media):
    assert send(picky_server, name, data, media).outcome == "stored"
    assert (picky_server.root / name).read_bytes() == data


@pytest.mark.parametrize(
    "name, data, media",
    [
        ("page.html", b"<!doctype html><script>", "text/html"),
        ("page.png", b"<!doctype html><script>", "image/png"),
        ("program.pdf", pathlib.Path("/bin/true").read_bytes(), "application/pdf"),
        ("noise", random_bytes(5000), "image/png"),
    ],
    ids=["by its name", "a page as a picture", "a program as a paper", "noise as a picture"],
)
def test_a_file_of_another_or_a_false_type_is_refused_and_leaves_nothing(picky_server, name, data, media):
    answer = send(picky_server, name, data, media)
    assert (answer.status, answer.outcome) == (415, "refused")
    assert b".pdf,image/*" in answer.body
    assert name not in picky_server.finished_files()
    assert not any(name in line for line in map(str, (picky_server.root / ".resumabled").iterdir()))
