"""No name leaves the root (PROTOCOL.md, Promises), whichever parameter carries it and however it is encoded.

Each name of `hostile_names` is sent as identifier, file name and relative path in every layout, and as type, token,
metadata and name of metadata, alternately in the query and in fields. The root has links that lead outside. Everything
outside is compared before and after: content, names, kinds, sizes and times.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re

import pytest

from support.client import Chunk, parameters
from support.hostile_names import hostile_names
from support.server import Server

# In parallel: the test mostly waits for the disk, because each file is synced.
SENDERS = 16
CONTENT = b"0123456789"
ONLY = Chunk(1, 0, len(CONTENT), 1)
ROLES = [
    "resumableIdentifier", "resumableFilename", "resumableRelativePath", "resumableType", "upload_token", "title", None,
]  # fmt: skip
# Links in the root, and their targets.
LINKS = {
    "file-link": "../outside/secret",
    "folder-link": "../outside/folder",
    "parent-link": "..",
    "root-link": "/",
    "dangling-link": "../outside/planted",
    "loop-link": "loop-link",
}
STATE = ".resumabled"


def plant(folder: pathlib.Path) -> pathlib.Path:
    """Makes a root with links that lead outside, and the targets beside it. Returns the root."""
    (folder / "outside/folder/deep").mkdir(parents=True)
    (folder / "outside/secret").write_bytes(b"secret")
    (folder / "outside/folder/inner").write_bytes(b"inner")
    root = folder / "root"
    root.mkdir()
    for name, target in LINKS.items():
        (root / name).symlink_to(target)
    return root


def picture(folder: pathlib.Path, *, but: pathlib.Path) -> dict[str, tuple]:
    """All that can be seen of the files in a folder, except in one folder in it. Links are not followed."""
    seen = {}
    for path, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if pathlib.Path(path, name) != but]
        for name in [*folders, *files]:
            place = os.path.join(path, name)
            status = os.lstat(place)
            content = None
            if os.path.islink(place):
                content = os.readlink(place)
            elif os.path.isfile(place):
                content = hashlib.sha256(pathlib.Path(place).read_bytes()).hexdigest()
            seen[place] = (status.st_ino, status.st_mode, status.st_nlink, status.st_size, status.st_mtime_ns, content)
    return seen


def files_of(root: pathlib.Path) -> list[bytes]:
    """The paths of all finished files below the root. Links are not followed."""
    top = os.fsencode(root)
    found = []
    for path, folders, files in os.walk(top):
        if path == top:
            folders.remove(STATE.encode())
        found += [os.path.join(path, name) for name in files if not os.path.islink(os.path.join(path, name))]
    return found


def request(number: int, name: str | bytes, role: str | None) -> dict:
    """An upload with plain names of its own, except in that role. No role: the name of a parameter."""
    fields = parameters(
        ONLY, identifier=f"id {number}", filename=f"file {number}", size=len(CONTENT), chunk_size=len(CONTENT),
        resumableRelativePath=f"folder {number}/file {number}")  # fmt: skip
    return fields | ({name: "metadata"} if role is None else {role: name})


def send_all(server: Server, names: list[str | bytes], roles: list[str | None]) -> int:
    """Sends every name in every role, alternately in the query and in fields. Returns how many files were accepted."""
    cases = list(enumerate((name, role) for role in roles for name in names))
    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(lambda start: send_some(server, cases[start::SENDERS]), range(SENDERS)))


def send_some(server: Server, cases: list[tuple[int, tuple]]) -> int:
    accepted = 0
    with server.client() as client:
        for number, (name, role) in cases:
            fields = request(number, name, role)
            # The name of a field is in a header, which this client writes as text.
            raw = number // SENDERS % 2 == 0 or (role is None and isinstance(name, bytes))
            answer = (client.send_raw if raw else client.send)(fields, CONTENT)
            # No other status: none of these names may look like a temporary fault.
            assert answer.status in (200, 415, 500), (role, name, answer.status, answer.body)
            assert answer.headers["X-Injected"] is None, (role, name)
            accepted += answer.status == 200
            if number % 7 == 0:
                # A test writes nothing, and reads nothing outside either.
                assert client.test(fields).status in (200, 404, 415, 500), (role, name)
    return accepted


@pytest.mark.parametrize("layout", ["flat", "tree", "identifier"])
def test_no_name_reads_or_changes_anything_outside_of_the_root(tmp_path, layout):
    root = plant(tmp_path)
    names = hostile_names(tmp_path / "outside")
    # Roles that are not part of a path are the same in every layout.
    roles = ROLES if layout == "flat" else ROLES[:3]
    before = picture(tmp_path, but=root)
    with Server(root, options=("--layout", layout)) as server:
        accepted = send_all(server, names, roles)
        # Every accepted file is there, once, whole and with a plain name. There are no others.
        files = files_of(root)
        assert len(files) == accepted
        assert {pathlib.Path(os.fsdecode(path)).read_bytes() for path in files} == {CONTENT}
        for path in files:
            for component in os.path.relpath(path, os.fsencode(root)).split(b"/"):
                assert not re.search(r"[\0-\x1f\x7f-\x9f]", component.decode()) and len(component) <= 255, component
        # The links are unchanged.
        assert {name: os.readlink(root / name) for name in LINKS} == LINKS
        assert picture(tmp_path, but=root) == before
        # Most of the list are not valid file names, and nearly any text is a valid identifier.
        assert len(names) < accepted < len(names) * len(roles)
        # No name forges a line of a log or sends a control sequence to a terminal.
        for log in (server.program_log(), server.nginx_log(), "\n".join(server.access_log())):
            assert not re.search(r"^(forged|touch|X-Injected)", log, re.M)
            assert not re.search(r"[\0-\x08\x0b-\x1f\x7f]", log)


# Invalid names (PROTOCOL.md, Parameters). The list above only shows that no name does harm.
NO_NAMES = [
    "", "../x", "../../x", "/etc/x", "a/b", "/", "//", ".", "..", "x/", "./x", "x/..", "../" * 80 + "tmp/x", ".resumabled/x",
    "n" * 4097, b"\xff", b"\xc0\xae\xc0\xae",
]  # fmt: skip

# Legal at some client, and the name that the file gets.
LEGAL_NAMES = {
    "Icon\r": "Icon_", "a\tb": "a_b", "x\n.txt": "x_.txt", "x\x1b[31m": "x_[31m", "\x7f": "_", "x\0.txt": "x_.txt", "n" * 256: "n" * 255,
    "视" * 93 + ".mp4": "视" * 83 + ".mp4", "x. ": "x. ", "....": "....", "b\\c": "b\\c",
}  # fmt: skip


@pytest.mark.parametrize("name", LEGAL_NAMES, ids=ascii)
def test_a_name_that_is_legal_at_the_client_becomes_a_name_on_disk(shared_server, shared_client, name):
    for role, send in (("query", shared_client.send_raw), ("fields", shared_client.send)):
        fields = request(0, name, "resumableFilename") | {"resumableIdentifier": role}
        assert shared_client.test(fields).status == 404
        assert send(fields, CONTENT).status == 200
    assert (shared_server.root / LEGAL_NAMES[name]).read_bytes() == CONTENT


PATHS = {"./x": "x", "a//b": "a/b", "/c/./d/": "c/d", "d/" * 70 + "e": "d/" * 70 + "e", "e\tf/Icon\r": "e_f/Icon_"}


@pytest.mark.parametrize("layout", ["flat", "tree"])
def test_a_path_that_is_legal_at_the_client_never_fails_the_file(tmp_path, layout):
    with Server(tmp_path / "root", options=("--layout", layout)) as server, server.client() as client:
        for number, (path, on_disk) in enumerate(PATHS.items()):
            assert client.send(request(number, path, "resumableRelativePath"), CONTENT).status == 200, path
            assert (server.root / (on_disk if layout == "tree" else f"file {number}")).read_bytes() == CONTENT
        climbing = client.send(request(100, "a/../../x", "resumableRelativePath"), CONTENT)
        assert climbing.status == (500 if layout == "tree" else 200)


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
def test_a_file_name_that_is_not_a_single_component_is_an_error(shared_client, name):
    fields = request(0, name, "resumableFilename")
    for send in (shared_client.send, shared_client.send_raw):
        assert send(fields, CONTENT).status == 500
    assert shared_client.test(fields).status == 500


@pytest.mark.parametrize("name", [each for each in NO_NAMES if isinstance(each, str) and 0 < len(each) <= 1024], ids=ascii)
def test_an_identifier_can_be_any_text_and_is_never_a_path(shared_server, shared_client, name):
    file = f"file of identifier {NO_NAMES.index(name)}"
    fields = request(0, name, "resumableIdentifier") | {"resumableFilename": file}
    assert shared_client.send(fields, CONTENT).status == 200
    assert (shared_server.root / file).read_bytes() == CONTENT


def test_the_programs_own_folder_is_not_available_as_a_file_name(shared_server, shared_client):
    fields = request(0, STATE, "resumableFilename")
    # A legal component, but taken: like any taken name it gets a number, and the folder is unchanged.
    assert shared_client.send(fields, CONTENT).status == 200
    assert (shared_server.root / STATE).is_dir()
    assert (shared_server.root / f"{STATE} (1)").read_bytes() == CONTENT


def test_a_file_named_like_an_existing_link_gets_a_number(tmp_path):
    root = plant(tmp_path)
    with Server(root) as server, server.client() as client:
        for name in LINKS:
            assert client.send(request(0, name, "resumableFilename"), CONTENT).status == 200
            assert (root / f"{name} (1)").read_bytes() == CONTENT
    assert (tmp_path / "outside/secret").read_bytes() == b"secret"
    assert not (tmp_path / "outside/planted").exists()


@pytest.mark.parametrize("path", ["folder-link/x", "parent-link/x", "root-link/tmp/x", "dangling-link/x", "file-link/x"])
def test_a_file_whose_folder_is_a_link_is_refused(tmp_path, path):
    root = plant(tmp_path)
    before = picture(tmp_path, but=root)
    with Server(root, options=("--layout", "tree")) as server, server.client() as client:
        assert client.send(request(0, path, "resumableRelativePath"), CONTENT).status == 415
    assert picture(tmp_path, but=root) == before
