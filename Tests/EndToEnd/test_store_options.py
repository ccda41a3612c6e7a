"""The options of `serve` for the places of files, and for names and sizes that conflict."""

import os
import pathlib
import threading
import time

import pytest

from support import disks
from support.client import MIB, layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.journal import key
from support.server import Server, run_program

CHUNK = 10_000
DATA = random_bytes(3 * CHUNK, seed=6)
OTHER = random_bytes(3 * CHUNK, seed=7)


def fields_of(name: str, number: int = 1, data: bytes = DATA, identifier: str | None = None, **more):
    chunk = layout(len(data), CHUNK, False)[number - 1]
    return parameters(
        chunk, identifier=identifier or name, filename=name, size=len(data), chunk_size=CHUNK, **more)


def send(client, name: str, number: int = 1, data: bytes = DATA, **more):
    content = data[(number - 1) * CHUNK : number * CHUNK]
    return client.send(fields_of(name, number, data, **more), content)


def send_all(client, name: str, data: bytes = DATA, **more) -> list[int]:
    return [send(client, name, number, data, **more).status for number in (1, 2, 3)]


@pytest.fixture
def serving(tmp_path):
    """Starts a server with these options."""
    servers = []

    def start(*options: str):
        server = Server(tmp_path / "root", options=options)
        servers.append(server)
        server.start()
        return server, server.client()

    yield start
    for server in servers:
        server.close()


