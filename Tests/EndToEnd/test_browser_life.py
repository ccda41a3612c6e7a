"""An upload on the page: paused, resumed, cancelled, reloaded, left."""

import hashlib

import pytest

from support.browser import open_browser
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.core]

SIZE = 12 * MIB + 345
# Bytes a second while the test needs an unfinished upload: a chunk takes half a second.
SLOW = 2 * MIB


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "影片 1.mp4"
    path.write_bytes(random_bytes(SIZE, seed=30))
    return path


@pytest.fixture
def under_way(browser, file):
    """The page while it uploads a file slowly. The first chunks are stored."""
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    return browser


def wait_until_quiet(server, browser) -> None:
    """Chunks in flight may still arrive; then there must be no more requests. One slow chunk takes half a second."""
    seen = {"requests": -1}

    def is_quiet() -> bool:
        before, seen["requests"] = seen["requests"], len(server.access_log())
        browser.wait(1500)
        return before == seen["requests"]

    wait_until(is_quiet, 20, "no more requests arrive")


def wait_for_file(server, file) -> None:
    wait_until(lambda: server.finished_files() == [file.name], 60, "the file is complete")
    arrived = hashlib.sha256((server.root / file.name).read_bytes()).digest()
    assert arrived == hashlib.sha256(file.read_bytes()).digest()


def test_a_file_survives_pause_and_reload_and_no_chunk_is_sent_twice(server, under_way, file):
    browser = under_way
    browser.click(".progress-pause-link")
    assert browser.whole() == "paused"
    browser.wait_for_states("paused")
    wait_until_quiet(server, browser)
    paused_at = len(browser.traffic.read().stored)
    assert paused_at >= 2 and server.finished_files() == []

    browser.click(".progress-resume-link")
    wait_until(lambda: len(browser.traffic.read().stored) > paused_at, 30, "the upload continues")
    assert server.finished_files() == [], "the reload has to come in the middle of the upload"

    browser.reload()
    tests = len(browser.traffic.read().tests)
    browser.full_speed()
    browser.pick(file)
    wait_for_file(server, file)
    browser.wait_for_states("done")
    assert browser.traffic.read().sent_again == []
    assert sum(map(len, browser.traffic.stored)) <= SIZE, "no byte is confirmed twice"
    assert len(browser.traffic.tests) == tests + 1, "one test lists all held chunks"


def test_one_file_is_paused_while_another_continues(server, under_way, file, tmp_path):
    browser = under_way
    (tmp_path / "other.bin").write_bytes(random_bytes(2 * MIB))
    browser.press("pause", file.name)
    browser.pick(tmp_path / "other.bin")
    browser.wait_for_states("paused", "done")
    assert browser.whole() == "paused"
    browser.full_speed()
    browser.press("resume", file.name)
    browser.wait_for_states("done", "done")
    assert server.finished_files() == sorted(["other.bin", file.name])
    assert browser.traffic.read().answers_to(browser.traffic.uploads) == {200}


def test_the_progress_bar_never_goes_back(server, under_way, file):
    browser = under_way
    browser.script(
        """window.shares = [];
        new MutationObserver(() => shares.push(Number(document.querySelector('[role=progressbar]').ariaValueNow)))
          .observe(document.querySelector('.progress'), { subtree: true, attributeFilter: ['aria-valuenow'] })"""
    )
    browser.click(".progress-pause-link")
    browser.click(".progress-resume-link")
    browser.wait_for_states("done")
    wait_until(lambda: browser.percent() == 100, 5, "the bar is full")
    shares = browser.script("return shares")
    # Firefox reports the bytes of a request when all of them are sent, three chunks at a time.
    assert shares == sorted(shares) and shares[-1] == 100 and len(set(shares)) > 2


def test_the_bar_is_as_long_as_the_text_says(under_way):
    browser = under_way
    browser.script(
        """window.lengths = [];
        const bar = document.querySelector('.progress-bar');
        new MutationObserver(() => lengths.push([
          100 * bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width,
          parseInt(document.querySelector('.progress-text').textContent)]))
          .observe(document.querySelector('.progress-text'), { childList: true, characterData: true, subtree: true })"""
    )
    browser.full_speed()
    browser.wait_for_states("done")
    wait_until(lambda: browser.percent() == 100, 5, "the bar is full")
    lengths = browser.script("return lengths")
    assert lengths and all(abs(length - told) < 1 for length, told in lengths), lengths


def test_speed_and_remaining_time_are_shown(under_way, file):
    browser = under_way
    wait_until(lambda: "left" in browser.text(".progress-text"), 20, "the total has a remaining time")
    wait_until(lambda: "left" in browser.rows()[0]["text"], 20, "the file has a remaining time")
    row = browser.rows()[0]["text"]
    assert "12.6 MB" in row and "MB/s" in row and "Uploading" in row
    assert browser.title().split("%")[0].isdigit(), "the title has the progress"


def test_a_cancelled_file_stops_and_can_be_retried(server, under_way, file):
    browser = under_way
    browser.press("cancel", file.name)
    browser.wait_for_states("cancelled")
    assert browser.whole() == "idle"
    wait_until_quiet(server, browser)
    assert server.finished_files() == []
    browser.full_speed()
    browser.press("retry", file.name)
    wait_for_file(server, file)
    browser.wait_for_states("done")
    assert browser.traffic.read().sent_again == []


def test_files_are_removed_from_the_list(browser, tmp_path):
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for path in files:
        path.write_text(path.name)
    browser.open().pick(*files)
    browser.wait_for_states("done", "done", "done")
    browser.press("remove", "1.txt")
    assert [row["name"] for row in browser.rows()] == ["0.txt", "2.txt"]
    browser.click(".uploader-clear")
    wait_until(lambda: not browser.visible(".uploader-list, .progress"), 5, "the empty list is hidden")
    assert (browser.whole(), browser.rows()) == ("idle", [])


def test_a_script_cancels_all_files(server, under_way, file):
    browser = under_way
    browser.script("uploader.resumable.cancel()")
    browser.wait_for_states("cancelled")
    assert browser.whole() == "idle"


@pytest.mark.needs("question before leaving")
def test_leaving_asks_only_while_an_upload_is_unfinished(server, engine, tmp_path, file):
    with open_browser(server, tmp_path / "profile", engine, answers_questions=False) as browser:
        browser.open().slow_down(SLOW)
        browser.pick(file)
        wait_until(lambda: browser.whole() == "uploading", 10, "the upload has begun")
        leave = "setTimeout(() => location.assign('/resumable?left'))"
        # A browser asks only if the user has interacted with the page.
        browser.click("h1")

        browser.script(leave)
        wait_until(browser.asks, 10, "the browser asks")
        browser.stay()
        assert browser.url().endswith("/resumable") and browser.whole() == "uploading"

        browser.click(".progress-pause-link")
        browser.script(leave)
        wait_until(browser.asks, 10, "the browser asks about a paused upload, too")
        browser.stay()

        browser.full_speed()
        browser.click(".progress-resume-link")
        browser.wait_for_states("done")
        browser.take_coverage()
        browser.script(leave)
        wait_until(lambda: browser.url().endswith("?left"), 10, "the page is left without a question")
