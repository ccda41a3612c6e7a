"""`resumabled status`, `verify` and `sweep`: how an administrator inspects and cleans a store by hand."""

import concurrent.futures
import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import pytest

from support import disks
from support.client import layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.journal import Journal, key
from support.server import PROGRAM, Server, run_program, wait_until

CHUNK = 10_000
DATA = random_bytes(4 * CHUNK, seed=5)
CHUNKS = layout(len(DATA), CHUNK, False)
DAY = 24 * 60 * 60


def fields_of(chunk, name: str):
    return parameters(chunk, identifier=f"id {name}", filename=name, size=len(DATA), chunk_size=CHUNK)


def send(client, name: str, *numbers: int) -> None:
    for number in numbers:
        chunk = CHUNKS[number - 1]
        assert client.send(fields_of(chunk, name), DATA[chunk.start : chunk.end]).status == 200


def statuses(client, name: str) -> list[int]:
    return [client.test(fields_of(chunk, name)).status for chunk in CHUNKS]


def journal_of(root: pathlib.Path, name: str) -> pathlib.Path:
    return root / ".resumabled" / f"{key(f'id {name}', name)}.journal"


def data_of(root: pathlib.Path, name: str) -> pathlib.Path:
    """The data file of an upload. Its name begins like the journal's."""
    (data,) = (root / ".resumabled").glob(f"{key(f'id {name}', name)}*.data")
    return data


def succeed(*arguments) -> str:
    """The output of the command, which must succeed without an error message."""
    result = run_program(*arguments)
    assert (result.returncode, result.stderr) == (0, ""), result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def half(server, client):
    """A server with one upload of which half has arrived."""
    send(client, "film", 1, 3)
    return server.root


# --- status


def test_status_lists_the_unfinished_uploads(server, client):
    before = int(time.time())
    send(client, "film", 1, 3)
    send(client, "假期.mp4", 1)
    send(client, "done", 1, 2, 3, 4)
    sizeless = {"resumableIdentifier": "bare", "resumableFilename": "bare", "resumableChunkNumber": "1",
                "resumableTotalChunks": "3"}
    assert client.send(sizeless, DATA[:CHUNK]).status == 200
    after = int(time.time()) + 1

    listed = {each["filename"]: each for each in json.loads(succeed("status", "--root", server.root, "--json"))}
    assert listed.pop("done", {"complete": True})["complete"] is True
    facts = ("identifier", "size", "held", "complete")
    assert {name: tuple(each[fact] for fact in facts) for name, each in listed.items()} == {
        "film": ("id film", len(DATA), 2 * CHUNK, False),
        "假期.mp4": ("id 假期.mp4", len(DATA), CHUNK, False),
        "bare": ("bare", None, CHUNK, False),
    }
    for each in listed.values():
        assert before <= each["begun"] <= each["touched"] <= after

    table = succeed("status", "--root", server.root)
    rows = {name: [line for line in table.splitlines() if name in line] for name in listed}
    assert all(len(lines) == 1 for lines in rows.values()), table
    assert "50" in rows["film"][0] and "25" in rows["假期.mp4"][0]


def test_status_is_the_same_without_a_running_server(server, client, half):
    running = succeed("status", "--root", half, "--json")
    server.stop_program()
    assert json.loads(succeed("status", "--root", half, "--json")) == json.loads(running)
    server.start_program()
    assert statuses(client, "film") == [200, 404, 200, 404]


def test_status_of_an_empty_root(server):
    assert json.loads(succeed("status", "--root", server.root, "--json")) == []
    succeed("status", "--root", server.root)


@pytest.mark.parametrize("command", ["status", "verify", "sweep"])
def test_a_root_that_does_not_exist_is_reported_and_not_created(tmp_path, command):
    result = run_program(command, "--root", tmp_path / "nowhere")
    assert result.returncode not in (0, -signal.SIGTRAP, -signal.SIGILL) and result.stderr.strip()
    assert not (tmp_path / "nowhere").exists()