def files_of(root: pathlib.Path) -> dict[str, bytes]:
    """Every finished file below the root by its path."""
    paths = (path for path in root.rglob("*") if path.is_file() and ".resumabled" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


# --- layout


def test_a_tree_has_files_under_their_relative_paths(serving):
    server, client = serving("--layout", "tree")
    assert send_all(client, "film", resumableRelativePath="photos/2026/film") == [200, 200, 200]
    assert send_all(client, "film", identifier="second", resumableRelativePath="photos/film") == [200, 200, 200]
    # Some clients send a slash in front, which means nothing.
    assert send_all(client, "slash", resumableRelativePath="/photos/slash") == [200, 200, 200]
    assert send_all(client, "plain", resumableRelativePath=None) == [200, 200, 200]
    assert send_all(client, "中.txt", resumableRelativePath="照片/中.txt") == [200, 200, 200]
    assert files_of(server.root) == dict.fromkeys(
        ["photos/2026/film", "photos/film", "photos/slash", "plain", "照片/中.txt"], DATA)


@pytest.mark.parametrize("path", [
    "../film", "a/../../film", "..", "/".join(["d"] * 257), f"{'n' * 4097}/film"])
def test_a_relative_path_that_breaks_the_rules_is_malformed(serving, tmp_path, path):
    server, client = serving("--layout", "tree")
    answer = send(client, "film", resumableRelativePath=path)
    assert (answer.status, answer.outcome) == (500, "malformed")
    assert files_of(server.root) == {} and not (tmp_path / "film").exists()


@pytest.mark.parametrize("path", [".resumabled/film", ".resumabled/x/film"])
def test_the_stores_own_folder_is_not_available_for_files(serving, path):
    server, client = serving("--layout", "tree")
    assert send_all(client, "film", resumableRelativePath=path) != [200, 200, 200]
    names = {each.name for each in (server.root / ".resumabled").iterdir()}
    assert not names & {"film", "x"}
    assert run_program("verify", "--root", server.root).returncode == 0


def test_the_stores_own_folder_is_not_available_under_another_case(tmp_path):
    options = ("--min-free", "0", "--layout", "tree")
    with disks.ignoring_case(tmp_path / "disk", 64 * MIB) as disk:
        with Server(disk / "root", options=options) as server, server.client() as client:
            for path in (".RESUMABLED/file", ".Resumabled/events/file"):
                answer = send(client, "file", 1, identifier=path, resumableRelativePath=path)
                assert (answer.status, answer.outcome) == (415, "refused")
                assert answer.body == b"This path is used by the server itself"
            for path in ("Photos/file", "photos/FILE"):
                answers = [send(client, path[-4:], number, identifier=path, resumableRelativePath=path)
                           for number in (1, 2, 3)]
                assert [answer.status for answer in answers] == [200, 200, 200]
            names = {path.name.lower() for path in (server.root / "PHOTOS").iterdir()}
            assert names == {"file", "file (1)"}
            assert all(path.read_bytes() == DATA for path in (server.root / "photos").iterdir())


def test_a_symbolic_link_in_the_tree_is_not_followed(serving, tmp_path):
    server, client = serving("--layout", "tree")
    outside = tmp_path / "outside"
    outside.mkdir()
    (server.root / "link").symlink_to(outside)
    assert 200 != send_all(client, "film", resumableRelativePath="link/film")[-1]
    assert list(outside.iterdir()) == [] and files_of(server.root) == {}
    assert (server.root / "link").is_symlink()


def test_a_file_in_the_place_of_a_folder_is_not_touched(serving):
    server, client = serving("--layout", "tree")
    (server.root / "photos").write_bytes(b"a file")
    assert 200 != send_all(client, "film", resumableRelativePath="photos/film")[-1]
    assert files_of(server.root) == {"photos": b"a file"}


@pytest.mark.parametrize("identifier", [
    "12345-film", "..", ".", "../../outside", "/etc", "a/b", ".resumabled", "100%", "%2e%2e", "x" * 1024, "五" * 300, "-",
    " "])
def test_by_identifier_each_upload_has_a_folder_of_its_own_below_the_root(serving, tmp_path, identifier):
    server, client = serving("--layout", "identifier")
    before = set(tmp_path.iterdir())
    assert send_all(client, "film", identifier=identifier) == [200, 200, 200]
    assert set(tmp_path.iterdir()) == before
    (path,) = files_of(server.root)
    folder, name = path.split("/")
    assert name == "film" and (server.root / path).read_bytes() == DATA
    if identifier == "12345-film":
        assert folder == identifier


def test_by_identifier_no_two_identifiers_share_a_folder(serving):
    server, client = serving("--layout", "identifier")
    identifiers = ["a/b", "a%2Fb", "a%2fb", "a b", ".", "..", "%2E", "%2e", "%", "%25"]
    for identifier in identifiers:
        assert send_all(client, "film", identifier=identifier) == [200, 200, 200]
    assert len(files_of(server.root)) == len(identifiers)
    assert {path.split("/")[1] for path in files_of(server.root)} == {"film"}


# --- a name that is taken


def test_by_default_the_next_file_of_a_name_gets_a_number(serving):
    server, client = serving()
    for identifier, data in [("one", DATA), ("two", OTHER), ("three", DATA)]:
        assert send_all(client, "film.mp4", data, identifier=identifier) == [200, 200, 200]
    assert files_of(server.root) == {"film.mp4": DATA, "film (1).mp4": OTHER, "film (2).mp4": DATA}


def test_with_replace_the_last_file_of_a_name_stays_and_no_reader_sees_half_of_it(serving):
    server, client = serving("--on-conflict", "replace")
    assert send_all(client, "film", DATA, identifier="0") == [200, 200, 200]
    seen = set()
    enough = threading.Event()

    def read() -> None:
        while not enough.is_set():
            seen.add((server.root / "film").read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 20):
        data = OTHER if number % 2 else DATA
        assert send_all(client, "film", data, identifier=str(number)) == [200, 200, 200]
    enough.set()
    reader.join()
    assert seen <= {DATA, OTHER}
    assert files_of(server.root) == {"film": OTHER}


def test_with_refuse_a_taken_name_is_refused_at_the_first_chunk(serving):
    server, client = serving("--on-conflict", "refuse")
    assert send_all(client, "film", DATA, identifier="one") == [200, 200, 200]
    answer = send(client, "film", 1, OTHER, identifier="two")
    assert (answer.status, answer.outcome) == (415, "refused")
    # A late duplicate of the existing file is not refused (PROTOCOL.md, Promises).
    assert send_all(client, "film", DATA, identifier="one") == [200, 200, 200]
    assert files_of(server.root) == {"film": DATA}


def test_with_refuse_only_one_of_two_unfinished_uploads_gets_the_name(serving):
    server, client = serving("--on-conflict", "refuse")
    for identifier, data in [("one", DATA), ("two", OTHER)]:
        assert send(client, "film", 1, data, identifier=identifier).status == 200
    assert [send(client, "film", number, DATA, identifier="one").status for number in (2, 3)] == [200, 200]
    late = [send(client, "film", number, OTHER, identifier="two").status for number in (2, 3)]
    assert late[-1] == 415
    assert files_of(server.root) == {"film": DATA}


# --- another size

LONGER = random_bytes(3 * CHUNK + 5, seed=8)


def make_old(root: pathlib.Path, name: str, seconds: int) -> None:
    then = time.time() - seconds
    for file in (root / ".resumabled").glob(f"{key(name, name)}*"):
        os.utime(file, (then, then))


def test_by_default_another_size_is_malformed_however_old_the_upload_is(serving):
    server, client = serving()
    assert send(client, "film").status == 200
    make_old(server.root, "film", 3600)
    answer = send(client, "film", 1, LONGER)
    assert (answer.status, answer.outcome) == (500, "malformed")
    assert send_all(client, "film") == [200, 200, 200]
    assert files_of(server.root) == {"film": DATA}


def test_with_restart_another_size_replaces_an_abandoned_upload(serving):
    server, client = serving("--on-size-change", "restart")
    assert send(client, "film").status == 200
    # The upload was touched just now, so this chunk is late, or a mistake.
    assert send(client, "film", 1, LONGER).status == 500
    make_old(server.root, "film", 61)
    assert send(client, "film", 2, LONGER).status == 200
    assert [client.test(fields_of("film", number, LONGER)).status for number in (1, 2, 3)] == [404, 200, 404]
    client.upload(LONGER, filename="film", identifier="film", chunk_size=CHUNK)
    assert files_of(server.root) == {"film": LONGER}


def test_with_restart_an_active_upload_stays(serving):
    server, client = serving("--on-size-change", "restart")
    assert send(client, "film").status == 200
    request = Request(
        server.socket, upload_params("POST", query(fields_of("film", 2)), "application/octet-stream", CHUNK))
    request.write(DATA[CHUNK : CHUNK + CHUNK // 2])
    time.sleep(0.3)
    make_old(server.root, "film", 3600)
    assert send(client, "film", 1, LONGER).status == 500
    request.write(DATA[CHUNK + CHUNK // 2 : 2 * CHUNK])
    assert request.answer()[0] == 200
    assert send(client, "film", 3).status == 200
    assert files_of(server.root) == {"film": DATA}


# --- durability


@pytest.mark.parametrize("durability", ["file", "chunk"])
def test_files_arrive_with_either_durability(serving, durability):
    server, client = serving("--durability", durability)
    assert send_all(client, "film") == [200, 200, 200]
    assert files_of(server.root) == {"film": DATA}


@pytest.mark.parametrize("arguments", [
    ["--layout", "pyramid"], ["--on-conflict", "ask"], ["--on-size-change", "maybe"], ["--durability", "none"],
    ["--min-free", "much"], ["--min-free=-1"], ["--max-reserved-per-client", "0%"],
    ["--max-reserved-per-client", "101%"], ["--max-reserved-per-client", "some"]])
def test_an_unknown_value_of_an_option_is_reported(tmp_path, arguments):
    result = run_program("serve", "--root", tmp_path / "root", "--socket", tmp_path / "socket", *arguments)
    assert result.returncode > 0 and arguments[0].split("=")[0] in result.stderr
