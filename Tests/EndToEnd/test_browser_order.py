"""Order and room on the page, in a real Chromium: what runs comes first, the drop area makes room, folders are one row,
dialogs name what they ask for, and details that were typed are kept."""

import time

import pytest
from selenium.webdriver.common.keys import Keys

from support import pages
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser


def order(browser) -> list[tuple[str, str]]:
    """Name and state of each row, from top to bottom."""
    rows = browser.script(
        """return [...document.querySelectorAll('.uploader-item')]
          .sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top)
          .map((row) => [row.dataset.name, row.dataset.state])"""
    )
    return [tuple(row) for row in rows]


def make(folder, count: int, size: int) -> list:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{number:02}.bin" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(random_bytes(size, seed=number))
    return files


def test_what_runs_comes_first_and_what_waits_says_so(browser, tmp_path):
    files = make(tmp_path / "files", 8, 2 * MIB)
    browser.open().pick(*files[:4])
    browser.wait_for_states("done", "done", "done", "done")
    browser.slow_down(MIB)
    browser.pick(*files[4:])
    wait_until(lambda: "uploading" in browser.states(), 10, "the next ones run")

    def is_in_order() -> bool:
        ranks = {"uploading": 0, "retrying": 0, "queued": 1, "paused": 1}
        seen = [ranks.get(state, 2) for _, state in order(browser)]
        return seen == sorted(seen) and seen[0] == 0

    wait_until(is_in_order, 10, "what runs is on top, what is done at the end")
    waiting = [row["text"] for row in browser.rows() if row["state"] == "queued"]
    assert waiting and all("Waiting" in text for text in waiting)
    browser.full_speed()
    browser.wait_for_states(*["done"] * 8)
    wait_until(lambda: [name for name, _ in order(browser)] == [file.name for file in files], 10, "in order of adding")