def test_status_watches_until_it_is_interrupted(server, client, half):
    watching = subprocess.Popen(
        [PROGRAM, "status", "--root", half, "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        os.set_blocking(watching.stdout.fileno(), False)
        seen = b""

        def sees(what: bytes) -> bool:
            nonlocal seen
            seen += watching.stdout.read() or b""
            return what in seen

        wait_until(lambda: sees(b"film"), 10, "the upload is shown")
        send(client, "another", 1)
        wait_until(lambda: sees(b"another"), 10, "the new one is shown")
        watching.send_signal(signal.SIGINT)
        # It ends by itself or by the signal, but not by a crash.
        assert watching.wait(5) in (0, 130, -signal.SIGINT)
        assert watching.stderr.read() == b""
    finally:
        watching.kill()
        watching.wait(5)
        watching.stdout.close()
        watching.stderr.close()


def test_status_shows_no_character_that_a_terminal_obeys(server, client):
    send(client, "photo\u202egnp.exe\u2066\x1b[31m", 1)
    table = succeed("status", "--root", server.root)
    assert "gnp.exe" in table and not set(table) & set("\u202e\u2066\x1b")


# --- records that cannot be read


def as_another_user(root: pathlib.Path, *arguments) -> subprocess.CompletedProcess:
    """Runs a command as a user who may read all but the journals that this user has closed."""
    for path in (root, *root.rglob("*")):
        os.chmod(path, path.stat().st_mode | (0o055 if path.is_dir() else 0o044 if path.suffix != ".journal" else 0))
    # Not a folder of pytest's, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="resumabled-test.") as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(PROGRAM, folder)
        store = shutil.copytree(root, pathlib.Path(folder) / "root")
        return subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, *arguments, "--root", store],
            capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["events", "list"], ["events", "list", "--json"]])
def test_a_list_says_which_records_it_lacks(server, client, half, arguments):
    send(client, "another", 1)
    send(client, "done", 1, 2, 3, 4)
    server.stop_program()
    for name in ("film", "another", "done"):
        os.chmod(journal_of(half, name), 0o644)
    assert as_another_user(half, *arguments).returncode == 0

    os.chmod(journal_of(half, "film"), 0o600)
    listed = as_another_user(half, *arguments)
    assert listed.returncode == 1
    assert "cannot read the records of uploads: 1, first: cannot open" in listed.stderr
    assert "Permission denied" in listed.stderr
    if "status" in arguments:
        assert "another" in listed.stdout and "film" not in listed.stdout

    for name in ("another", "done"):
        os.chmod(journal_of(half, name), 0o600)
    nothing = as_another_user(half, *arguments)
    assert nothing.returncode == 1 and "Permission denied" in nothing.stderr
    assert nothing.stdout in ("", "[]\n")
    server.start_program()


def test_lists_work_on_a_read_only_file_system(tmp_path):
    with disks.tmpfs(tmp_path / "disk", 16 * disks.MIB) as disk:
        with Server(disk / "root", options=("--min-free", "0")) as server, server.client() as client:
            send(client, "film", 1)
        disks.as_root("mount", "-o", "remount,ro", disk)
        assert "film" in succeed("status", "--root", disk / "root")
        assert json.loads(succeed("status", "--json", "--root", disk / "root"))[0]["held"] == CHUNK
        assert succeed("events", "list", "--root", disk / "root") == "All events are delivered.\n"
        with Server(disk / "root", options=("--min-free", "0")) as server, server.client() as client:
            listed = json.loads(client.request("GET", "/resumable/status.json").body)
            assert [upload["filename"] for upload in listed["uploads"]] == ["film"] and listed["unreadable"] == 0


# --- verify


def change_byte(file: pathlib.Path, at: int) -> None:
    with open(file, "r+b") as content:
        content.seek(at)
        byte = content.read(1)[0]
        content.seek(at)
        content.write(bytes([byte ^ 1]))


def append_junk(file: pathlib.Path) -> None:
    with open(file, "ab") as content:
        content.write(random_bytes(77))


