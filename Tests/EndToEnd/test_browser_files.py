"""All ways to give files to the page: picked, dropped, pasted, in folders, many, and huge."""

import hashlib
import os
import pathlib

import pytest

from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

# A picture is the only file that a page may put into the clipboard.
COPY_A_PICTURE = """(async () => {
    const canvas = new OffscreenCanvas(64, 48);
    canvas.getContext('2d').fillRect(8, 8, 20, 20);
    await navigator.clipboard.write([new ClipboardItem({ 'image/png': await canvas.convertToBlob() })]);
})()"""


def sha256(path: pathlib.Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(folder: pathlib.Path) -> dict[str, bytes]:
    """Makes a folder with folders and an empty file in it. Returns names and contents."""
    files = {"one.txt": b"1", "deep/two.txt": b"22", "deep/deeper/三.txt": b"333", "deep/empty.txt": b""}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return {pathlib.PurePath(name).name: content for name, content in files.items()}


def arrived(server) -> dict[str, bytes]:
    return {name: (server.root / name).read_bytes() for name in server.finished_files()}


@pytest.mark.core
def test_picked_files_arrive(server, browser, tmp_path):
    files = {"a b.txt": b"one", "影片.bin": random_bytes(3 * MIB + 1), "empty": b""}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    browser.open().pick(*(tmp_path / name for name in files))
    browser.wait_for_states("done", "done", "done")
    assert arrived(server) == files
    assert browser.text(".uploader-summary-text") == "3 of 3 files uploaded"


@pytest.mark.core
def test_a_file_that_is_picked_again_is_not_sent_again(server, browser, tmp_path):
    (tmp_path / "once.txt").write_bytes(b"once")
    browser.open().pick(tmp_path / "once.txt")
    browser.wait_for_states("done")
    browser.pick(tmp_path / "once.txt")
    wait_until(lambda: browser.text(".uploader-notice"), 10, "the page says why nothing happens")
    assert browser.text(".uploader-notice span") == "once.txt has already been uploaded."
    assert len(browser.traffic.read().uploads) == 1
    browser.click(".uploader-notice button")
    assert not browser.visible(".uploader-notice")


@pytest.mark.core
def test_a_dropped_file_arrives_and_the_drop_zone_is_highlighted(server, browser, tmp_path):
    (tmp_path / "dropped.bin").write_bytes(random_bytes(MIB))
    browser.open()

    def is_highlighted() -> bool:
        return browser.script("return document.documentElement.classList.contains('dragover')")

    browser.drag("dragEnter", tmp_path / "dropped.bin")
    wait_until(is_highlighted, 5, "the page is highlighted")
    browser.drop(tmp_path / "dropped.bin")
    browser.wait_for_states("done")
    assert not is_highlighted()
    assert arrived(server) == {"dropped.bin": random_bytes(MIB)}


@pytest.mark.needs("drag from outside")
def test_a_file_dropped_beside_the_drop_zone_does_not_replace_the_page(browser, tmp_path):
    (tmp_path / "missed.txt").write_bytes(b"missed")
    browser.open()
    page = browser.url()
    browser.drop(tmp_path / "missed.txt", over="h1")
    browser.drop(tmp_path / "missed.txt")
    browser.wait_for_states("done")
    assert browser.url() == page


@pytest.mark.needs("drag from outside")
def test_a_dropped_folder_arrives_with_all_its_files(server, browser, tmp_path):
    files = make_folder(tmp_path / "album")
    browser.open().drop(tmp_path / "album")
    browser.wait_for_states(*["done"] * len(files))
    assert arrived(server) == files
    paths = {fields["resumableRelativePath"] for fields in browser.traffic.read().uploads.values()}
    assert paths == {"album/one.txt", "album/deep/two.txt", "album/deep/deeper/三.txt", "album/deep/empty.txt"}


@pytest.mark.needs("pick folder")
@pytest.mark.core
def test_a_picked_folder_arrives_with_all_its_files(server, browser, tmp_path):
    files = make_folder(tmp_path / "album")
    browser.open().pick_folder(tmp_path / "album")
    browser.wait_for_states(*["done"] * len(files))
    assert arrived(server) == files
    paths = {fields["resumableRelativePath"] for fields in browser.traffic.read().uploads.values()}
    assert "album/deep/deeper/三.txt" in paths


@pytest.mark.needs("drag from outside")
def test_files_of_the_same_name_in_different_folders_all_arrive(server, browser, tmp_path):
    for folder in ("red", "blue"):
        (tmp_path / "album" / folder).mkdir(parents=True)
        (tmp_path / "album" / folder / "photo.txt").write_text(folder)
    browser.open().drop(tmp_path / "album")
    browser.wait_for_states("done", "done")
    assert sorted(arrived(server).values()) == [b"blue", b"red"]


@pytest.mark.needs("paste")
def test_a_pasted_picture_arrives(server, browser):
    browser.open().paste(COPY_A_PICTURE)
    browser.wait_for_states("done")
    [picture] = arrived(server).values()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.needs("paste")
def test_pasted_text_adds_no_file(browser):
    browser.open().script("window.pasted = 0; document.addEventListener('paste', () => { pasted += 1; })")
    browser.paste("navigator.clipboard.writeText('words')")
    wait_until(lambda: browser.script("return pasted"), 5, "the text is pasted")
    assert (browser.whole(), browser.rows(), browser.text(".uploader-notice")) == ("idle", [], "")


@pytest.mark.core
def test_two_tabs_with_the_same_file_make_one_file(server, browser, tmp_path):
    data = random_bytes(6 * MIB + 7, seed=2)
    (tmp_path / "twice.bin").write_bytes(data)
    tabs = []
    for tab in range(2):
        if tab:
            browser.new_tab()
        tabs.append(browser.tab())
        browser.open().slow_down(4 * MIB)
    for tab in tabs:
        browser.go_to_tab(tab)
        browser.pick(tmp_path / "twice.bin")
    for tab in tabs:
        browser.go_to_tab(tab)
        browser.wait_for_states("done")
    assert arrived(server) == {"twice.bin": data}


@pytest.mark.needs("pick folder")
def test_two_thousand_small_files_arrive_and_the_page_stays_responsive(server, browser, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2000):
        (folder / f"{number:04}.txt").write_text(f"content of {number}")
    browser.open()
    # Measures the longest time without a reaction of the page, by the gaps of a timer.
    browser.script(
        """window.longestGap = 0;
        let last = performance.now();
        setInterval(() => {
          const now = performance.now();
          longestGap = Math.max(longestGap, now - last);
          last = now;
        }, 20)"""
    )
    browser.pick_folder(folder)
    wait_until(lambda: browser.whole() == "done", 120, "all are uploaded")
    wait_until(lambda: browser.list_data("done") == "2000", 5, "all are counted")
    assert (browser.list_data("files"), browser.list_data("failed")) == ("2000", "0")
    assert len(browser.rows()) <= 500, "a long list shows a bounded number of rows"
    assert browser.text(".uploader-summary-text").startswith("2000 of 2000 files uploaded")
    assert arrived(server) == {path.name: path.read_bytes() for path in folder.iterdir()}
    gap = browser.script("return longestGap")
    # A generous limit; work that grows with the square of the number of files takes longer.
    assert gap < 3000, f"the page did not react for {gap} ms"


def test_a_file_of_two_gibibytes_arrives(server, browser, tmp_path):
    # Sparse, with different bytes in each 64 MiB, so that a chunk in the wrong place changes the digest.
    with open(tmp_path / "large.bin", "wb") as file:
        file.truncate(2048 * MIB)
        for place in range(0, 2048, 64):
            os.pwrite(file.fileno(), random_bytes(4096, seed=place), place * MIB + place * 97)
    browser.open().pick(tmp_path / "large.bin")
    browser.wait_for_states("done", seconds=180)
    assert server.finished_files() == ["large.bin"]
    assert sha256(server.root / "large.bin") == sha256(tmp_path / "large.bin")
