"""The sample pages of Resumable.js 1.1 for Node and Java, rebuilt with the same calls, elements and options, and our
script in place of theirs. The fourth sample, in jQuery, is test_browser_seed.py."""

import json
import pathlib

import pytest

from support import pages
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

JQUERY = pathlib.Path("/usr/share/javascript/jquery/jquery.min.js")

# Each sample's options. All have chunks of 1 MiB, four requests and one progress event a second.
SAMPLES = {
    "node": "testChunks: false",
    "node-async": "testChunks: false,"
    " generateUniqueIdentifier: (file) => $.get('/fileid?filename=' + encodeURI(file.name))",
    "java": "testChunks: true, method: 'octet'",
}

PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Sample</title><style>
  .resumable-drop, .resumable-progress, .resumable-list, .progress-resume-link { display: none }
  .progress-bar { height: 1em; width: 0 }
</style></head><body>
<div class="resumable-drop">Drop files here or <a class="resumable-browse"><u>select some</u></a></div>
<div class="resumable-progress">
  <div class="progress-container"><div class="progress-bar"></div></div>
  <a href="#" onclick="r.upload(); return false" class="progress-resume-link">Resume</a>
  <a href="#" onclick="r.pause(); return false" class="progress-pause-link">Pause</a>
  <a href="#" onclick="r.cancel(); return false" class="progress-cancel-link">Cancel</a>
</div>
<ul class="resumable-list"></ul>
<script src="/jquery.js"></script>
<script src="/resources/um/script/resumable.js"></script>
<script>
  const r = new Resumable({
    target: '/resumable_upload', chunkSize: 1024 * 1024, simultaneousUploads: 4, throttleProgressCallbacks: 1, OPTIONS,
  });
  const told = [];
  if (r.support) {
    $('.resumable-drop').show();
    r.assignDrop($('.resumable-drop')[0]);
    r.assignBrowse($('.resumable-browse')[0]);
    const line = (file) => $('.resumable-file-' + file.uniqueIdentifier + ' .resumable-file-progress');
    const swap = (isPaused) => {
      $('.progress-resume-link').toggle(isPaused);
      $('.progress-pause-link').toggle(!isPaused);
    };
    r.on('fileAdded', (file) => {
      $('.resumable-progress, .resumable-list').show();
      swap(false);
      $('.resumable-list').append($('<li>').addClass('resumable-file-' + file.uniqueIdentifier).append(
        $('<span class="resumable-file-name">').text(file.fileName), ' ', $('<span class="resumable-file-progress">')));
      r.upload();
    });
    r.on('pause', () => swap(true));
    r.on('uploadStart', () => swap(false));
    r.on('complete', () => $('.progress-resume-link, .progress-pause-link').hide());
    r.on('fileSuccess', (file, message) => {
      told.push([message, file.chunks.length, file.chunks[0].xhr.status, file.chunks[0].message()]);
      line(file).text('(completed)');
    });
    r.on('fileError', (file, message) => line(file).text('(could not be uploaded: ' + message + ')'));
    r.on('fileProgress', (file) => {
      line(file).text(Math.floor(file.progress() * 100) + '%');
      $('.progress-bar').css({ width: Math.floor(r.progress() * 100) + '%' });
    });
    r.on('cancel', () => $('.resumable-file-progress').text('canceled'));
  }