DAMAGES = {
    "a changed byte": lambda root: change_byte(data_of(root, "film"), CHUNK - 1),
    "a data file that was cut off": lambda root: os.truncate(data_of(root, "film"), 2 * CHUNK + 1),
    "a data file that is gone": lambda root: data_of(root, "film").unlink(),
    "a data file without a journal": lambda root: journal_of(root, "film").unlink(),
    "a journal of something else": lambda root: journal_of(root, "film").write_bytes(random_bytes(1000)),
    "an empty journal": lambda root: os.truncate(journal_of(root, "film"), 0),
    "a journal with a changed header": lambda root: change_byte(journal_of(root, "film"), 17),
    "a journal with a changed record": lambda root: change_byte(
        journal_of(root, "film"), Journal(root, "id film", "film").header_length + 8),
    "a journal with something behind it": lambda root: append_junk(journal_of(root, "film")),
    "a journal under another name": lambda root: journal_of(root, "film").rename(journal_of(root, "other")),
}


def state_of(root: pathlib.Path) -> dict:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_verify_finds_damage_and_changes_nothing(server, client, half, damage):
    send(client, "healthy", 2, 4)
    send(client, "done", 1, 2, 3, 4)
    server.stop_program()
    # Finished files belong to the site. Only unfinished ones are compared with their checksums.
    nothing_wrong = {"uploads": 3, "bytes": 4 * CHUNK, "findings": []}
    assert json.loads(succeed("verify", "--root", half, "--json")) == nothing_wrong
    succeed("verify", "--root", half)

    damage(half)
    before = state_of(half)
    result = run_program("verify", "--root", half)
    assert result.returncode == 1 and result.stdout.strip(), result.stdout + result.stderr
    assert "healthy" not in result.stdout and "done" not in result.stdout
    in_json = run_program("verify", "--root", half, "--json")
    findings = json.loads(in_json.stdout)["findings"]
    assert in_json.returncode == 1 and findings
    assert {finding["filename"] for finding in findings} <= {"film", None}
    # Text and JSON agree.
    assert all(finding["file"] in result.stdout and finding["text"] in result.stdout for finding in findings)
    assert state_of(half) == before

    # Whatever the damage was: the program starts, and the upload finishes with the right bytes.
    server.start_program()
    client.upload(DATA, filename="healthy", identifier="id healthy", chunk_size=CHUNK)
    assert (half / "healthy").read_bytes() == DATA


def test_verify_ignores_bytes_that_are_not_held(server, half):
    server.stop_program()
    change_byte(data_of(half, "film"), CHUNK + 5)
    succeed("verify", "--root", half)


def test_verify_of_an_empty_root(server):
    succeed("verify", "--root", server.root)


# --- sweep


def age(root: pathlib.Path, name: str, seconds: int) -> None:
    """Makes it look as if the upload had not been touched for this long."""
    then = time.time() - seconds
    for file in (root / ".resumabled").glob(f"{key(f'id {name}', name)}*"):
        os.utime(file, (then, then))


def test_sweep_removes_uploads_that_were_not_touched_for_a_week(server, client):
    for name, days in [("fresh", 0), ("week", 6), ("old", 8)]:
        send(client, name, 1, 2)
        age(server.root, name, days * DAY)
    send(client, "done", 1, 2, 3, 4)
    age(server.root, "done", 8 * DAY)
    lines = succeed("sweep", "--root", server.root).splitlines()
    assert any("old" in line for line in lines)
    assert not any(name in line for name in ("fresh", "week") for line in lines)
    assert statuses(client, "old") == [404] * 4
    assert statuses(client, "fresh") == statuses(client, "week") == [200, 200, 404, 404]
    # Only the marker of the finished upload is removed.
    assert (server.root / "done").read_bytes() == DATA
    assert not list((server.root / ".resumabled").glob(f"{key('id done', 'done')}*"))
    # It can begin again.
    send(client, "old", 1, 2, 3, 4)
    assert (server.root / "old").read_bytes() == DATA
    assert succeed("verify", "--root", server.root) is not None


@pytest.mark.parametrize("expire, removed", [
    ("90s", True), ("2m", True), ("1h", True), ("100m", False), ("2h", False), ("1d", False), ("0", False)])
