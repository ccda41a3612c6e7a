"""What the page knows of each file, in a real Chromium: its details, which travel with the chunks, and its picture."""

import pytest

from support.client import MIB, random_bytes
from support.media import png, record_film
from support.server import wait_until

pytestmark = pytest.mark.browser

RED, GREEN, BLUE = (200, 30, 40), (30, 160, 60), (40, 60, 200)

# Counts what is made of files and what is given back, before any script of the page runs.
COUNT_ADDRESSES = """{
    window.addresses = new Set();
    const { createObjectURL, revokeObjectURL } = URL;
    URL.createObjectURL = (what) => { const made = createObjectURL.call(URL, what); addresses.add(made); return made; };
    URL.revokeObjectURL = (address) => { addresses.delete(address); revokeObjectURL.call(URL, address); };
    window.bitmaps = { made: 0, closed: 0 };
    const make = createImageBitmap;
    window.createImageBitmap = (...all) => make(...all).then((bitmap) => { bitmaps.made += 1; return bitmap; });
    const { close } = ImageBitmap.prototype;
    ImageBitmap.prototype.close = function () { bitmaps.closed += 1; close.call(this); };
    window.wholeReads = [];
    for (const way of ['arrayBuffer', 'text', 'stream', 'bytes']) {
      const read = Blob.prototype[way];
      if (read) Blob.prototype[way] = function () { wholeReads.push(way); return read.call(this); };
    }
}"""


def edit(browser, name: str, **values: str) -> None:
    browser.press("edit", name)
    wait_until(lambda: browser.visible(".file-edit-container"), 5, "the details are there")
    for field, value in values.items():
        browser.fill(f".file-edit-container [name={field}]", value)


def test_details_travel_with_the_chunks_from_then_on(server, browser, tmp_path):
    (tmp_path / "film.mp4").write_bytes(random_bytes(12 * MIB))
    (tmp_path / "other.mp4").write_bytes(random_bytes(12 * MIB, seed=2))
    browser.open().slow_down(2 * MIB)
    browser.pick(tmp_path / "film.mp4", tmp_path / "other.mp4")
    wait_until(lambda: len(browser.traffic.read().stored) >= 1, 30, "the first chunk is stored")
    before = set(browser.traffic.uploads)
    edit(browser, "film.mp4", title="Der Sommer & 夏天", description="Two lines,\nand a + sign")
    browser.click(".uploader-edit-save")
    assert not browser.visible(".file-edit-container")
    wait_until(lambda: "Der Sommer & 夏天" in browser.rows()[0]["text"], 5, "the title is on the list")
    browser.full_speed()
    browser.wait_for_states("done", "done")

    uploads = browser.traffic.read().uploads
    told = {(sent["resumableFilename"], sent.get("title"), sent.get("description")) for sent in uploads.values()}
    assert told == {
        ("film.mp4", None, None),
        ("film.mp4", "Der Sommer & 夏天", "Two lines,\nand a + sign"),
        ("other.mp4", None, None),
    }
    assert not any("title" in uploads[request] for request in before)
    assert {fields["resumableChunkNumber"] for fields in uploads.values() if fields.get("title")} >= {"12"}


def test_a_file_waits_at_its_end_for_details_that_are_being_written(server, browser, tmp_path):
    (tmp_path / "short.mp4").write_bytes(random_bytes(4 * MIB))
    browser.open().slow_down(MIB)
    browser.pick(tmp_path / "short.mp4")
    edit(browser, "short.mp4", title="Late")
    browser.full_speed()
    wait_until(lambda: "Waits for your details" in browser.rows()[0]["text"], 10, "the page says why it waits")
    assert server.finished_files() == []
    browser.click(".uploader-edit-save")
    browser.wait_for_states("done")
    assert any(fields.get("title") == "Late" for fields in browser.traffic.read().uploads.values())


