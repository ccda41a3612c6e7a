"""The words of the page while the server is away, and how an upload has ended, in a real Chromium."""

import re
import time

import pytest

from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

SLOW = 2 * MIB
BANNER = ".uploader-trouble"

# Records all texts that the page shows about the upload, with the time in seconds.
RECORD = """
    window.shown = [];
    const began = performance.now();
    setInterval(() => {
      const texts = ['.progress-text', '.uploader-trouble', '.uploader-item']
        .map((selector) => document.querySelector(selector)?.innerText ?? '');
      shown.push([(performance.now() - began) / 1000, document.title, ...texts]);
    }, 50);
"""

# The page does not check the server by itself, and its retries are a minute apart.
NO_CHECKS = "Object.assign(uploader.resumable.opts, { chunkRetryInterval: 60000, testChunks: false })"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "video.bin"
    path.write_bytes(random_bytes(12 * MIB, seed=41))
    return path


@pytest.fixture
def under_way(browser, file):
    browser.open().slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 3, 30, "the first chunks are stored")
    return browser


def has_pace(text: str) -> bool:
    return "/s" in text or " left" in text


def arrived(server, file) -> bool:
    return server.finished_files() == [file.name] and (server.root / file.name).read_bytes() == file.read_bytes()


def test_an_interruption_has_a_reason_a_countdown_and_no_speed(server, under_way, file):
    browser = under_way
    wait_until(lambda: has_pace(browser.rows()[0]["text"]), 10, "the row has a speed")
    server.stop_program()
    # The network is fast: chunks leave the browser at once, and the proxy answers 502.
    browser.full_speed()
    browser.wait_for_states("retrying")
    wait_until(lambda: browser.visible(BANNER), 5, "the banner is shown")
    browser.script(RECORD)
    time.sleep(12)
    shown = browser.script("return shown")
    assert len(shown) > 100
    for at, title, whole, banner, row in shown:
        assert not has_pace(whole) and not has_pace(row), (at, whole, row)
        assert "Interrupted" in whole and "Interrupted, trying again" in row, (at, whole, row)
        assert "The server is not available at the moment." in banner and "Try now" in banner, (at, banner)
        assert title.startswith("Interrupted at ") and title.endswith("% – Upload files"), (at, title)
    counted = {int(number) for _, _, _, banner, _ in shown for number in re.findall(r"again in (\d+)\ss", banner)}
    assert len(counted) >= 3 and max(counted) <= 15, counted
    assert browser.rows()[0]["message"] == "The server is not available at the moment."
    browser.screenshot("trouble-server-stopped")

    server.start_program()
    began = time.monotonic()
    wait_until(lambda: browser.states() == ["done"], 15, "the upload continues soon after the server is back")
    assert time.monotonic() - began < 15
    wait_until(lambda: not browser.visible(BANNER), 5, "the banner is gone")
    assert arrived(server, file)
    assert browser.traffic.read().sent_again == []
    last = [whole for _, _, whole, _, _ in browser.script("return shown")]
    assert not any(re.search(r"\d h ", whole) for whole in last), "no remaining time of hours after the interruption"


def test_a_server_that_is_away_for_long_is_asked_by_small_requests(server, under_way):
    browser = under_way
    server.stop_program()
    browser.full_speed()
    browser.wait_for_states("retrying")
    time.sleep(2)
    tests, began = len(browser.traffic.read().tests), time.monotonic()
    wait_until(lambda: len(browser.traffic.read().tests) >= tests + 2, 30, "the page asks by tests")
    assert time.monotonic() - began < 25
    server.start_program()
    browser.wait_for_states("done", seconds=15)


def test_try_now_does_not_wait(server, browser, file):
    browser.open().script(NO_CHECKS)
    server.stop_program()
    browser.pick(file)
    browser.wait_for_states("retrying")
    wait_until(lambda: "Trying again in" in browser.text(BANNER), 5, "the next try is far away")
    server.start_program()
    time.sleep(1)
    assert browser.states() == ["retrying"]
    browser.click(".uploader-now")
    browser.wait_for_states("done", seconds=10)
    assert arrived(server, file)


def test_try_now_is_in_the_row_too(server, browser, file):
    browser.open().script(NO_CHECKS)
    server.stop_program()
    browser.pick(file)
    browser.wait_for_states("retrying")
    server.start_program()
    browser.press("now", file.name)
    browser.wait_for_states("done", seconds=10)


def test_rows_with_nothing_in_flight_say_waiting(browser, tmp_path):
    files = [tmp_path / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(files):
        path.write_bytes(random_bytes(4 * MIB, seed=number))
    browser.open().slow_down(MIB)
    browser.pick(*files)
    wait_until(lambda: "uploading" in browser.states(), 10, "the first is uploaded")
    for _ in range(20):
        busy = browser.script("return uploader.resumable.files.map((file) => file.isUploading())")
        rows = {row["name"]: row for row in browser.rows()}
        for file, is_busy in zip(files, busy, strict=True):
            row = rows[file.name]
            if not is_busy and row["state"] == "queued":
                assert "Waiting" in row["text"] and not has_pace(row["text"])
        time.sleep(0.1)
    states = browser.states()
    assert states.count("queued") >= 2 and states.count("uploading") <= 3


def test_a_mixed_ending_is_told_as_it_is(server, browser, tmp_path):
    server.stop_program()
    server.start_program("--max-file-size", "10")
    for number in range(2):
        (tmp_path / f"good-{number}.txt").write_text(f"good {number}")
        (tmp_path / f"bad-{number}.txt").write_text(f"more than ten bytes: {number}")
    browser.open().pick(*sorted(tmp_path.glob("*.txt")))
    wait_until(lambda: browser.whole() == "done", 10, "everything has ended")
    wait_until(lambda: browser.text(".progress-text") == "2 uploaded, 2 failed", 5, "the text says so")
    assert browser.title() == "2 uploaded, 2 failed – Upload files"
    colors = "return getComputedStyle(document.querySelector('.progress-bar')).backgroundColor"
    mixed = browser.script(colors)
    browser.screenshot("ending-mixed")
    for name in ("bad-0.txt", "bad-1.txt"):
        browser.press("remove", name)
    wait_until(lambda: browser.text(".progress-text") == "100%", 5, "only what was uploaded is left")
    assert browser.title() == "2 uploaded – Upload files"
    assert browser.script(colors) != mixed, "a mixed ending does not look like success"