</script></body></html>
"""


@pytest.fixture(params=SAMPLES)
def sample(request, server, browser, tmp_path):
    page = tmp_path / "sample.html"
    page.write_text(PAGE.replace("OPTIONS", SAMPLES[request.param]))
    pages.serve(
        server,
        {
            "/sample": pages.file(page, "text/html"),
            "/jquery.js": pages.file(JQUERY, "text/javascript"),
            "/fileid": 'default_type text/plain; return 200 "id-from-the-server";',
        },
    )
    browser.open("/sample")
    return request.param, browser


def bar(browser) -> str:
    return browser.script("return document.querySelector('.progress-bar').style.width")


def test_a_sample_uploads_pauses_and_resumes(sample, server, tmp_path):
    name, browser = sample
    file = tmp_path / "video.bin"
    file.write_bytes(random_bytes(8 * MIB + 5, seed=11))
    browser.slow_down(2 * MIB)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 2, 30, "the first chunks are stored")
    assert browser.visible(".progress-pause-link") and not browser.visible(".progress-resume-link")
    browser.click(".progress-pause-link")
    assert browser.visible(".progress-resume-link") and not browser.visible(".progress-pause-link")
    browser.wait(1500)
    held = len(browser.traffic.read().stored)
    assert held < 8 and server.finished_files() == []
    browser.full_speed()
    browser.click(".progress-resume-link")
    wait_until(lambda: "(completed)" in browser.text(".resumable-list"), 30, "the page shows the end")
    assert (server.root / file.name).read_bytes() == file.read_bytes()
    assert bar(browser) == "100%"
    assert not browser.visible(".progress-resume-link, .progress-pause-link")
    assert browser.script("return told") == [["OK", 8, 200, browser.script("return told[0][3]")]]
    identifiers = {fields["resumableIdentifier"] for fields in browser.traffic.read().uploads.values()}
    assert len(identifiers) == 1 and (identifiers == {"id-from-the-server"}) == (name == "node-async")
    assert bool(browser.traffic.tests) == (name == "java")


def test_after_cancel_the_bar_of_a_sample_is_empty_and_the_file_can_be_picked_again(sample, server, tmp_path):
    name, browser = sample
    file = tmp_path / "cancelled.bin"
    file.write_bytes(random_bytes(6 * MIB, seed=12))
    browser.slow_down(2 * MIB)
    browser.pick(file)
    wait_until(lambda: len(browser.traffic.read().stored) >= 1, 30, "the first chunk is stored")
    browser.click(".progress-cancel-link")
    assert browser.text(".resumable-file-progress") == "canceled"
    assert bar(browser) == "0%"
    assert browser.script("return [r.files.length, r.getSize(), r.isUploading()]") == [0, 0, False]
    browser.full_speed()
    browser.pick(file)
    wait_until(lambda: browser.text(".resumable-list").count("(completed)") >= 1, 30, "the page shows the end")
    assert (server.root / file.name).read_bytes() == file.read_bytes()


def test_a_sample_shows_the_reason_of_a_refusal(sample, tmp_path):
    _, browser = sample
    browser.script("r.opts.query = { resumableChunkSize: 0 }")
    file = tmp_path / "refused.bin"
    file.write_bytes(b"x")
    browser.pick(file)
    wait_until(lambda: "could not be uploaded" in browser.text(".resumable-list"), 30, "the page shows the failure")
    message = browser.text(".resumable-file-progress")
    assert json.dumps(message).count("html") == 0 and len(message) > len("(could not be uploaded: )")


MODULES = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Modules</title></head><body>
<button class="resumable-browse" type="button">Browse</button>
<ul class="uploader-list"></ul>
<script type="module">
  import ResumableUploader from '/resources/um/script/resumable-uploader.mjs';
  import ResumableRecovery from '/resources/um/script/resumable-recovery.mjs';
  import Resumable from '/resources/um/script/resumable.mjs';
  window.uploader = new ResumableUploader(null, null, '.resumable-browse', null, null, '.uploader-list');
  window.recovery = new ResumableRecovery(uploader.resumable);
  window.loaded = uploader.resumable instanceof Resumable;
</script></body></html>
"""


def test_the_modules_work_in_a_page_without_a_bundler(server, browser, tmp_path):
    page = tmp_path / "modules.html"
    page.write_text(MODULES)
    pages.serve(server, {"/modules": pages.file(page, "text/html")})
    browser.open("/modules")
    wait_until(lambda: browser.script("return window.loaded"), 10, "the modules are loaded")
    file = tmp_path / "module.bin"
    file.write_bytes(random_bytes(3 * MIB + 1, seed=13))
    browser.pick(file)
    browser.wait_for_states("done")
    assert (server.root / file.name).read_bytes() == file.read_bytes()


def test_an_element_that_two_instances_share_opens_a_dialog(sample, tmp_path):
    _, browser = sample
    browser.script("""window.second = new Resumable({ target: '/resumable_upload' });
        second.assignBrowse($('.resumable-browse')[0]);
        r.assignBrowse($('.resumable-browse')[0]);""")
    # At the document, after all listeners: records whether a dialog would open, and keeps it closed.
    browser.script("""window.opened = 0;
        document.addEventListener('click', (event) => {
          if (event.target.type !== 'file') return;
          if (!event.defaultPrevented) opened++;
          event.preventDefault();
        });""")
    browser.click(".resumable-browse")
    wait_until(lambda: browser.script("return opened") == 2, 10, "no instance prevents the other's click")
    browser.script("second.destroy()")
    assert browser.script("return document.querySelectorAll('.resumable-browse input').length") == 1
