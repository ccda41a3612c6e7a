"""The life of an upload on the page in a real Chromium: paused, resumed, cancelled, reloaded, left."""

import hashlib

import pytest
from selenium.common.exceptions import NoAlertPresentException

from support.browser import open_browser
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

SIZE = 12 * MIB + 345
CHUNKS = 12
# Bytes a second while the test needs the upload to be under way: a chunk takes half a second.
SLOW = 2 * MIB


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "影片 1.mp4"
    path.write_bytes(random_bytes(SIZE, seed=30))
    return path


@pytest.fixture
def under_way(browser, file):
    """The page, uploading a file slowly, with the first chunks stored."""
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    return browser


def wait_until_quiet(server, browser) -> None:
    """Chunks under way may still arrive; after that it has to be quiet. One slow chunk takes half a second."""
    seen = {"requests": -1}

    def stands_still() -> bool:
        before, seen["requests"] = seen["requests"], len(server.access_log())
        browser.driver.execute_async_script("setTimeout(arguments[0], 1500)")
        return before == seen["requests"]

    wait_until(stands_still, 20, "the upload stands still")


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
    assert 2 <= paused_at < CHUNKS and server.finished_files() == []

    browser.click(".progress-resume-link")
    wait_until(lambda: len(browser.traffic.read().stored) >= paused_at + 2, 30, "the upload goes on")
    assert server.finished_files() == [], "the reload has to come in the middle"

    browser.reload()
    kept = len(set(browser.traffic.read().stored))
    tests = len(browser.traffic.tests)
    browser.full_speed()
    browser.pick(file)
    wait_for_file(server, file)
    browser.wait_for_states("done")
    assert browser.traffic.read().sent_again == []
    assert kept >= paused_at + 2 and sorted(browser.traffic.stored) == list(range(1, CHUNKS + 1))
    assert len(browser.traffic.tests) == tests + 1, "one request tells all that is held"


def test_one_file_pauses_while_another_goes_on(server, under_way, file, tmp_path):
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


def test_the_bar_never_goes_back(server, under_way, file):
    browser = under_way
    browser.script(
        """window.shares = [];
        new MutationObserver(() => shares.push(Number(document.querySelector('[role=progressbar]').ariaValueNow)))
          .observe(document.querySelector('.progress'), { subtree: true, attributeFilter: ['aria-valuenow'] })"""
    )
    browser.click(".progress-pause-link")
    browser.click(".progress-resume-link")
    browser.slow_down(6 * MIB)
    browser.wait_for_states("done")
    wait_until(lambda: browser.percent() == 100, 5, "the bar is full")
    shares = browser.script("return shares")
    assert shares == sorted(shares) and shares[-1] == 100 and len(set(shares)) > 3


def test_speed_and_time_left_are_told(under_way, file):
    browser = under_way
    wait_until(lambda: "left" in browser.text(".progress-text"), 20, "the whole has a time left")
    wait_until(lambda: "left" in browser.rows()[0]["text"], 20, "the file has a time left")
    row = browser.rows()[0]["text"]
    assert "12.6 MB" in row and "MB/s" in row and "Uploading" in row
    assert browser.driver.title.split("%")[0].isdigit(), "the tab tells how far it is"


def test_a_cancelled_file_stops_and_can_be_taken_up_again(server, under_way, file):
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


def test_files_are_taken_off_the_list(browser, tmp_path):
    files = [tmp_path / f"{number}.txt" for number in range(3)]
    for path in files:
        path.write_text(path.name)
    browser.open().pick(*files)
    browser.wait_for_states("done", "done", "done")
    browser.press("remove", "1.txt")
    assert [row["name"] for row in browser.rows()] == ["0.txt", "2.txt"]
    browser.click(".uploader-clear")
    wait_until(lambda: not browser.visible(".uploader-list, .progress"), 5, "the empty list goes away")
    assert (browser.whole(), browser.rows()) == ("idle", [])


def test_everything_is_cancelled_by_a_program(server, under_way, file):
    browser = under_way
    browser.script("uploader.resumable.cancel()")
    browser.wait_for_states("cancelled")
    assert browser.whole() == "idle"


def test_leaving_asks_only_while_something_is_under_way(server, tmp_path, file):
    with open_browser(server, tmp_path / "profile", answers_questions=False) as browser:
        browser.open().slow_down(SLOW)
        browser.pick(file)
        wait_until(lambda: browser.whole() == "uploading", 10, "the upload is under way")
        leave = "setTimeout(() => location.assign('/resumable?left'))"
        # A browser asks only where somebody has used the page.
        browser.click("h1")

        def question():
            try:
                return browser.driver.switch_to.alert
            except NoAlertPresentException:
                return None

        browser.script(leave)
        wait_until(question, 10, "the browser asks").dismiss()
        assert browser.driver.current_url.endswith("/resumable") and browser.whole() == "uploading"

        browser.click(".progress-pause-link")
        browser.script(leave)
        wait_until(question, 10, "what is paused is not finished either").dismiss()

        browser.full_speed()
        browser.click(".progress-resume-link")
        browser.wait_for_states("done")
        browser.take_coverage()
        browser.script(leave)
        wait_until(lambda: browser.driver.current_url.endswith("?left"), 10, "it leaves without a question")
