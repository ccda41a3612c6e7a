"""The example fragment for other sites' pages, unchanged, with Debian's jQuery and our two scripts at its addresses."""

import pathlib

import pytest

from support import pages
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.core]

JQUERY = pathlib.Path("/usr/share/javascript/jquery/jquery.min.js")

# Word for word, including its unusual spellings, because existing pages have it like this.
FRAGMENT = """\
<div class="resumable-drop">
  Drop video files here to upload or <a class="resumable-browse"><u>select from your computer</u></a>
</div>

<div class="progress" style="display:none;">
  <table>
    <tr>
      <td width="100%"><div class="progress-container"><div class="progress-bar"></div></div></td>
      <td class="progress-text" nowrap="nowrap"></td>
      <td class="progress-pause" nowrap="nowrap">
        <a href="#" onclick="uploader.resumable.upload(); return(false);" class="progress-resume-link"><img src="/resources/um/graphics/uploader/resume.png" title="Resume upload" /></a>
        <a href="#" onclick="uploader.resumable.pause(); return(false);" class="progress-pause-link"><img src="/resources/um/graphics/uploader/pause.png" title="Pause upload" /></a>
      </td>
    </tr>
  </table>
</div>

<div class="uploader-list" style="display:none;">
  <div class="uploader-item">
    ... (generated thumbnails for each file)
  </div>
</div>

<div class="file-edit-container" style="display:none;">
  ... (elements for the edit UI)
</div>

<script src="/resources/um/script/resumable.js"></script>
<script src="/resources/um/script/resumable-uploader.js"></script>
<script>
  uploader = (function($){
      var upload_token = '<api upload token>';
      var meta = {};
      return (new ResumableUploader(upload_token, meta, $('.resumable-browse'), $('.resumable-drop'), $('.progress'), $('.uploader-list'), $('.file-edit-container')));
    })(jQuery);
</script>
"""


@pytest.fixture
def example_page(server, browser, tmp_path):
    assert JQUERY.is_file(), "deploy/install browser installs libjs-jquery"
    page = tmp_path / "example.html"
    page.write_text(
        "<!doctype html>\n<html><head><meta charset='utf-8'><title>Upload</title><script src='/jquery.js'></script>"
        f"</head><body>\n{FRAGMENT}</body></html>\n"
    )
    pages.serve(
        server,
        {
            "/example": pages.file(page, "text/html"),
            "/jquery.js": pages.file(JQUERY, "text/javascript"),
        },
    )
    browser.open("/example")
    return browser


def test_a_file_is_uploaded_paused_and_resumed(server, example_page, tmp_path):
    browser = example_page
    file = tmp_path / "video.mp4"
    file.write_bytes(random_bytes(12 * MIB + 1, seed=9))
    assert not browser.visible(".progress, .uploader-list, .file-edit-container")
    browser.slow_down(2 * MIB)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 1, 30, "the first chunk is stored")
    assert browser.visible(".progress-bar") and browser.visible(".progress-pause-link")
    assert not browser.visible(".progress-resume-link")

    browser.click(".progress-pause-link")
    wait_until(lambda: browser.visible(".progress-resume-link"), 5, "the links change places")
    assert browser.script("return uploader.resumable.isUploading()") is False
    browser.wait(1500)
    requests = len(server.access_log())
    browser.wait(1500)
    assert len(server.access_log()) == requests and server.finished_files() == []
    browser.screenshot("example-paused")

    browser.full_speed()
    browser.click(".progress-resume-link")
    browser.wait_for_states("done")
    assert (server.root / "video.mp4").read_bytes() == file.read_bytes()
    assert browser.traffic.read().sent_again == []
    wait_until(lambda: browser.text(".progress-text") == "100%", 5, "the text has the progress")
    # Every request has the token of the page.
    every = [*browser.traffic.tests.values(), *browser.traffic.uploads.values()]
    assert {fields["upload_token"] for fields in every} == {"<api upload token>"}


def test_a_dropped_file_is_uploaded(server, example_page, tmp_path):
    (tmp_path / "dropped.mp4").write_bytes(b"dropped")
    example_page.drop(tmp_path / "dropped.mp4")
    example_page.wait_for_states("done")
    assert server.finished_files() == ["dropped.mp4"]
    wait_until(lambda: example_page.visible(".uploader-clear"), 5, "the summary is visible")
    gap = example_page.script(
        """const [text, button] = ['.uploader-summary-text', '.uploader-clear']
          .map((selector) => document.querySelector(selector).getBoundingClientRect());
        return button.left - text.right"""
    )
    assert gap >= 8, "the page has no styles for it"


def test_images_load_and_sample_rows_are_removed(example_page):
    loaded = example_page.script("return [...document.images].map((image) => image.complete && image.naturalWidth > 0)")
    assert loaded == [True, True]
    assert example_page.script("return document.querySelectorAll('.uploader-item').length") == 0
    assert example_page.script("return uploader.resumable instanceof Resumable && jQuery('.resumable-drop').length") == 1


def test_rows_look_finished_and_nothing_is_wider_than_a_phone(example_page, tmp_path):
    browser = example_page
    browser.resize(450, 800)
    (tmp_path / "done.txt").write_bytes(b"done")
    (tmp_path / "A film with a name of several words.mp4").write_bytes(random_bytes(12 * MIB, seed=9))
    browser.pick(tmp_path / "done.txt")
    browser.wait_for_states("done")
    browser.slow_down(MIB)
    browser.pick(tmp_path / "A film with a name of several words.mp4")
    wait_until(lambda: "left" in browser.text(".progress-text"), 20, "the progress has its longest text")
    assert browser.script("return document.documentElement.scrollWidth - innerWidth") <= 0
    assert browser.visible(".progress-pause-link")
    marks = browser.script(
        """return [...document.querySelectorAll('.uploader-item')].map((row) => [row.dataset.state,
          row.querySelector('progress').getClientRects().length,
          getComputedStyle(row.querySelector('.uploader-state'), '::before').content.includes('✓')])"""
    )
    assert sorted(marks) == [["done", 0, True], ["uploading", 1, False]]
    browser.screenshot("example-phone")
