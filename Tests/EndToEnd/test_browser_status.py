"""The status page for operators: it follows the program's uploads, and shows names as text only."""

import pytest

from support.browser import open_browser
from support.client import layout, parameters, random_bytes
from support.server import wait_until
from test_browser_access import look

pytestmark = pytest.mark.browser

CHUNK = 64 * 1024
DATA = random_bytes(4 * CHUNK, seed=6)
CHUNKS = layout(len(DATA), CHUNK, False)
HOSTILE = '<img src=x onerror=document.title="owned"> & "quoted".bin'


def send(client, number: int, name: str) -> None:
    chunk = CHUNKS[number - 1]
    fields = parameters(chunk, identifier="i", filename=name, size=len(DATA), chunk_size=CHUNK)
    assert client.send(fields, DATA[chunk.start : chunk.end]).status == 200


def rows(browser) -> list[list]:
    """Name, percentage, and position of the bar."""
    return browser.script(
        """return [...document.querySelectorAll('.upload')].map(row => {
             const bar = row.querySelector('progress');
             return [row.querySelector('.name').textContent, row.querySelector('.share').textContent, bar.position];
           })"""
    )


def expect(browser, wanted: list[list]) -> None:
    wait_until(lambda: rows(browser) == wanted, 10, f"the page shows {wanted}")


def test_the_page_follows_the_uploads(browser, client):
    browser.open("/resumable/status")
    wait_until(lambda: browser.text(".count") == "No uploads under way.", 10, "it says that there are no uploads")
    send(client, 1, HOSTILE)
    expect(browser, [[HOSTILE, "25%", 0.25]])
    assert browser.text(".count") == "1 upload under way."
    # A name with a control character for the writing direction shows it.
    send(client, 1, "photo\u202egnp.exe")
    send(client, 2, HOSTILE)
    expect(browser, [[HOSTILE, "50%", 0.5], ["photo\ufffdgnp.exe", "25%", 0.25]])
    # Of one that sends four parameters nobody knows the size.
    fields = {"resumableChunkNumber": "2", "resumableTotalChunks": "5"}
    fields |= {"resumableIdentifier": "x", "resumableFilename": "x"}
    assert client.send(fields, DATA[:CHUNK]).status == 200
    expect(browser, [[HOSTILE, "50%", 0.5], ["photo\ufffdgnp.exe", "25%", 0.25], ["x", "", -1]])
    for number in (3, 4):
        send(client, number, HOSTILE)
    expect(browser, [["photo\ufffdgnp.exe", "25%", 0.25], ["x", "", -1]])
    assert browser.title() == "Uploads under way"
    assert browser.script("return document.querySelector('main img')") is None


def test_the_page_says_when_it_hears_nothing(browser, server, client):
    send(client, 1, "a.bin")
    browser.open("/resumable/status")
    expect(browser, [["a.bin", "25%", 0.25]])
    server.stop_program()
    wait_until(lambda: "The server answers 50" in browser.text(".trouble[role]"), 15, "it says that it may be old")
    assert rows(browser) == [["a.bin", "25%", 0.25]]
    server.start_program()
    wait_until(lambda: not browser.visible(".trouble[role]"), 15, "the report is gone")


def test_the_page_is_in_the_language_of_its_reader(server, client, tmp_path):
    with open_browser(server, tmp_path / "profile", language="zh-CN") as browser:
        browser.open("/resumable/status")
        wait_until(lambda: browser.text(".count") == "没有正在进行的上传。", 10, "there are no uploads")
        send(client, 1, "会议.pdf")
        expect(browser, [["会议.pdf", "25%", 0.25]])
        send(client, 2, "会议.pdf")
        expect(browser, [["会议.pdf", "50%", 0.5]])
        facts = browser.script("return [...document.querySelectorAll('.facts span')].map((fact) => fact.textContent)")
        assert facts[0] == "131 kB / 262 kB" and facts[1].endswith("/\u2060秒") and facts[-1].startswith("开始于 ")
        assert browser.text(".count") == "1 个上传正在进行。"
        assert browser.text("h1") == browser.title() == "正在进行的上传"
        send(client, 1, "另一个.pdf")
        wait_until(lambda: browser.text(".count") == "2 个上传正在进行。", 10, "there are two")
        server.stop_program()
        wait_until(lambda: "服务器返回状态码 50" in browser.text(".trouble[role]"), 15, "it says that it may be old")
        english = "return document.querySelector('main').innerText.replace(/kB|[kMGT]?B|pdf/g, '').match(/[a-z]{2,}/i)"
        assert browser.script(english) is None, "no English is left"
        server.start_program()
        wait_until(lambda: not browser.visible(".trouble[role]"), 15, "the report is gone")
        assert browser.script("return document.documentElement.lang") == "zh-Hans"
        browser.screenshot("status-zh")


def test_axe_finds_no_barrier_in_the_status_page(browser, client):
    names = ["会议记录.pdf", "archive-of-everything_" * 8 + ".zip", "Holiday in the mountains, second day.mp4"]
    for index, name in enumerate(names):
        for number in range(1, index + 2):
            send(client, number, name)
    browser.open("/resumable/status")
    wait_until(lambda: len(rows(browser)) == 3, 10, "all uploads are listed")
    look(browser, "status")
