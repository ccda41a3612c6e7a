"""Uploads that outlive the page: after a crash, a restart of the browser or a reload, they are listed and go on."""

import os

import pytest

from support.browser import open_browser
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

SIZE = 12 * MIB + 5


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "长片.mp4"
    path.write_bytes(random_bytes(SIZE, seed=12))
    return path


def begin(browser, give) -> set[int]:
    """Uploads a part of a file, which `give` gives to the page. Returns the chunks that the server has confirmed."""
    browser.open().slow_down(2 * MIB)
    give()
    wait_until(lambda: len(browser.traffic.read().stored) >= 3, 30, "the first chunks are stored")
    wait_until(lambda: browser.remembered() >= 0.2, 10, "progress is written down")
    return set(browser.traffic.read().stored)


def keep_permission(browser) -> None:
    """After a reload the browser asks whether the page may read a file of the disk again, and no test can answer that.
    Dropping has given the permission, and it stays as long as some tab of the site has the handle in its hands."""
    page = browser.driver.current_window_handle
    browser.new_tab()
    browser.open("/resources/um/graphics/uploader/upload.svg")
    browser.driver.execute_async_script(
        """const done = arguments[0];
        indexedDB.open('resumable-recovery').onsuccess = ({ target }) => {
          const all = target.result.transaction('uploads').objectStore('uploads').getAll();
          all.onsuccess = () => { window.kept = all.result; target.result.close(); done(); };
        }"""
    )
    browser.driver.switch_to.window(page)


def arrived(server, file) -> bool:
    return server.finished_files() == [file.name] and (server.root / file.name).read_bytes() == file.read_bytes()


def test_after_a_crash_of_the_browser_the_upload_is_listed_and_asks_for_its_file(server, tmp_path, file):
    with open_browser(server, tmp_path / "profile") as browser:
        held = begin(browser, lambda: browser.pick(file))
        browser.crash()
    with open_browser(server, tmp_path / "profile") as browser:
        browser.open()
        browser.wait_for_pending(file.name)
        share = int(browser.text(".pending-text").split("%")[0])
        assert 20 <= share < 100 and "12.6 MB" in browser.text(".pending-text")
        browser.screenshot("pending")

        # Another file is no answer.
        (tmp_path / "other.mp4").write_text("other")
        browser.cdp("Page.setInterceptFileChooserDialog", enabled=True)
        browser.click(".pending-continue")
        browser.give_pending(tmp_path / "other.mp4")
        wait_until(lambda: browser.text(".pending-message"), 5, "the page says that it is another file")
        assert browser.text(".pending-message") == f"That was another file. Choose {file.name}."

        browser.click(".pending-continue")
        browser.give_pending(file)
        browser.wait_for_states("done")
        assert browser.pending() == [] and not browser.visible(".pending")
        assert arrived(server, file)
        assert held.isdisjoint(browser.traffic.read().stored), "what was held is not sent again"
        browser.reload()
        browser.driver.execute_async_script("setTimeout(arguments[0], 700)")
        assert browser.pending() == [], "what is done is not pending"


def test_a_dropped_file_goes_on_with_one_click(server, browser, file):
    begin(browser, lambda: browser.drop(file))
    keep_permission(browser)
    browser.reload()
    browser.wait_for_pending(file.name)
    browser.full_speed()
    browser.click(".pending-continue")
    browser.wait_for_states("done")
    assert browser.pending() == [] and arrived(server, file)
    assert browser.traffic.read().sent_again == []


def test_a_pending_file_that_is_picked_as_any_other_goes_on(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.reload()
    browser.wait_for_pending(file.name)
    browser.full_speed()
    browser.pick(file)
    browser.wait_for_states("done")
    assert browser.pending() == [] and arrived(server, file)
    assert browser.traffic.read().sent_again == []


def test_a_file_that_has_changed_starts_afresh(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.reload()
    browser.wait_for_pending(file.name)
    file.write_bytes(random_bytes(SIZE, seed=13))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    browser.cdp("Page.setInterceptFileChooserDialog", enabled=True)
    browser.full_speed()
    browser.click(".pending-continue")
    browser.give_pending(file)
    browser.wait_for_states("done")
    assert "has changed since the last time" in browser.text(".uploader-notice")
    assert arrived(server, file)


def test_a_dropped_file_that_is_gone_is_asked_for(server, browser, file, tmp_path):
    begin(browser, lambda: browser.drop(file))
    keep_permission(browser)
    browser.reload()
    browser.wait_for_pending(file.name)
    (tmp_path / "elsewhere").mkdir()
    moved = file.rename(tmp_path / "elsewhere" / file.name)
    browser.full_speed()
    browser.cdp("Page.setInterceptFileChooserDialog", enabled=True)
    browser.click(".pending-continue")
    wait_until(lambda: browser.text(".pending-message"), 10, "the page says that it needs the file")
    assert file.name in browser.text(".pending-message")
    browser.click(".pending-continue")
    browser.give_pending(moved)
    browser.wait_for_states("done")
    assert arrived(server, moved)


def test_what_is_forgotten_does_not_come_back(server, browser, tmp_path):
    files = [tmp_path / name for name in ("one.bin", "two.bin")]
    for number, path in enumerate(files):
        path.write_bytes(random_bytes(SIZE, seed=number))
    begin(browser, lambda: browser.pick(*files))
    browser.reload()
    browser.wait_for_pending("one.bin", "two.bin")
    browser.click(".pending-item[data-name='one.bin'] .pending-forget")
    browser.wait_for_pending("two.bin")
    focus = browser.script("return document.activeElement.ariaLabel")
    assert focus == "Continue: two.bin", "the keyboard goes on with the next one"
    browser.reload()
    browser.wait_for_pending("two.bin")
    browser.click(".pending-forget")
    browser.wait_for_pending()
    assert browser.script("return document.activeElement.className") == "resumable-browse"
    assert not browser.visible(".pending")


def test_an_upload_of_a_living_tab_is_not_pending_in_another(server, browser, file):
    begin(browser, lambda: browser.pick(file))
    browser.new_tab()
    browser.open()
    browser.driver.execute_async_script("setTimeout(arguments[0], 1500)")
    assert browser.pending() == []


def test_the_browsers_picker_gives_files_that_go_on_by_themselves(server, browser):
    # The dialogue belongs to the system. What it gives are handles; this is a real one, of the page's own storage.
    browser.open().slow_down(2 * MIB)
    browser.driver.execute_async_script(
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
