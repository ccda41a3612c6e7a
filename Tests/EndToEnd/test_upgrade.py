"""The program goes on where an earlier release has stopped: with uploads under way, finished files and undelivered events.

The stores in stores/ were written by the program of that release (stores/make.py). They come from another boot, so
their ranges are also compared with their checksums, as after a power cut."""

import json
import pathlib
import shutil

import pytest

from stores.make import AGAIN, FILES, PATH, TREE, content_of, fields_of, send
from support.journal import Journal
from support.server import Server, run_program, wait_until
from support.webhook_receiver import WebhookReceiver, all_delivered

STORES = pathlib.Path(__file__).parent / "stores"


@pytest.fixture(params=sorted(path.name for path in STORES.iterdir() if path.is_dir() and path.name[0].isdigit()))
def store(request, tmp_path):
    """Copies a store of an earlier release."""

    def copied(name: str) -> pathlib.Path:
        root = tmp_path / name
        shutil.copytree(STORES / request.param / name, root)
        return root

    return copied


def files(root: pathlib.Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and ".resumabled" not in path.parts)
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def outcomes(client, name: str, data: bytes, **more) -> list[str]:
    return [client.test(fields_of(name, number, data, **more)).outcome for number in range(1, len(data) // 1000 + 1)]


def summaries(root: pathlib.Path) -> list[tuple]:
    listed = run_program("status", "--json", "--root", root)
    assert listed.returncode == 0, listed.stderr
    return sorted((each["filename"], each["size"], each["held"]) for each in json.loads(listed.stdout))


def test_uploads_under_way_go_on(store):
    root = store("flat")
    assert summaries(root) == [
        ("again.bin", 3000, 1000), ("finished.bin", 2000, 2000), ("unfinished.bin", 3000, 2000)]
    with Server(root) as server, server.client() as client:
        data = FILES["unfinished.bin"]
        assert outcomes(client, "unfinished.bin", data) == ["held", "missing", "held"]
        assert send(client, "unfinished.bin", 2, data).headers["X-Upload-Path"] == "unfinished.bin"
        # The new version of a file that stands finished under its name.
        assert outcomes(client, "again.bin", AGAIN) == ["missing", "held", "missing"]
        for number in (1, 3):
            assert send(client, "again.bin", number, AGAIN).status == 200
        assert files(root) == FILES | {"again (1).bin": AGAIN}
        assert "level=error" not in server.program_log()
    verified = run_program("verify", "--root", root)
    assert verified.returncode == 0, verified.stdout


def test_an_upload_under_way_goes_on_under_its_path_in_a_tree(store):
    root = store("tree")
    with Server(root, options=("--layout", "tree")) as server, server.client() as client:
        assert outcomes(client, "1.jpg", TREE, resumableRelativePath="elsewhere/1.jpg") == ["missing"] * 3
        assert outcomes(client, "1.jpg", TREE, resumableRelativePath=PATH) == ["missing", "held", "missing"]
        for number in (1, 3):
            assert send(client, "1.jpg", number, TREE, resumableRelativePath=PATH).status == 200
        assert files(root) == {PATH: TREE}


def test_a_late_duplicate_of_a_finished_file_changes_nothing_and_another_file_is_kept(store):
    root = store("flat")
    data = FILES["finished.bin"]
    # A copy has another inode than the file that the earlier release has finished.
    Journal(root, "id of finished.bin", "finished.bin").move((root / "finished.bin").stat().st_ino)
    before = files(root)
    with Server(root, options=("--finished-window", "10000d")) as server, server.client() as client:
        assert outcomes(client, "finished.bin", data) == ["held", "held"]
        assert [send(client, "finished.bin", number, data).status for number in (1, 2)] == [200, 200]
        assert files(root) == before
        other = content_of(1, data) + bytes(1000)
        assert [send(client, "finished.bin", number, other).status for number in (1, 2)] == [200, 200]
        assert files(root) == before | {"finished (1).bin": other}


def test_events_that_are_owed_are_delivered(store, key):
    root = store("flat")
    with WebhookReceiver() as site:
        options = ("--on-complete-url", site.url, "--event-key", str(key))
        with Server(root, options=options) as server:
            owed = {"finished.bin", "again.bin"}
            wait_until(lambda: all_delivered(server), 30, "all events are delivered")
            assert {received.event["subject"] for received in site.received} == owed and len(site.received) == 2
            facts = next(each.event.data for each in site.received if each.event["subject"] == "again.bin")
            assert (facts["size"], facts["metadata"]) == (2000, {"title": "Ürlaub"})


def test_events_are_listed_before_the_first_start(store):
    root = store("flat")
    listed = json.loads(run_program("events", "list", "--root", root, "--json").stdout)
    assert sorted(each["path"] for each in listed) == ["again.bin", "finished.bin"]
