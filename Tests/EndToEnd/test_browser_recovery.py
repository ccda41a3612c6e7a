"""Unfinished uploads after a crash, a restart of the browser or a reload: the page lists them, and they continue."""

import os

import pytest

from support.browser import open_browser
from support.client import MIB, random_bytes
from support.line import bytes_of, overlaps
from support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.core]

SIZE = 12 * MIB + 5


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "长片.mp4"
    path.write_bytes(random_bytes(SIZE, seed=12))
    return path


def begin(browser, give) -> list[range]:
    """Uploads a part of a file that `give` gives to the page. Returns the bytes that the server has confirmed."""
    browser.open().slow_down(2 * MIB)
    give()
    wait_until(lambda: len(browser.traffic.read().stored) >= 3, 30, "the first chunks are stored")
    wait_until(lambda: browser.remembered() >= 0.2, 10, "the progress is in the database")
    return browser.traffic.read().stored[:]


def keep_permission(browser) -> None:
    """Keeps the permission that a drop has given. After a reload the browser would ask for it, and a test cannot
    answer. It lasts while another tab of the site holds the file's handle."""
    page = browser.tab()
    browser.new_tab()
    browser.open("/resources/um/graphics/uploader/upload.svg")
    browser.async_script(
        """const done = arguments[0];
        indexedDB.open('resumable-recovery').onsuccess = ({ target }) => {
          const all = target.result.transaction('uploads').objectStore('uploads').getAll();
          all.onsuccess = () => { window.kept = all.result; target.result.close(); done(); };
        }"""
    )
    browser.go_to_tab(page)


def arrived(server, file) -> bool:
    return server.finished_files() == [file.name] and (server.root / file.name).read_bytes() == file.read_bytes()


@pytest.mark.needs("restart")
def test_after_a_crash_of_the_browser_the_upload_is_listed_and_asks_for_its_file(server, engine, tmp_path, file):
    with open_browser(server, tmp_path / "profile", engine) as browser:
        held = begin(browser, lambda: browser.pick(file))
        browser.crash()
    with open_browser(server, tmp_path / "profile", engine) as browser:
        browser.open()
        browser.wait_for_pending(file.name)
        share = int(browser.text(".pending-text").split("%")[0])
        assert 20 <= share < 100 and "12.6 MB" in browser.text(".pending-text")
        browser.screenshot("pending")

        # Another file is refused.
        (tmp_path / "other.mp4").write_text("other")
        browser.keep_dialogs_closed()
        browser.click(".pending-continue")
        browser.give_pending(tmp_path / "other.mp4")
        wait_until(lambda: browser.text(".pending-message"), 5, "the page says that it is another file")
        assert browser.text(".pending-message") == f"This is a different file. Choose {file.name}."

        browser.click(".pending-continue")
        browser.give_pending(file)
        browser.wait_for_states("done")
        assert browser.pending() == [] and not browser.visible(".pending")
        assert arrived(server, file)
        sent = browser.traffic.read().uploads.values()
        assert not any(overlaps(bytes_of(fields), held) for fields in sent), "held bytes are not sent again"
        browser.reload()
        browser.wait(700)
        assert browser.pending() == [], "a finished upload is not pending"


@pytest.mark.needs("drag from outside", "file handle")
def test_a_dropped_file_continues_with_one_click(server, browser, file):
    begin(browser, lambda: browser.drop(file))
    keep_permission(browser)
    browser.reload()
    browser.wait_for_pending(file.name)
    browser.full_speed()
    browser.click(".pending-continue")
    browser.wait_for_states("done")
    assert browser.pending() == [] and arrived(server, file)
    assert browser.traffic.read().sent_again == []


