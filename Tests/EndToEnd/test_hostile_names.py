"""No name leaves the root (promise 5), whichever parameter carries it."""

import os

import pytest

from client import Chunk, parameters

SIZE = 100
ONLY = Chunk(1, 0, SIZE, 1)
NAMES = [
    "../x", "../../x", "/etc/x", "a/b", "/", "//", ".", "..", "x/", "./x", "x/..", "\0", "x\0.txt", "x\n", "\r\nx",
    "x\x1b[31m", "\x7f", "../" * 80 + "tmp/x", ".resumabled/x",
]  # fmt: skip


def tree(path) -> set[str]:
    """Every file and folder under a path, but the inside of the program's own folder."""
    return {
        os.path.join(folder, name)
        for folder, folders, files in os.walk(path)
        for name in folders + files
        if ".resumabled" not in folder
    }


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_name_that_is_no_single_component_is_an_error(shared_server, shared_client, name):
    before = tree(shared_server.root.parent)
    fields = parameters(ONLY, identifier="name", filename=name, size=SIZE, chunk_size=SIZE, resumableRelativePath="x")
    for send in (shared_client.send, shared_client.send_raw):
        assert send(fields, bytes(SIZE)).status in (415, 500)
    assert shared_client.test(fields).status in (415, 500)
    assert tree(shared_server.root.parent) == before


@pytest.mark.parametrize("name", [name for name in NAMES if "\0" not in name], ids=ascii)
def test_an_identifier_can_be_anything_and_is_never_a_path(shared_server, shared_client, name):
    file = f"file{NAMES.index(name)}"
    before = tree(shared_server.root.parent)
    fields = parameters(ONLY, identifier=name, filename=file, size=SIZE, chunk_size=SIZE)
    assert shared_client.send(fields, bytes(SIZE)).status == 200
    assert tree(shared_server.root.parent) - before == {str(shared_server.root / file)}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_relative_path_leads_nowhere_outside(shared_server, shared_client, name):
    file = f"relative{NAMES.index(name)}"
    before = tree(shared_server.root.parent)
    fields = parameters(ONLY, identifier=file, filename=file, size=SIZE, chunk_size=SIZE, resumableRelativePath=name)
    # Out of use in the flat layout, yet the contract gives its components the file name's rules. Whether the answer is
    # yes or no, the only thing that may appear is the file under its own name.
    assert shared_client.send(fields, bytes(SIZE)).status in (200, 415, 500)
    assert tree(shared_server.root.parent) - before <= {str(shared_server.root / file)}


def test_the_programs_own_folder_is_no_file_name(shared_server, shared_client):
    fields = parameters(ONLY, identifier="own", filename=".resumabled", size=SIZE, chunk_size=SIZE)
    # A legal component, but taken: like any name that is taken it gets a number, and the folder stays what it is.
    assert shared_client.send(fields, bytes(SIZE)).status == 200
    assert (shared_server.root / ".resumabled").is_dir()
    assert (shared_server.root / ".resumabled (1)").read_bytes() == bytes(SIZE)


def test_a_symbolic_link_in_the_root_is_not_followed(shared_server, shared_client, tmp_path):
    (shared_server.root / "link").symlink_to(tmp_path / "outside")
    fields = parameters(ONLY, identifier="link", filename="link", size=SIZE, chunk_size=SIZE)
    shared_client.send(fields, bytes(SIZE))
    assert not (tmp_path / "outside").exists()
