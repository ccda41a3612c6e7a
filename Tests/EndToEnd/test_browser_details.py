"""The details of each file on the page, which are sent with its chunks, and its thumbnail."""

import pytest

from support.client import MIB, random_bytes
from support.line import bytes_of
from support.media import png, record_film
from support.server import wait_until

pytestmark = pytest.mark.browser

RED, GREEN, BLUE = (200, 30, 40), (30, 160, 60), (40, 60, 200)

# Counts the URLs and bitmaps that scripts make of files, and those that they release.
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
    wait_until(lambda: browser.visible(".file-edit-container"), 5, "the details are visible")
    for field, value in values.items():
        browser.fill(f".file-edit-container [name={field}]", value)


def test_details_are_sent_with_the_following_chunks(server, browser, tmp_path):
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
    titled = [bytes_of(fields) for fields in uploads.values() if fields.get("title")]
    assert max(part.stop for part in titled) == 12 * MIB, "the last chunk has them"


def test_the_last_chunk_waits_while_details_are_being_edited(server, browser, tmp_path):
    (tmp_path / "short.mp4").write_bytes(random_bytes(4 * MIB))
    browser.open().slow_down(MIB)
    browser.pick(tmp_path / "short.mp4")
    edit(browser, "short.mp4", title="Late")
    browser.full_speed()
    wait_until(lambda: "Waiting for your details" in browser.rows()[0]["text"], 10, "the page says why it waits")
    assert server.finished_files() == []
    browser.click(".uploader-edit-save")
    browser.wait_for_states("done")
    assert any(fields.get("title") == "Late" for fields in browser.traffic.read().uploads.values())


def test_dismissed_details_are_not_kept(server, browser, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(12 * MIB))
    (tmp_path / "b.bin").write_bytes(random_bytes(12 * MIB, seed=2))
    browser.resize(1000, 1500)
    browser.open().slow_down(MIB)
    browser.pick(tmp_path / "a.bin", tmp_path / "b.bin")
    edit(browser, "a.bin", title="Dismissed")
    browser.click(".uploader-edit-cancel")
    edit(browser, "a.bin", title="Kept")
    # Opening another file's details does not save those of the first one.
    browser.click(".uploader-edit-save")
    edit(browser, "b.bin", title="For b")
    edit(browser, "a.bin")
    assert browser.script("return document.querySelector('[name=title]').value") == "Kept"
    # Cancelling a file closes its details.
    browser.press("cancel", "a.bin")
    wait_until(lambda: not browser.visible(".file-edit-container"), 5, "the details are hidden")
    browser.full_speed()
    browser.wait_for_states("cancelled", "done")
    sent = [fields for fields in browser.traffic.read().uploads.values() if fields["resumableFilename"] == "b.bin"]
    assert sent and not any(fields.get("title") for fields in sent)


def color_of_thumbnail(browser, name: str, at: float) -> list[int] | None:
    """The colour of a thumbnail in the middle, at a share of its height; None while it is still an icon."""
    return browser.script(
        """const canvas = document.querySelector(`.uploader-item[data-name="${arguments[0]}"] canvas`);
        return canvas && [...canvas.getContext('2d')
          .getImageData(canvas.width / 2, canvas.height * arguments[1], 1, 1).data].slice(0, 3)""",
        name,
        at,
    )


def near(color: list[int], wanted: tuple[int, int, int]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(color, wanted, strict=True))


@pytest.mark.needs("init script")
def test_pictures_and_films_have_thumbnails_and_nothing_else_is_kept(browser, tmp_path):
    (tmp_path / "flag.png").write_bytes(png(900, 600, [RED, GREEN, BLUE]))
    (tmp_path / "broken.png").write_bytes(b"no picture at all")
    (tmp_path / "broken.mp4").write_bytes(b"no film at all")
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(65_000_000)
    # Only visible rows get a thumbnail: at this size all of them are visible.
    browser.resize(1000, 1500)
    browser.before_pages(COUNT_ADDRESSES)
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
    wait_until(lambda: browser.script("return addresses.size") == 0, 15, "all object URLs are revoked")
    assert browser.script("return bitmaps") == {"made": 1, "closed": 1}
    assert browser.script("return wholeReads") == [], "no file was read as a whole"
    icons = browser.script("return document.querySelectorAll('.uploader-thumb svg').length")
    assert icons == 3, "files that cannot be shown have an icon"


def test_each_kind_of_file_has_its_icon(browser, tmp_path):
    names = ["a.zip", "b.mp3", "c.txt", "d.unknown"]
    for name in names:
        (tmp_path / name).write_text(name)
    browser.open().pick(*(tmp_path / name for name in names))
    browser.wait_for_states(*["done"] * 4)
    # The order of the rows follows what they do.
    kinds = browser.script(
        "return [...document.querySelectorAll('.uploader-item')].map((row) => [row.dataset.name, row.dataset.kind])")
    assert sorted(map(tuple, kinds)) == list(zip(names, ["archive", "audio", "text", "file"]))
    drawn = browser.script(
        "return [...document.querySelectorAll('.uploader-thumb path')].map((path) => path.getAttribute('d'))"
    )
    assert len(set(drawn)) == 4
