"""Faults during an upload: the program stops, the network fails, a file is refused.

All faults are real: the program is stopped and started, its descriptors run out, and the browser is offline.
"""

import pathlib
import resource

import pytest

from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.core]

SIZE = 8 * MIB
SLOW = 2 * MIB


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "video.bin"
    path.write_bytes(random_bytes(SIZE, seed=3))
    return path


def arrived(server, file) -> bool:
    return server.finished_files() == [file.name] and (server.root / file.name).read_bytes() == file.read_bytes()


def test_a_restart_of_the_server_costs_only_the_chunks_in_flight(server, browser, file):
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    server.stop_program()
    browser.wait_for_states("retrying")
    assert browser.whole() == "uploading"
    assert "Interrupted, trying again" in browser.rows()[0]["text"]
    server.start_program()
    browser.full_speed()
    browser.wait_for_states("done", seconds=30)
    assert arrived(server, file)
    assert browser.traffic.read().sent_again == []
    assert {200, 502} <= browser.traffic.answers_to(browser.traffic.uploads) <= {200, 502, 503}


def test_requests_are_retried_until_the_server_recovers(server, browser, file):
    browser.open()
    # One descriptor is left: enough for a connection, but not for the files of an upload.
    used = [int(path.name) for path in pathlib.Path(f"/proc/{server.program.pid}/fd").iterdir()]
    usual = resource.prlimit(server.program.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.program.pid, resource.RLIMIT_NOFILE, (max(used) + 2, usual[1]))
    browser.pick(file)
    browser.wait_for_states("retrying")
    wait_until(lambda: 503 in browser.traffic.read().answers(), 10, "the server answers 503")
    resource.prlimit(server.program.pid, resource.RLIMIT_NOFILE, usual)
    browser.wait_for_states("done", seconds=60)
    assert arrived(server, file)


def test_a_refused_file_fails_with_the_reason_and_others_are_uploaded(server, browser, file, tmp_path):
    server.stop_program()
    server.start_program("--max-file-size", "1M")
    (tmp_path / "small.txt").write_text("small")
    # Alone at first: the limits in the answer for another file would exclude it before its own answer.
    browser.open().pick(file)
    browser.wait_for_states("failed")
    browser.pick(tmp_path / "small.txt")
    browser.wait_for_states("failed", "done")
    row = browser.rows()[0]
    assert row["text"].startswith("video.bin") and "Failed" in row["text"]
    assert row["message"], "the server's reason is shown"
    assert 415 in browser.traffic.read().answers()
    assert browser.text(".uploader-summary-text") == "1 of 2 files uploaded · 1 failed"
    assert browser.whole() == "done"

    assert not browser.visible("[data-action=retry]"), "the server would refuse it again"
    assert server.finished_files() == ["small.txt"]


def test_all_files_that_failed_are_tried_again_with_one_button(server, browser, tmp_path):
    files = [tmp_path / f"{number}.bin" for number in range(3)]
    for path in files:
        path.write_bytes(random_bytes(2 * MIB, seed=int(path.stem)))
    browser.open().slow_down(MIB // 4)
    browser.pick(*files)
    browser.wait_for_states("uploading", "uploading", "uploading")
    browser.click(".progress-pause-link")
    for path in files:
        path.rename(path.with_suffix(".moved"))
    browser.full_speed()
    browser.click(".progress-resume-link")
    browser.wait_for_states("failed", "failed", "failed", seconds=60)
    for path in files:
        path.with_suffix(".moved").rename(path)
    browser.click(".uploader-retry-all")
    browser.wait_for_states("done", "done", "done")
    assert not browser.visible(".uploader-retry-all")


@pytest.mark.needs("offline")
def test_uploads_continue_when_the_browser_is_online_again(server, browser, file):
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    browser.go_offline()
    wait_until(lambda: "You are offline" in browser.text(".progress-text"), 10, "the page reports that it is offline")
    stored = len(browser.traffic.read().stored)
    browser.wait(2000)
    assert len(browser.traffic.read().stored) == stored
    assert browser.states() in (["uploading"], ["retrying"])
    browser.full_speed()
    browser.go_online()
    # Sooner than after any back-off, because the browser reports that it is online again.
    browser.wait_for_states("done", seconds=5)
    assert "offline" not in browser.text(".progress-text")
    assert arrived(server, file)
    assert browser.traffic.read().sent_again == []


def test_a_pause_during_a_back_off_lasts(server, browser, file):
    server.stop_program()
    browser.open().pick(file)
    browser.wait_for_states("retrying")
    browser.click(".progress-pause-link")
    browser.wait_for_states("paused")
    server.start_program()
    before = len(server.access_log())
    # Longer than the Retry-After of nginx, which is 5 seconds.
    browser.wait(6500)
    assert len(server.access_log()) == before and browser.states() == ["paused"]
    browser.click(".progress-resume-link")
    browser.wait_for_states("done")
    assert arrived(server, file)


def test_a_file_that_was_deleted_fails_with_a_reason(server, browser, file):
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 1, 30, "the first chunk is stored")
    browser.click(".progress-pause-link")
    file.unlink()
    browser.full_speed()
    browser.click(".progress-resume-link")
    browser.wait_for_states("failed", seconds=30)
    assert browser.rows()[0]["message"]
    assert server.finished_files() == []
