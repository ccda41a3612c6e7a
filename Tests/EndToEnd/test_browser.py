"""The page in a real Chromium: a file is picked, paused, resumed, lost by a reload, picked again, and arrives.

What the browser sent comes from the browser's own record of its network traffic, so "no chunk twice" is what went over
the wire and not what the page believes.
"""

import hashlib
import json
import os
import pathlib
import urllib.parse

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from client import MIB, random_bytes
from server import wait_until

pytestmark = pytest.mark.browser

SIZE = 12 * MIB + 345
CHUNKS = 12
# Bytes a second while the test needs the upload to be under way: a chunk takes half a second.
SLOW = 2 * MIB
# What the page calls a file that the server has confirmed.
FINISHED = ("complete", "done", "success")


@pytest.fixture
def browser(tmp_path):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    # Chromium's own sandbox doesn't work for root, and /dev/shm is tiny in containers. All it sees is the loopback.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1000,800"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    # Debian's driver, named explicitly: Selenium would download one otherwise.
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        yield driver
    finally:
        if artefacts := os.environ.get("ARTEFACTS"):
            pathlib.Path(artefacts).mkdir(parents=True, exist_ok=True)
            driver.save_screenshot(f"{artefacts}/browser.png")
        driver.quit()


class Traffic:
    """The uploads that the browser has sent, by chunk."""

    def __init__(self, driver):
        self.driver = driver
        self.chunk_of_request: dict[str, int] = {}
        self.stored: list[int] = []
        self.sent_again: list[int] = []
        self.tests = 0

    def read(self) -> "Traffic":
        """Takes in what has happened since the last time."""
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            parameters = event["params"]
            if event["method"] == "Network.requestWillBeSent":
                self._request(parameters["requestId"], parameters["request"])
            elif event["method"] == "Network.responseReceived" and parameters["response"]["status"] == 200:
                chunk = self.chunk_of_request.get(parameters["requestId"])
                if chunk is not None:
                    self.stored.append(chunk)
        return self

    def _request(self, request_id: str, request: dict) -> None:
        url = urllib.parse.urlsplit(request["url"])
        if url.path not in ("/resumable_upload", "/api/photo/redeem-upload-token"):
            return
        if request["method"] == "POST":
            # As the original, our client repeats all parameters in the query string.
            chunk = int(urllib.parse.parse_qs(url.query)["resumableChunkNumber"][0])
            if chunk in self.stored:
                self.sent_again.append(chunk)
            self.chunk_of_request[request_id] = chunk
        else:
            self.tests += 1


def throttle(driver, bytes_per_second: int) -> None:
    conditions = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)


def pick(driver, file: pathlib.Path) -> None:
    """Gives the file to the page's file input; the upload begins by itself or with the resume link."""
    driver.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(file))
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, ".uploader-item"), 10, "the file is on the list")


def items(driver) -> list[str]:
    """The states of the files on the page's list."""
    return [item.get_attribute("data-state") for item in driver.find_elements(By.CSS_SELECTOR, ".uploader-item")]


def test_a_file_survives_pause_and_reload_and_no_chunk_is_sent_twice(server, browser, tmp_path):
    data = random_bytes(SIZE, seed=30)
    file = tmp_path / "影片 1.mp4"
    file.write_bytes(data)
    page = f"http://127.0.0.1:{server.port}/resumable"
    traffic = Traffic(browser)

    browser.get(page)
    throttle(browser, SLOW)
    pick(browser, file)
    wait_until(lambda: len(traffic.read().stored) >= 2, 30, "the first chunks are stored")

    browser.find_element(By.CSS_SELECTOR, ".progress-pause-link").click()
    # Chunks under way may still arrive; after that it has to be quiet. One slow chunk takes half a second.
    quiet = {"count": -1}

    def stands_still() -> bool:
        before, quiet["count"] = quiet["count"], len(server.access_log())
        browser.execute_async_script("setTimeout(arguments[0], 2000)")
        return before == quiet["count"]

    wait_until(stands_still, 20, "the upload pauses")
    paused_at = len(traffic.read().stored)
    assert 2 <= paused_at < CHUNKS and server.finished_files() == []

    browser.find_element(By.CSS_SELECTOR, ".progress-resume-link").click()
    wait_until(lambda: len(traffic.read().stored) >= paused_at + 2, 30, "the upload goes on")
    assert server.finished_files() == [], "the reload has to come in the middle"

    browser.refresh()
    traffic.read()
    kept = len(set(traffic.stored))
    throttle(browser, -1)
    pick(browser, file)
    wait_until(lambda: server.finished_files() == [file.name], 60, "the file is complete")
    wait_until(lambda: items(browser)[0] in FINISHED, 10, "the page says that it is done")

    assert hashlib.sha256((server.root / file.name).read_bytes()).digest() == hashlib.sha256(data).digest()
    traffic.read()
    assert traffic.sent_again == []
    assert kept >= paused_at + 2 and len(traffic.stored) == len(set(traffic.stored))
    assert len(items(browser)) == 1
    complaints = [entry for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]
    assert complaints == []