def test_sweep_takes_a_duration(server, client, half, expire, removed):
    age(half, "film", 5000)
    assert len(succeed("sweep", "--root", half, "--expire", expire).splitlines()) == (1 if removed else 0)
    assert statuses(client, "film") == ([404] * 4 if removed else [200, 404, 200, 404])


@pytest.mark.parametrize("expire", ["", "x", "7x", "-1s", "1.5h", "99999999999999999999d", "s"])
@pytest.mark.parametrize("command", ["sweep", "serve"])
def test_an_invalid_duration_is_reported(tmp_path, command, expire):
    (tmp_path / "root").mkdir()
    result = run_program(command, "--root", tmp_path / "root", f"--expire={expire}")
    assert result.returncode not in (0, -signal.SIGTRAP, -signal.SIGILL) and result.stderr.strip()
    assert not (tmp_path / "root/.resumabled").exists()


def test_sweep_does_not_touch_an_upload_that_a_request_uses(server, client, half):
    chunk = CHUNKS[1]
    request = Request(
        server.socket, upload_params("POST", query(fields_of(chunk, "film")), "application/octet-stream", CHUNK))
    request.write(DATA[chunk.start : chunk.start + CHUNK // 2])
    time.sleep(0.3)
    age(half, "film", 8 * DAY)
    assert succeed("sweep", "--root", half) == ""
    request.write(DATA[chunk.start + CHUNK // 2 : chunk.end])
    assert request.answer()[0] == 200
    assert statuses(client, "film") == [200, 200, 200, 404]
    send(client, "film", 4)
    assert (half / "film").read_bytes() == DATA


def test_a_chunk_renews_an_upload(server, client, half):
    age(half, "film", 8 * DAY)
    send(client, "film", 2)
    assert succeed("sweep", "--root", half) == ""
    assert statuses(client, "film") == [200, 200, 200, 404]


def test_the_server_sweeps_by_itself(tmp_path):
    with Server(tmp_path / "root", options=("--expire", "3s")) as server, server.client() as client:
        send(client, "film", 1, 3)
        send(client, "done", 1, 2, 3, 4)
        wait_until(lambda: not list((server.root / ".resumabled").iterdir()), 20, "both have expired")
        assert statuses(client, "film") == [404] * 4
        assert (server.root / "done").read_bytes() == DATA
        send(client, "film", 1, 2, 3, 4)
        assert (server.root / "film").read_bytes() == DATA


def test_an_upload_that_is_sent_or_tested_never_expires(tmp_path):
    with Server(tmp_path / "root", options=("--expire", "4s")) as server, server.client() as client:
        send(client, "sent", 1)
        send(client, "asked", 1)
        for _ in range(12):
            time.sleep(0.5)
            send(client, "sent", 2)
            assert statuses(client, "asked") == [200, 404, 404, 404]
        assert statuses(client, "sent") == [200, 200, 404, 404]


def test_the_server_sweeps_nothing_if_uploads_never_expire(tmp_path):
    with Server(tmp_path / "root", options=("--expire", "0")) as server, server.client() as client:
        send(client, "film", 1)
        age(server.root, "film", 1000 * DAY)
        server.stop_program()
        server.start_program()
        time.sleep(2)
        assert statuses(client, "film") == [200, 404, 404, 404]


# --- beside a busy server


def test_all_commands_run_beside_a_busy_server_and_find_nothing_wrong(server):
    enough = threading.Event()

    def keep_busy(sender: int) -> int:
        with server.client() as client:
            for turn in itertools.count():
                if enough.is_set():
                    return turn
                order = random.Random(turn).sample(CHUNKS, len(CHUNKS))
                send(client, f"{sender} {turn}", *(chunk.number for chunk in order))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(keep_busy, sender) for sender in range(6)]
        try:
            for _ in range(12):
                json.loads(succeed("status", "--root", server.root, "--json"))
                assert json.loads(succeed("verify", "--root", server.root, "--json"))["findings"] == []
                assert succeed("sweep", "--root", server.root) == ""
        finally:
            enough.set()
        files = sum(sender.result() for sender in senders)
    assert files > 0 and len(server.finished_files()) == files
    assert all((server.root / name).read_bytes() == DATA for name in server.finished_files())
