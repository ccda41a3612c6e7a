"""The root, or its state folder, is removed, moved or mounted over while the server runs (deploy/README.md, What
survives what)."""

import shutil
import time

import pytest

from support import disks
from support.client import MIB, layout, parameters, random_bytes
from support.server import Server, run_program, wait_until

CHUNK = 64 * 1024
DATA = random_bytes(3 * CHUNK, seed=5)
CHUNKS = layout(len(DATA), CHUNK, False)
REPLACED = "not ready: the root is missing, or not the folder that was opened\n"


@pytest.fixture
def served(tmp_path):
    with Server(tmp_path / "root", options=("--min-free", "0")) as server, server.client() as client:
        yield server, client


def send(client, number: int, name: str):
    chunk = CHUNKS[number - 1]
    fields = parameters(chunk, identifier=f"id {name}", filename=name, size=len(DATA), chunk_size=CHUNK)
    return client.send(fields, DATA[chunk.start : chunk.end])


def upload(client, name: str) -> list[int]:
    answers = client.upload(DATA, filename=name, identifier=f"id {name}", chunk_size=CHUNK)
    return [answer.status for answer in answers]


def readiness(client) -> tuple[int, str]:
    answer = client.request("GET", "/readyz")
    return answer.status, answer.body.decode()


def files(folder) -> dict[str, int]:
    """All files below the folder, with their sizes."""
    return {str(file.relative_to(folder)): file.stat().st_size for file in folder.rglob("*") if file.is_file()}


def test_nothing_lands_beneath_a_disk_that_is_mounted_over_the_root(served, tmp_path):
    server, client = served
    assert upload(client, "before") == [200] * 3
    assert [send(client, number, "under way").status for number in (1, 2)] == [200, 200]
    # A second way to the folder, which stays when the first one leads to the disk.
    beneath = tmp_path / "beneath"
    beneath.mkdir()
    disks.as_root("mount", "--bind", server.root, beneath)
    try:
        earlier = files(beneath)
        disks.as_root("mount", "-t", "tmpfs", "-o", f"size={8 * MIB},mode=777", "tmpfs", server.root)
        try:
            # Without /readyz before them: the first request after the mount must notice.
            for answer in (send(client, 1, "new"), send(client, 3, "under way")):
                assert (answer.status, answer.outcome) == (503, "retry"), answer.body
                assert int(answer.headers["Retry-After"]) >= 1
            assert readiness(client) == (503, REPLACED)
            assert send(client, 1, "new").status == 503
            assert list(server.root.iterdir()) == []
            later = files(beneath)
            assert later.keys() == earlier.keys()
            log = server.program_log()
            assert log.count("another file system is at") >= 1 and str(server.root) in log
        finally:
            disks.unmount(server.root)
        assert readiness(client) == (200, "ready\n")
        # The upload goes on where it was.
        assert send(client, 3, "under way").status == 200
        assert (server.root / "under way").read_bytes() == DATA
        assert upload(client, "new") == [200] * 3
    finally:
        disks.unmount(beneath)


def test_a_disk_that_is_mounted_over_the_root_is_used_after_a_restart(served):
    server, client = served
    disks.as_root("mount", "-t", "tmpfs", "-o", f"size={8 * MIB},mode=777", "tmpfs", server.root)
    try:
        assert readiness(client) == (503, REPLACED)
        server.stop_program()
        server.start_program()
        assert readiness(client) == (200, "ready\n")
        assert upload(client, "film") == [200] * 3
        assert (server.root / "film").read_bytes() == DATA
        server.stop_program()
    finally:
        disks.unmount(server.root)
    assert not (server.root / "film").exists()
    server.start_program()


def test_a_root_that_was_moved_and_made_anew_needs_no_restart(served, tmp_path):
    server, client = served
    assert upload(client, "before") == [200] * 3
    old = server.root.rename(tmp_path / "old")
    assert readiness(client) == (503, REPLACED)
    assert send(client, 1, "new").status == 503
    server.root.mkdir()
    assert readiness(client) == (200, "ready\n")
    assert upload(client, "new") == [200] * 3
    assert (server.root / "new").read_bytes() == DATA
    assert not (old / "new").exists()
    # It was moved away with the old root, so it is uploaded again.
    assert upload(client, "before") == [200] * 3
    assert (server.root / "before").read_bytes() == DATA


def test_a_client_is_told_that_its_upload_was_in_the_old_root(served, tmp_path):
    """Its next chunk alone would make no file."""
    server, client = served
    assert [send(client, number, "film").status for number in (1, 2)] == [200, 200]
    old = server.root.rename(tmp_path / "old")
    server.root.mkdir()
    # At the latest a second later the server has opened the new root, without a request that asks for it.
    wait_until(lambda: "was replaced" in server.program_log(), 5, "the new root is open")
    answer = send(client, 3, "film")
    assert (answer.status, answer.outcome) == (415, "refused"), answer.body
    assert upload(client, "film") == [200] * 3
    assert (server.root / "film").read_bytes() == DATA
    assert not (old / "film").exists()


@pytest.mark.parametrize("what", ["root", "state folder"])
def test_a_folder_that_was_removed_needs_no_restart(served, what):
    server, client = served
    assert upload(client, "before") == [200] * 3
    shutil.rmtree(server.root if what == "root" else server.root / ".resumabled")
    server.root.mkdir(exist_ok=True)
    assert upload(client, "after") == [200] * 3
    assert (server.root / "after").read_bytes() == DATA
    assert readiness(client) == (200, "ready\n")


@pytest.fixture
def read_only(tmp_path):
    """A folder that is mounted read-only."""
    with disks.tmpfs(tmp_path / "disk", 8 * disks.MIB) as disk:
        yield disk, lambda: disks.as_root("mount", "-o", "remount,ro", disk)


def test_a_read_only_root_without_a_store_ends_the_server_with_a_clear_message(read_only, tmp_path):
    disk, protect = read_only
    (disk / "empty").mkdir()
    protect()
    for root in (disk / "empty", disk / "new"):
        ended = run_program("serve", "--root", root, "--socket", tmp_path / "socket")
        assert ended.returncode == 1
        assert f"The root {root} cannot be used" in ended.stderr and "Read-only file system" in ended.stderr
        checked = run_program("check", "--root", root, "--socket", tmp_path / "socket")
        assert checked.returncode != 0 and str(root) in checked.stdout


def test_a_server_on_a_read_only_store_says_so_once_and_goes_on_when_it_can_be_written(read_only):
    disk, protect = read_only
    with Server(disk / "root", options=("--min-free", "0")) as server, server.client() as client:
        assert [send(client, 1, f"{number}").status for number in range(12)] == [200] * 12
        server.stop_program()
        written = len(server.program_log())
        protect()
        server.start_program()
        wait_until(lambda: "sweep failed" in server.program_log()[written:], 10, "the first sweep has ended")
        time.sleep(0.5)
        lines = [line for line in server.program_log()[written:].splitlines() if " error " in line]
        assert [line for line in lines if "uploads are not accepted at the moment" in line] == [lines[0]]
        assert f"root={server.root}" in lines[0] and "Read-only file system" in lines[0]
        # The recovery and the sweep name five of the twelve uploads each, and count the others.
        assert len(lines) <= 1 + 2 * 6, lines
        assert readiness(client)[0] == 503
        assert send(client, 2, "0").status == 503
        disks.as_root("mount", "-o", "remount,rw", disk)
        assert [send(client, number, "0").status for number in (2, 3)] == [200, 200]
        assert readiness(client)[0] == 200
        assert (server.root / "0").read_bytes() == DATA
