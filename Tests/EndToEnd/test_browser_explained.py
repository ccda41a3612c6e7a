"""Nothing that a user gives to the page is ignored in silence, in a real Chromium: drops beside the drop area, empty
folders, files that cannot be read, files that are there already."""

import pytest

from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser


def notices(browser) -> list[str]:
    return browser.script(
        "return [...document.querySelectorAll('.uploader-notice span')].map((notice) => notice.textContent)"
    )


def expect_notices(browser, *wanted: str) -> None:
    wait_until(lambda: notices(browser) == list(wanted), 10, f"the page says {wanted}, not {notices(browser)}")


def is_lit(browser) -> bool:
    """The drop area shows that a drop is taken."""
    return browser.script("return document.querySelector('.dragover .resumable-drop') !== null")


def test_the_whole_page_takes_drops(server, browser, tmp_path):
    for name in ("beside.txt", "inside.txt"):
        (tmp_path / name).write_text(name)
    browser.open()
    browser.drag("dragEnter", tmp_path / "beside.txt", over="h1")
    wait_until(lambda: is_lit(browser), 5, "the drop area lights up, wherever the file is")
    browser.drop(tmp_path / "beside.txt", over="h1")
    browser.wait_for_states("done")
    assert not is_lit(browser)
    browser.drop(tmp_path / "inside.txt")
    browser.wait_for_states("done", "done")
    assert not is_lit(browser)
    assert server.finished_files() == ["beside.txt", "inside.txt"]


def test_empty_folders_are_named(server, browser, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "deep").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("a")
    browser.open().drop(tmp_path / "empty", tmp_path / "full", tmp_path / "nested")
    browser.wait_for_states("done")
    expect_notices(browser, "The folder empty contains no files.", "The folder nested contains no files.")


def test_many_empty_folders_have_one_message(browser, tmp_path):
    folders = [tmp_path / f"empty-{number}" for number in range(7)]
    for folder in folders:
        folder.mkdir()
    browser.open().drop(*folders)
    expect_notices(browser, "7 folders contain no files: empty-0, empty-1, empty-2, ….")


@pytest.mark.needs("drag from outside")
def test_a_dropped_path_that_does_not_exist_is_named(server, browser, tmp_path):
    (tmp_path / "there.txt").write_text("there")
    browser.open().drop(tmp_path / "gone.txt")
    expect_notices(browser, "gone.txt cannot be read and was not added.")
    browser.drop(tmp_path / "there.txt", tmp_path / "other.txt")
    browser.wait_for_states("done")
    expect_notices(
        browser, "gone.txt cannot be read and was not added.", "other.txt cannot be read and was not added."
    )
    assert server.finished_files() == ["there.txt"]


def test_a_file_that_is_on_the_list_is_named(browser, tmp_path):
    files = [tmp_path / f"{number}.bin" for number in range(4)]
    for number, path in enumerate(files):
        path.write_bytes(random_bytes(4 * MIB, seed=number))
    browser.open().slow_down(MIB)
    browser.pick(*files)
    wait_until(lambda: len(browser.rows()) == 4, 5, "all are on the list")
    browser.pick(files[0])
    expect_notices(browser, "0.bin is already on the list.")
    browser.pick(*files)
    expect_notices(
        browser, "0.bin is already on the list.", "4 files are already on the list: 0.bin, 1.bin, 2.bin, …."
    )
    browser.full_speed()
    browser.wait_for_states("done", "done", "done", "done")
    browser.pick(files[1])
    wait_until(lambda: notices(browser)[-1] == "1.bin has already been uploaded.", 5, "it is done")


def test_a_file_that_the_server_has_is_told_as_such(server, browser, tmp_path):
    (tmp_path / "there.bin").write_bytes(random_bytes(MIB))
    browser.open().pick(tmp_path / "there.bin")
    browser.wait_for_states("done")
    assert "Uploaded" in browser.rows()[0]["text"]
    browser.reload()
    sent = len(browser.traffic.read().uploads)
    browser.pick(tmp_path / "there.bin")
    browser.wait_for_states("done")
    assert "Already on the server" in browser.rows()[0]["text"]
    assert len(browser.traffic.read().uploads) == sent


def test_a_failed_file_that_is_picked_again_is_tried_again(server, browser, tmp_path):
    file = tmp_path / "film.bin"
    file.write_bytes(random_bytes(4 * MIB))
    browser.open().slow_down(MIB)
    browser.pick(file)
    browser.wait_for_states("uploading")
    browser.click(".progress-pause-link")
    moved = file.rename(tmp_path / "moved.bin")
    browser.full_speed()
    browser.click(".progress-resume-link")
    browser.wait_for_states("failed", seconds=30)
    assert "The browser cannot read the file any more." in browser.rows()[0]["message"]
    moved.rename(file)
    browser.pick(file)
    browser.wait_for_states("done")
    assert notices(browser) == []
    assert (server.root / file.name).read_bytes() == file.read_bytes()
