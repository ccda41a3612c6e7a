"""The uploader on other sites' pages: own limits, other fields, fewer elements, an old browser."""

import json

import pytest
from selenium.webdriver.common.keys import Keys

from support import pages
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

PLACES = """<div class="resumable-drop">Drop or <a class="resumable-browse">browse</a></div>
<div class="progress"><div class="progress-bar"></div><span class="progress-text"></span>
<a href="#" class="progress-pause-link">Pause</a><a href="#" class="progress-resume-link">Resume</a></div>
<div class="uploader-list"></div>"""
FILLED = "'.resumable-browse', document.querySelector('.resumable-drop'), '.progress', '.uploader-list', '.details'"


@pytest.fixture
def own_page(server, browser, tmp_path):
    """Opens such a page: `places` are the constructor's arguments from `browse` on, `options` is the last one, as values
    or as a script."""

    def open_page(options: dict | str | None = None, *, more: str = "", body: str = PLACES, places: str = FILLED):
        page = tmp_path / "own.html"
        page.write_text(
            f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Own</title></head><body>{body}{more}
            <script src="/resources/um/script/resumable.js"></script>
            <script src="/resources/um/script/resumable-uploader.js"></script>
            <script>const uploader = new ResumableUploader('a token', {{ album: 'Summer' }}, {places},
              {options if isinstance(options, str) else json.dumps(options or {})});</script></body></html>"""
        )
        pages.serve(server, {"/own": pages.file(page, "text/html")})
        return browser.open("/own")

    return open_page


def notices(browser) -> list[str]:
    return browser.script(
        "return [...document.querySelectorAll('.uploader-notice')].map((notice) => notice.innerText.trim())"
    )


def test_each_reason_for_a_refusal_has_its_own_message(own_page, tmp_path):
    limits = {"maxFileSize": 2_000_000, "minFileSize": 3, "fileType": ["txt", "image/*"], "maxFiles": 3}
    browser = own_page(limits)
    for name, size in {"large.txt": 2_000_001, "small.txt": 2, "other.pdf": 10, "good.txt": 10}.items():
        (tmp_path / name).write_bytes(bytes(size))
    for name in ("large.txt", "small.txt", "other.pdf"):
        browser.pick(tmp_path / name)
    wait_until(lambda: len(notices(browser)) == 3, 10, "three are refused")
    assert notices(browser) == [
        "large.txt is too large. The limit is 2\u00a0MB.",
        "small.txt is too small. The minimum is 3\u00a0B.",
        "other.pdf has a type that is not accepted here.",
    ]
    browser.pick(tmp_path / "good.txt")
    browser.wait_for_states("done")
    many = [tmp_path / f"{number}.txt" for number in range(3)]
    for path in many:
        path.write_text("content of " + path.name)
    browser.pick(*many)
    wait_until(lambda: len(notices(browser)) == 4, 10, "too many are refused")
    assert notices(browser)[3] == "At most 3 files can be uploaded at a time."
    # The oldest messages are removed, so that they never push the list off the screen.
    for _ in range(2):
        browser.pick(tmp_path / "small.txt")
    wait_until(lambda: notices(browser)[0].startswith("small.txt"), 10, "the oldest is removed")
    assert len(notices(browser)) == 5


def test_every_request_has_the_token_and_the_metadata_of_the_page(own_page, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    browser = own_page({"query": {"extra": "1"}})
    browser.pick(tmp_path / "a.txt")
    browser.wait_for_states("done")
    every = [*browser.traffic.read().tests.values(), *browser.traffic.uploads.values()]
    assert len(every) == 2
    assert all((f["upload_token"], f["album"], f["extra"]) == ("a token", "Summer", "1") for f in every)


def test_parameters_may_have_to_be_fetched_first(own_page, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(3 * MIB))
    browser = own_page("{ query: async (file) => { await fetch('/own'); return { camera: file.fileName }; } }")
    browser.pick(tmp_path / "a.bin")
    browser.wait_for_states("done")
    every = [*browser.traffic.read().tests.values(), *browser.traffic.uploads.values()]
    assert len(every) >= 3
    assert all((f["upload_token"], f["album"], f["camera"]) == ("a token", "Summer", "a.bin") for f in every)


def test_a_file_whose_identifier_cannot_be_made_is_not_taken_for_a_duplicate(own_page, tmp_path):
    browser = own_page(
        """{ generateUniqueIdentifier: async (file) => {
          if (window.refuses) throw new Error('not signed in');
          return file.name;
        } }"""
    )
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.txt").write_text(folder)
    browser.pick(tmp_path / "one" / "a.txt")
    browser.wait_for_states("done")
    browser.pick(tmp_path / "two" / "a.txt")
    wait_until(lambda: notices(browser) == ["a.txt has already been uploaded."], 5, "it has the same identifier")
    browser.script("window.refuses = true")
    browser.pick(tmp_path / "one" / "a.txt")
    wait_until(lambda: notices(browser)[1:] == ["a.txt could not be added."], 5, "it has no identifier")


def test_a_page_can_bring_its_own_fields_for_details(own_page, tmp_path):
    (tmp_path / "a.bin").write_bytes(random_bytes(8 * MIB))
    browser = own_page(more='<div class="details" hidden><label>Camera <input name="camera"></label></div>')
    browser.slow_down(MIB)
    browser.pick(tmp_path / "a.bin")
    browser.press("edit", "a.bin")
    browser.fill("[name=camera]", "Box\t")
    assert browser.script("return uploader.metaOf(uploader.resumable.files[0])") == {"camera": "Box"}
    browser.full_speed()
    browser.click("[name=camera]")
    browser.type(Keys.ESCAPE)
    browser.wait_for_states("done")
    assert any(fields.get("camera") == "Box" for fields in browser.traffic.read().uploads.values())


def test_a_script_can_add_describe_and_control_files(own_page):
    browser = own_page({"language": "zh", "chunkSize": 100_000, "simultaneousUploads": 1})
    browser.slow_down(400_000)
    browser.script(
        """uploader.pause();
        uploader.resumable.addFile(new File([new Uint8Array(1e6)], 'made.bin'));
        uploader.resumable.addFile(new File(['x'], 'second.txt'));
        window.named = new Promise((done) => uploader.resumable.on('filesAdded', ([file]) => {
          if (file.fileName === 'made.bin') uploader.setMeta(file, { title: 'Named' });
          uploader.setMeta({}, { title: 'Of no file' });
          done();
        }))"""
    )
    browser.wait_for_states("paused", "paused")
    browser.async_script("named.then(arguments[0])")
    assert browser.script("return [uploader.state, uploader.language]") == ["paused", "zh"]
    assert not browser.traffic.read().uploads
    browser.script("uploader.resume()")
    browser.wait_for_states("done", "done")
    uploads = browser.traffic.read().uploads.values()
    titles = {(fields["resumableFilename"], fields.get("title")) for fields in uploads}
    assert titles == {("made.bin", "Named"), ("second.txt", None)}
    assert "已上传" in browser.rows()[0]["text"]
    browser.script("uploader.clearFinished()")
    wait_until(lambda: browser.rows() == [], 5, "the list is empty")


def test_resuming_one_file_after_pausing_all_resumes_the_rest(own_page, tmp_path):
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(random_bytes(4 * MIB))
    browser = own_page()
    browser.slow_down(MIB)
    browser.pick(tmp_path / "a.bin", tmp_path / "b.bin")
    browser.click(".progress-pause-link")
    browser.wait_for_states("paused", "paused")
    browser.full_speed()
    browser.press("resume", "b.bin")
    browser.wait_for_states("done", "done")


def test_a_long_list_shows_the_unfinished_files(own_page, tmp_path):
    browser = own_page({"maxRows": 5})
    files = [tmp_path / f"{number:02}.txt" for number in range(20)]
    for path in files:
        path.write_text(path.name)
    browser.pick(*files)
    wait_until(lambda: browser.list_data("done") == "20", 20, "all are uploaded")
    assert len(browser.rows()) <= 5
    assert browser.text(".uploader-summary-text").startswith("20 of 20 files uploaded · ")
    (tmp_path / "last.bin").write_bytes(random_bytes(4 * MIB))
    browser.slow_down(MIB)
    browser.pick(tmp_path / "last.bin")
    wait_until(lambda: "last.bin" in [row["name"] for row in browser.rows()], 10, "the unfinished file is shown")
    assert len(browser.rows()) <= 5


def test_without_elements_files_are_uploaded_and_announced(own_page, server):
    browser = own_page(body="", places="null, null, null, null, null")
    browser.script("uploader.resumable.addFile(new File(['bare'], 'bare.txt'))")
    wait_until(lambda: browser.whole() == "done", 10, "it is uploaded")
    assert (server.root / "bare.txt").read_bytes() == b"bare"
    wait_until(lambda: "bare.txt is uploaded." in browser.text("[role=status]"), 10, "it is announced")


# Counts the listeners of everything that is in the document.
COUNT_LISTENERS = """<script>
  const added = new Set();
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    const one = { target: this, type, listener };
    added.add(one);
    if (options?.signal) addEventListener.call(options.signal, 'abort', () => added.delete(one));
    addEventListener.call(this, type, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    for (const one of added) {
      if (one.target === this && one.type === type && one.listener === listener) added.delete(one);
    }
    removeEventListener.call(this, type, listener, options);
  };
  const listening = () => [...added].map(({ target, type }) => [target, type])
    .filter(([target]) => target === window || target === document || target.isConnected)
    .map(([target, type]) => `${target.className ?? target.constructor.name} ${type}`);
  window.before = [document.body.innerHTML, listening()];
  window.built = (...arguments_) => new ResumableUploader('', {}, ...arguments_);
</script>"""
SHOWN = "return [[...document.body.children].slice(0, 5).map((each) => each.outerHTML), listening()]"


def test_destroy_gives_the_page_back_as_it_was(own_page, server, tmp_path):
    file = tmp_path / "film.bin"
    file.write_bytes(random_bytes(8 * MIB))
    details = '<div class="details" style="display:none"></div>'
    browser = own_page(body=PLACES + details, more=COUNT_LISTENERS)
    browser.script("uploader.destroy()")
    before = browser.script(SHOWN)
    assert before[1] == [] and browser.script("return document.adoptedStyleSheets.length") == 0
    # As React's StrictMode does: twice on the same elements.
    for _ in range(2):
        browser.script(f"window.uploader2 = built({FILLED}, {{ dropAnywhere: true, autoStart: true }})")
        assert len(browser.script("return listening()")) > 10
        browser.slow_down(MIB // 2)
        browser.pick(file)
        browser.wait_for_states("uploading")
        browser.press("edit", file.name)
        browser.script("uploader2.notice('something')")
        browser.script("uploader2.destroy(); uploader2.destroy()")
        requests = len(server.access_log())
        assert browser.script(SHOWN) == before
        assert browser.script("return document.adoptedStyleSheets.length") == 0
        assert browser.script("return Object.keys(document.documentElement.dataset)") == []
        browser.wait(2500)
        assert browser.script(SHOWN) == before, "no timer brings anything back"
        assert len(server.access_log()) <= requests + 3, "only requests that were cut off are logged"
    browser.full_speed()
    browser.script(f"window.uploader3 = built({FILLED})")
    browser.pick(file)
    browser.wait_for_states("done")
    assert (server.root / file.name).read_bytes() == file.read_bytes()


OLD_BROWSER = "delete window.FileList"


@pytest.mark.needs("init script")
def test_an_old_browser_gets_an_explanation_and_a_plain_form(server, browser, tmp_path):
    (tmp_path / "plain 文件.txt").write_text("sent as a whole")
    browser.before_pages(OLD_BROWSER)
    browser.open()
    assert "cannot upload in parts" in browser.text(".uploader-plain")
    assert not browser.visible(".resumable-browse, .progress, .uploader-list")
    browser.screenshot("plain-form")
    browser.pick(tmp_path / "plain 文件.txt")
    browser.take_coverage()
    browser.click(".uploader-plain button")
    wait_until(lambda: server.finished_files() == ["plain 文件.txt"], 10, "the file arrives")
    assert (server.root / "plain 文件.txt").read_text() == "sent as a whole"


@pytest.mark.needs("init script")
def test_without_a_drop_zone_the_plain_form_precedes_the_list(own_page, browser):
    browser.before_pages(OLD_BROWSER)
    own_page(body='<div class="uploader-list"></div>', places="null, null, null, '.uploader-list', null")
    assert browser.script("return document.querySelector('.uploader-plain').nextElementSibling.className") != ""
    fields = browser.script("return Object.fromEntries(new FormData(document.querySelector('.uploader-plain')))")
    assert (fields["upload_token"], fields["album"], fields["resumableTotalChunks"]) == ("a token", "Summer", "1")


READY = "return !document.querySelector('.uploader-plain button').disabled"
FIELDS = "return [...new FormData(document.querySelector('.uploader-plain'))].filter(([name]) => name !== 'file')"


@pytest.mark.needs("init script")
@pytest.mark.parametrize(
    "query",
    [
        "{ place: 'Rome', tag: ['a', 'b'], album: 'Winter' }",
        "new URLSearchParams('place=Rome&tag=a&tag=b&album=Winter')",
        "() => ({ place: 'Rome', tag: ['a', 'b'], album: 'Winter' })",
        "async () => ({ place: 'Rome', tag: ['a', 'b'], album: 'Winter' })",
    ],
    ids=["object", "pairs", "function", "asynchronous"],
)
def test_the_plain_form_carries_the_parameters_of_the_page(server, own_page, browser, tmp_path, query):
    (tmp_path / "plain.txt").write_text("sent as a whole")
    browser.before_pages(OLD_BROWSER)
    own_page(options=f"{{ query: {query} }}")
    wait_until(lambda: browser.script(READY), 5, "the form is ready")
    fields = browser.script(FIELDS)
    for pair in (["place", "Rome"], ["tag", "a"], ["tag", "b"], ["album", "Winter"], ["upload_token", "a token"]):
        assert pair in fields
    assert ["album", "Summer"] not in fields, "the query replaces the page's metadata"
    inputs = "return [...document.querySelectorAll('.uploader-plain input')].map((input) => input.type)"
    assert browser.script(inputs)[-1] == "file", "all fields come before the file"
    browser.pick(tmp_path / "plain.txt")
    browser.take_coverage()
    browser.click(".uploader-plain button")
    wait_until(lambda: server.finished_files() == ["plain.txt"], 10, "the file arrives")


@pytest.mark.needs("init script")
@pytest.mark.parametrize("query", ["(file) => ({ size: file.size })", "() => Promise.reject(new Error('no file'))"])
def test_a_plain_form_whose_parameters_fail_sends_the_file(server, own_page, browser, tmp_path, query):
    (tmp_path / "plain.txt").write_text("sent as a whole")
    browser.before_pages(OLD_BROWSER + "; addEventListener('error', (event) => event.preventDefault())")
    own_page(options=f"{{ query: {query}, target: () => '/resumable_upload' }}")
    wait_until(lambda: browser.script(READY), 5, "the form is ready")
    assert ["upload_token", "a token"] in browser.script(FIELDS)
    browser.pick(tmp_path / "plain.txt")
    browser.take_coverage()
    browser.click(".uploader-plain button")
    wait_until(lambda: server.finished_files() == ["plain.txt"], 10, "the file arrives")