def test_rows_do_not_move_under_the_pointer_and_keep_the_focus(browser, tmp_path):
    files = make(tmp_path / "files", 4, 4 * MIB)
    browser.open().slow_down(MIB // 2)
    browser.pick(*files)
    wait_until(lambda: browser.states().count("uploading") >= 1, 10, "some run")
    browser.press("pause", "00.bin")
    before = order(browser)
    # The pointer still rests on the button.
    time.sleep(2)
    assert [name for name, _ in order(browser)] == [name for name, _ in before], "the user has just pressed a button"
    wait_until(lambda: order(browser)[0][0] != "00.bin", 10, "later, running files are first")
    label = browser.script("return document.activeElement.getAttribute('aria-label')")
    assert label == "Resume: 00.bin", "the focus goes with its row"


# Brings a row to the lower edge of the window, which cuts its buttons through the middle, and presses one with a mouse.
# Returns the scroll position.
PRESS_AT_EDGE = """
  const row = document.querySelector(`.uploader-item[data-name="${arguments[0]}"]`);
  const button = row.querySelector(`[data-action=${arguments[1]}]`);
  document.body.style.paddingBlock = '100vh';
  const { top, height } = button.getBoundingClientRect();
  scrollTo({ top: scrollY + top + height / 2 - innerHeight, behavior: 'instant' });
  button.focus({ preventScroll: true });
  button.click();
  return scrollY;
"""


@pytest.mark.core
def test_the_page_does_not_scroll_when_a_button_is_replaced_or_its_row_goes(browser, tmp_path):
    files = make(tmp_path / "files", 3, 4 * MIB)
    browser.open().slow_down(MIB // 2)
    browser.pick(*files)
    browser.wait_for_states("uploading", "uploading", "uploading")
    for action, label in (("pause", "Resume: 01.bin"), ("cancel", "Try again: 01.bin")):
        before = browser.script(PRESS_AT_EDGE, "01.bin", action)
        focused = "return document.activeElement.getAttribute('aria-label') ?? document.activeElement.outerHTML"
        wait_until(lambda: browser.script(focused) == label, 5, f"the focus goes to {label}")
        browser.wait(200)
        assert browser.script("return scrollY") == before, f"after {action}"
    before = browser.script(PRESS_AT_EDGE, "01.bin", "remove")
    wait_until(lambda: len(browser.rows()) == 2, 5, "it is no longer on the list")
    browser.wait(200)
    assert browser.script("return scrollY") == before, "after remove"


def test_a_button_that_is_held_down_takes_its_click_when_the_server_goes(server, browser, tmp_path):
    files = make(tmp_path / "files", 3, 4 * MIB)
    browser.open().slow_down(MIB // 2)
    browser.pick(*files)
    browser.wait_for_states("uploading", "uploading", "uploading")
    browser.hold("[data-name='01.bin'] [data-action=cancel]")
    server.stop_program()
    browser.full_speed()
    browser.wait_for_states("retrying", "retrying", "retrying")
    # Longer than rows stay in their places after a movement of the pointer.
    browser.wait(2000)
    assert not browser.visible(".uploader-trouble"), "the list does not move"
    browser.let_go()
    browser.wait_for_states("retrying", "cancelled", "retrying")
    wait_until(lambda: browser.visible(".uploader-trouble"), 10, "the page says what is wrong")


def test_rows_of_many_small_files_change_places_once_a_second(browser, tmp_path):
    files = make(tmp_path / "files", 300, 10)
    browser.open().script(
        """window.moves = [];
        new MutationObserver((changes) => {
          const gone = new Set(changes.flatMap(({ removedNodes }) => [...removedNodes]));
          const back = changes.some(({ addedNodes }) => [...addedNodes].some((node) => gone.has(node)));
          if (back) moves.push(performance.now());
        }).observe(document.querySelector('.uploader-list'), { childList: true });"""
    )
    browser.slow_down(100_000)
    browser.pick(*files)
    wait_until(lambda: browser.list_data("done") == "300", 60, "all are uploaded")
    moves = browser.script("return moves")
    assert len(moves) > 2, "what has ended goes to the end while others run"
    gaps = [later - earlier for earlier, later in zip(moves, moves[1:])]
    assert min(gaps) > 950, gaps


def test_the_drop_area_makes_room(browser, tmp_path):
    def height() -> int:
        return browser.script("return document.querySelector('.resumable-drop').offsetHeight")

    [file] = make(tmp_path / "files", 1, 10)
    before = browser.open() and height()
    browser.pick(file)
    browser.wait_for_states("done")
    wait_until(lambda: height() < before / 2, 5, "the drop area is smaller")
    assert browser.visible(".resumable-browse")
    browser.click(".uploader-clear")
    wait_until(lambda: height() == before, 5, "without files it is large again")


FOLDER = ".uploader-folder[data-name=album]"


def folder(browser) -> dict:
    """The text of the folder's row."""
    return browser.script(
        """const row = document.querySelector(arguments[0]);
        return row && { state: row.querySelector('.uploader-folder-head').dataset.state,
          text: row.querySelector('.uploader-folder-head').innerText,
          actions: [...row.querySelectorAll('.uploader-folder-head button')].map((button) => button.dataset.action),
          files: row.querySelectorAll('.uploader-item').length };""",
        FOLDER,
    )


def press_for_folder(browser, action: str) -> None:
    browser.click(f"{FOLDER} .uploader-folder-head [data-action={action}]")


@pytest.mark.core
@pytest.mark.needs("pick folder")
def test_the_files_of_a_folder_are_one_row(server, browser, tmp_path):
    make(tmp_path / "album", 5, 2 * MIB)
    [single] = make(tmp_path / "other", 1, 1000)
    browser.open().slow_down(MIB // 4)
    browser.pick_folder(tmp_path / "album")
    # Engines list the files of a folder in orders of their own.
    wait_until(lambda: sorted(browser.states()) == ["queued"] * 2 + ["uploading"] * 3, 20, "three of five run")
    wait_until(lambda: folder(browser)["text"].count("Uploading") == 1, 5, "the row of the folder says so")
    shown = folder(browser)
    assert shown["state"] == "uploading" and shown["files"] == 5 and shown["actions"] == ["pause", "cancel"]
    assert "album" in shown["text"] and "10.5 MB" in shown["text"] and "0 of 5 files uploaded" in shown["text"]
    assert not browser.visible(".uploader-item"), "its files are folded"
    browser.screenshot("folder-uploading")

    press_for_folder(browser, "pause")
    browser.wait_for_states(*["paused"] * 5)
    assert folder(browser)["state"] == "paused" and folder(browser)["actions"] == ["resume", "cancel"]
    assert browser.script("return document.activeElement.dataset.action") == "resume", "the focus stays in the row"
    browser.click(f"{FOLDER} summary")
    assert browser.visible(".uploader-item")
    browser.press("cancel", "02.bin")
    wait_until(lambda: sorted(browser.states()) == ["cancelled"] + ["paused"] * 4, 5, "one is cancelled")
    browser.full_speed()
    browser.pick(single)
    press_for_folder(browser, "resume")
    wait_until(lambda: sorted(browser.states()) == ["cancelled"] + ["done"] * 5, 20, "the others are done")
    wait_until(lambda: folder(browser)["actions"] == ["remove"], 5, "the row of the folder says so")
    shown = folder(browser)
    assert shown["state"] == "done" and "4 uploaded, 1 cancelled" in shown["text"] and shown["actions"] == ["remove"]
    browser.screenshot("folder-done")
    press_for_folder(browser, "remove")
    wait_until(lambda: len(browser.rows()) == 2, 5, "the uploaded ones are removed")
    # One file of the folder is left, so it needs no folder.
    wait_until(lambda: folder(browser) is None, 5, "the row of the folder is gone")
    assert sorted(server.finished_files()) == ["00 (1).bin", "00.bin", "01.bin", "03.bin", "04.bin"]


@pytest.mark.needs("pick folder")
def test_a_folder_is_cancelled_and_tried_again(server, browser, tmp_path):
    make(tmp_path / "album", 4, 2 * MIB)
    browser.open().slow_down(MIB // 4)
    browser.pick_folder(tmp_path / "album")
    wait_until(lambda: sorted(browser.states()) == ["queued"] + ["uploading"] * 3, 20, "three of four run")
    wait_until(lambda: len(browser.traffic.read().uploads) == 3, 10, "their first chunks are being sent")
    press_for_folder(browser, "cancel")
    browser.wait_for_states(*["cancelled"] * 4)
    wait_until(lambda: "retry" in folder(browser)["actions"], 5, "the row of the folder says so")
    assert folder(browser)["actions"] == ["retry", "remove"] and "4 cancelled" in folder(browser)["text"]
    names = {fields["resumableFilename"] for fields in browser.traffic.read().uploads.values()}
    assert len(names) == 3, "no waiting file was started by the end of another one"
    browser.full_speed()
    press_for_folder(browser, "retry")
    browser.wait_for_states(*["done"] * 4)
    assert len(server.finished_files()) == 4


@pytest.mark.needs("pick folder")
def test_unfinished_uploads_of_a_folder_are_one_row(server, browser, tmp_path):
    make(tmp_path / "album", 6, MIB)
    [single] = make(tmp_path / "other", 1, 2 * MIB)
    browser.open().slow_down(MIB // 16)
    browser.pick_folder(tmp_path / "album")
    browser.pick(single)
    wait_until(lambda: browser.remembered() >= 0, 10, "the browser remembers what is under way")
    wait_until(lambda: len(browser.rows()) == 7, 10, "all are on the list")
    browser.script("uploader.pause()")
    time.sleep(1)
    browser.reload()
    browser.full_speed()
    wait_until(lambda: browser.visible(".pending-group"), 10, "the folder is one row")
    assert browser.text(".pending-group .pending-name") == "album"
    assert browser.text(".pending-continue-all") == "Continue all 6"
    assert "6 files" in browser.text(".pending-group > .pending-main .pending-text")
    assert not browser.visible(".pending-group .pending-item"), "its files are folded"
    browser.screenshot("pending-folder")

    browser.keep_dialogs_closed()
    browser.click(".pending-continue-all")
    wait_until(lambda: browser.visible(".pending-dialog"), 5, "the page names the folder")
    assert browser.text(".pending-dialog-title") == "Choose the folder album again"
    browser.screenshot("pending-dialog")
    browser.give_pending_folder(tmp_path / "album")
    browser.wait_for_states(*["done"] * 6)
    wait_until(lambda: not browser.visible(".pending-group"), 5, "the group is gone")
    assert not browser.visible(".pending-dialog")
    assert [name for name in server.finished_files()] == [f"{number:02}.bin" for number in range(6)]


def test_the_dialog_names_the_file_that_has_to_be_chosen_again(server, browser, tmp_path):
    [file] = make(tmp_path / "files", 1, 4 * MIB)
    browser.open().slow_down(MIB)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 1 and browser.remembered() >= 0, 20, "it is under way")
    browser.reload()
    browser.wait_for_pending(file.name)
    browser.keep_dialogs_closed()
    browser.click(".pending-continue")
    wait_until(lambda: browser.visible(".pending-dialog"), 5, "the page names the file")
    assert browser.text(".pending-dialog-title") == "Choose 00.bin again"
    assert "4.19 MB" in browser.text(".pending-dialog-text")
    browser.type(Keys.ESCAPE)
    wait_until(lambda: not browser.visible(".pending-dialog"), 5, "Escape closes it")
    assert browser.pending() == [file.name]
    browser.click(".pending-continue")
    browser.click(".pending-dialog-choose")
    browser.full_speed()
    browser.give_pending(file)
    browser.wait_for_states("done")
    assert (server.root / file.name).read_bytes() == file.read_bytes()


def test_typed_details_survive_escape(browser, tmp_path):
    files = make(tmp_path / "files", 2, 12 * MIB)
    browser.resize(1000, 1500)
    browser.open().slow_down(MIB // 2)
    browser.pick(*files)

    def title() -> str:
        return browser.script("return document.querySelector('.file-edit-container [name=title]').value")

    browser.press("edit", "00.bin")
    browser.fill(".file-edit-container [name=title]", "A long title")
    browser.type(Keys.ESCAPE)
    wait_until(lambda: "Details not saved" in browser.rows()[0]["text"], 5, "the row tells that they are not saved")
    browser.press("edit", "01.bin")
    assert title() == "", "another file has its own details"
    browser.fill(".file-edit-container [name=title]", "Another title")
    browser.press("edit", "00.bin")
    assert title() == "A long title"
    browser.click(".uploader-edit-save")
    wait_until(lambda: "A long title" in browser.rows()[0]["text"], 5, "they are saved")
    assert "not saved" not in browser.rows()[0]["text"]
    browser.press("edit", "01.bin")
    assert title() == "Another title"
    browser.click(".uploader-edit-cancel")
    browser.press("edit", "01.bin")
    assert title() == "", "Cancel drops them"


OWN_PAGE = """<!doctype html><html lang="de"><head><meta charset="utf-8"><title>Own</title></head><body>
<div class="drop">Drop <button class="browse resumable-browse" type="button">Browse</button></div>
<div class="progress"><div class="progress-bar"></div><span class="progress-text"></span></div>
<div class="list"></div><div class="edit"></div>
<script src="/resources/um/script/resumable.js"></script>
<script src="/resources/um/script/resumable-uploader.js"></script>
<script>const uploader = new ResumableUploader('', {}, '.browse', '.drop', '.progress', '.list', '.edit', {
  autoStart: false, language: 'de',
  words: { queued: 'Wartet', done: 'Hochgeladen', start: 'Hochladen', editTitle: 'Angaben zu {name}' } });</script>
</body></html>"""


@pytest.fixture
def own_page(server, browser, tmp_path):
    (tmp_path / "own.html").write_text(OWN_PAGE)
    pages.serve(server, {"/own": pages.file(tmp_path / "own.html", "text/html")})
    return browser.open("/own")


def test_without_auto_start_there_is_time_for_titles_and_the_page_has_its_own_words(server, own_page, tmp_path):
    browser = own_page
    files = make(tmp_path / "files", 2, 100_000)
    browser.pick(files[0])
    wait_until(lambda: browser.whole() == "ready", 5, "the upload waits for its start")
    browser.pick(files[1])
    browser.wait_for_states("queued", "queued")
    time.sleep(1)
    assert not browser.traffic.read().tests and not browser.traffic.uploads, "nothing was sent"
    assert "Wartet" in browser.rows()[0]["text"] and "100 kB" in browser.rows()[0]["text"]
    assert browser.text(".uploader-start") == "Hochladen"
    browser.press("edit", "00.bin")
    assert browser.text(".uploader-edit-title") == "Angaben zu 00.bin"
    browser.fill("[name=title]", "Erster")
    browser.click(".uploader-edit-save")
    browser.press("pause", "01.bin")
    browser.wait_for_states("queued", "paused")
    browser.press("resume", "01.bin")
    browser.wait_for_states("queued", "queued")
    time.sleep(0.5)
    assert browser.whole() == "ready" and not browser.traffic.read().tests, "only the button starts the upload"
    browser.click(".uploader-start")
    browser.wait_for_states("done", "done")
    assert "Hochgeladen" in browser.rows()[0]["text"]
    assert not browser.visible(".uploader-start")
    told = {sent["resumableFilename"]: sent.get("title") for sent in browser.traffic.read().uploads.values()}
    assert told == {"00.bin": "Erster", "01.bin": None}
    assert browser.script("return document.querySelector('.list').lang") == "de"

    # The next files wait again.
    third = tmp_path / "files" / "third.bin"
    third.write_bytes(random_bytes(1000))
    browser.pick(third)
    wait_until(lambda: browser.whole() == "ready", 5, "the next upload waits for its start, too")
    browser.click(".uploader-start")
    browser.wait_for_states("done", "done", "done")
    assert "third.bin" in server.finished_files()