def test_details_that_are_dismissed_are_not_kept(server, browser, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(12 * MIB))
    (tmp_path / "b.bin").write_bytes(random_bytes(12 * MIB, seed=2))
    browser.driver.set_window_size(1000, 1500)
    browser.open().slow_down(MIB)
    browser.pick(tmp_path / "a.bin", tmp_path / "b.bin")
    edit(browser, "a.bin", title="Dismissed")
    browser.click(".uploader-edit-cancel")
    edit(browser, "a.bin", title="Kept")
    # Another file's details: what was written for the first one is not saved by itself.
    browser.click(".uploader-edit-save")
    edit(browser, "b.bin", title="For b")
    edit(browser, "a.bin")
    assert browser.script("return document.querySelector('[name=title]').value") == "Kept"
    # Whoever cancels a file is done with its details.
    browser.press("cancel", "a.bin")
    wait_until(lambda: not browser.visible(".file-edit-container"), 5, "the details go away")
    browser.full_speed()
    browser.wait_for_states("cancelled", "done")
    sent = [fields for fields in browser.traffic.read().uploads.values() if fields["resumableFilename"] == "b.bin"]
    assert sent and not any(fields.get("title") for fields in sent)


def color_of_thumbnail(browser, name: str, at: float) -> list[int] | None:
    """The colour of a thumbnail in the middle, at a share of its height; nothing while it is still an icon."""
    return browser.script(
        """const canvas = document.querySelector(`.uploader-item[data-name="${arguments[0]}"] canvas`);
        return canvas && [...canvas.getContext('2d')
          .getImageData(canvas.width / 2, canvas.height * arguments[1], 1, 1).data].slice(0, 3)""",
        name,
        at,
    )


def near(color: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(color, wanted, strict=True))


def test_pictures_and_films_are_shown_and_nothing_of_them_is_kept(browser, tmp_path):
    (tmp_path / "flag.png").write_bytes(png(900, 600, [RED, GREEN, BLUE]))
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    (tmp_path / "broken.mp4").write_bytes(b"no film at all")
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(65_000_000)
    # Only what comes into view gets a picture: here all of it does.
    browser.driver.set_window_size(1000, 1500)
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", source=COUNT_ADDRESSES)
    browser.open()
    record_film(browser, tmp_path / "film.webm", "rgb(30, 160, 60)")
    browser.reload()
    names = ["flag.png", "film.webm", "broken.png", "broken.mp4", "huge.png"]
    browser.pick(*(tmp_path / name for name in names))
    browser.wait_for_states(*["done"] * 5)
    wait_until(lambda: color_of_thumbnail(browser, "flag.png", 0.5), 10, "the picture is shown")
    wait_until(lambda: color_of_thumbnail(browser, "film.webm", 0.5), 10, "the film is shown")
    stripes = [color_of_thumbnail(browser, "flag.png", share) for share in (0.1, 0.5, 0.9)]
    assert all(map(near, stripes, (RED, GREEN, BLUE))), stripes
    assert near(color_of_thumbnail(browser, "film.webm", 0.5), GREEN)
    wait_until(lambda: browser.script("return addresses.size") == 0, 15, "all addresses are given back")
    assert browser.script("return bitmaps") == {"made": 1, "closed": 1}
    assert browser.script("return wholeReads") == [], "no file was read as a whole"
    icons = browser.script("return document.querySelectorAll('.uploader-thumb svg').length")
    assert icons == 3, "what cannot be shown has an icon"


def test_each_kind_of_file_has_its_icon(browser, tmp_path):
    names = ["a.zip", "b.mp3", "c.txt", "d.unknown"]
    for name in names:
        (tmp_path / name).write_text(name)
    browser.open().pick(*(tmp_path / name for name in names))
    browser.wait_for_states(*["done"] * 4)
    kinds = browser.script("return [...document.querySelectorAll('.uploader-item')].map((row) => row.dataset.kind)")
    assert kinds == ["archive", "audio", "text", "file"]
    drawn = browser.script(
        "return [...document.querySelectorAll('.uploader-thumb path')].map((path) => path.getAttribute('d'))"
    )
    assert len(set(drawn)) == 4