def test_a_pending_file_that_is_picked_like_a_new_one_continues(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.reload()
    browser.wait_for_pending(file.name)
    browser.full_speed()
    browser.pick(file)
    browser.wait_for_states("done")
    assert browser.pending() == [] and arrived(server, file)
    assert browser.traffic.read().sent_again == []


def test_a_file_that_has_changed_starts_from_the_beginning(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.reload()
    browser.wait_for_pending(file.name)
    file.write_bytes(random_bytes(SIZE, seed=13))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    browser.keep_dialogs_closed()
    browser.full_speed()
    browser.click(".pending-continue")
    browser.give_pending(file)
    browser.wait_for_states("done")
    assert "has changed since then" in browser.text(".uploader-notice")
    assert arrived(server, file)


@pytest.mark.needs("drag from outside", "file handle")
def test_a_dropped_file_that_was_moved_has_to_be_chosen_again(server, browser, file, tmp_path):
    begin(browser, lambda: browser.drop(file))
    keep_permission(browser)
    browser.reload()
    browser.wait_for_pending(file.name)
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / file.name)
    browser.full_speed()
    browser.keep_dialogs_closed()
    browser.click(".pending-continue")
    wait_until(lambda: browser.text(".pending-message"), 10, "the page asks for the file")
    assert file.name in browser.text(".pending-message")
    browser.click(".pending-continue")
    browser.give_pending(moved)
    browser.wait_for_states("done")
    assert arrived(server, moved)


def drop_folder(browser, folder, count: int) -> None:
    """Drops a folder of 2 MiB files, and waits until the browser remembers all of them with their handles."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(random_bytes(2 * MIB, seed=number))
    browser.open().slow_down(MIB // 4)
    browser.drop(folder)
    wait_until(lambda: browser.remembered_handles() == count, 10, "all handles are in the database")
    browser.script("uploader.pause()")
    keep_permission(browser)
    browser.reload()
    browser.full_speed()
    wait_until(lambda: browser.visible(".pending-group"), 10, "the folder is one row")


@pytest.mark.needs("drag from outside", "file handle")
def test_a_dropped_folder_continues_with_one_click(server, browser, tmp_path):
    drop_folder(browser, tmp_path / "album", 3)
    browser.click(".pending-continue-all")
    browser.wait_for_states("done", "done", "done")
    assert browser.pending() == [] and server.finished_files() == ["0.bin", "1.bin", "2.bin"]


@pytest.mark.needs("drag from outside", "file handle")
def test_a_dropped_folder_that_was_moved_has_to_be_chosen_again(server, browser, tmp_path):
    drop_folder(browser, tmp_path / "album", 3)
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "album").rename(tmp_path / "elsewhere" / "album")
    (moved / "1.bin").unlink()
    browser.click(".pending-continue-all")
    message = ".pending-group > .pending-main .pending-message"
    wait_until(lambda: "album" in browser.text(message), 10, "the page asks for the folder")
    browser.keep_dialogs_closed()
    browser.click(".pending-continue-all")
    assert browser.text(".pending-dialog-title") == "Choose the folder album again"
    browser.click(".pending-dialog-choose")
    browser.engine.set_folder(".pending input[webkitdirectory]", moved)
    browser.wait_for_states("done", "done")
    wait_until(lambda: "album" in browser.text(message) and "1" in browser.text(message), 5, "one file is not there")
    assert browser.pending() == ["album", "1.bin"]
    browser.click(".pending-forget-all")
    browser.wait_for_pending()
    browser.reload()
    browser.wait(700)
    assert browser.pending() == []


def test_a_forgotten_upload_does_not_come_back(server, browser, tmp_path):
    files = [tmp_path / name for name in ("one.bin", "two.bin")]
    for number, path in enumerate(files):
        path.write_bytes(random_bytes(SIZE, seed=number))
    begin(browser, lambda: browser.pick(*files))
    browser.reload()
    browser.wait_for_pending("one.bin", "two.bin")
    browser.click(".pending-item[data-name='one.bin'] .pending-forget")
    browser.wait_for_pending("two.bin")
    focus = browser.script("return document.activeElement.ariaLabel")
    assert focus == "Continue: two.bin", "the focus moves to the next one"
    browser.reload()
    browser.wait_for_pending("two.bin")
    browser.click(".pending-forget")
    browser.wait_for_pending()
    assert browser.script("return document.activeElement.className") == "resumable-browse"
    assert not browser.visible(".pending")


def test_an_active_upload_is_not_pending_in_another_tab(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.new_tab()
    browser.open()
    browser.wait(1500)
    assert browser.pending() == []


@pytest.mark.needs("file handle")
def test_a_file_from_the_browsers_picker_continues_with_one_click(server, browser):
    # The dialogue belongs to the system and returns handles. This is a real handle from the page's own storage.
    browser.open().slow_down(2 * MIB)
    browser.async_script(
        """const done = arguments[0];
        (async () => {
          const folder = await navigator.storage.getDirectory();
          const handle = await folder.getFileHandle('chosen.bin', { create: true });
          const writer = await handle.createWritable();
          await writer.write(new Uint8Array(6 * 1048576).fill(7));
          await writer.close();
          window.showOpenFilePicker = async () => [handle];
        })().then(done)"""
    )
    browser.click(".resumable-browse")
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    browser.reload()
    browser.wait_for_pending("chosen.bin")
    browser.full_speed()
    browser.click(".pending-continue")
    browser.wait_for_states("done")
    assert (server.root / "chosen.bin").read_bytes() == bytes([7]) * 6 * MIB
    browser.script("window.showOpenFilePicker = async () => { throw new DOMException('', 'AbortError'); }")
    browser.click(".resumable-browse")
    assert browser.states() == ["done"]
