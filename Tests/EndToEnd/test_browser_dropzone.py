"""The original Dropzone with our server: in chunks, during a restart of the server, and refused."""

import hashlib
import importlib.util
import pathlib

import pytest

from support import pages
from support.browser import ROUTES, open_browser
from support.client import MIB, random_bytes
from support.media import png
from support.server import Server, wait_until

pytestmark = pytest.mark.browser

# As in Dropzone's documentation. It cuts chunks of equal size, the last one shorter, and retries a chunk at once.
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Upload</title></head><body>
<form action="/resumable_upload" class="dropzone" id="browse"></form>
<script src="/dropzone.js"></script>
<script>
  Dropzone.autoDiscover = false;
  const events = [];
  const dropzone = new Dropzone('#browse', {
    chunking: true, forceChunking: true, chunkSize: 1048576, parallelChunkUploads: PARALLEL,
    retryChunks: true, retryChunksLimit: 100, maxFilesize: null,
    // The test finds the input there.
    hiddenInputContainer: '#browse',
  });
  dropzone.on('success', function (file) { events.push(['success', file.name, file.xhr.responseText]); });
  dropzone.on('error', function (file, message) { events.push(['error', file.name, message]); });
</script></body></html>
"""
SIZE = 5 * MIB + 99


def serve_page(server: Server, folder: pathlib.Path, parallel: bool) -> None:
    home = pathlib.Path(importlib.util.find_spec("flask_dropzone").origin).parent
    page = folder / "dropzone.html"
    page.write_text(PAGE.replace("PARALLEL", "true" if parallel else "false"))
    pages.serve(
        server,
        {
            "/dropzone.js": pages.file(home / "static/dropzone.min.js", "text/javascript"),
            "/dropzone": pages.file(page, "text/html"),
        },
    )


def events(browser) -> list:
    return browser.script("return events")


def statuses(server: Server) -> list[int]:
    """The statuses of answers to chunks, in order. (Dropzone sends no tests; nginx logs its own errors as GET.)"""
    fields = [line.split('"') for line in server.access_log()]
    return [int(rest.split()[0]) for _, request, rest, *_ in fields if request.split()[1] == ROUTES[0]]


def is_same(one: pathlib.Path, other: pathlib.Path) -> bool:
    return hashlib.sha256(one.read_bytes()).digest() == hashlib.sha256(other.read_bytes()).digest()


@pytest.mark.parametrize("parallel", [False, True], ids=["one after the other", "all at once"])
def test_files_of_all_sizes_arrive_under_their_names(server, browser, tmp_path, parallel):
    serve_page(server, tmp_path, parallel)
    files = []
    for name, size in [("视频 1.bin", SIZE), ("one chunk.bin", MIB), ("two.bin", 2 * MIB), ("small.bin", 7)]:
        files.append(tmp_path / name)
        files[-1].write_bytes(random_bytes(size, seed=size))
    browser.open("/dropzone").pick(*files)
    wait_until(lambda: len(events(browser)) == len(files), 60, "all have ended")
    assert sorted(events(browser)) == sorted(["success", file.name, "OK"] for file in files)
    assert server.finished_files() == sorted(file.name for file in files)
    assert all(is_same(server.root / file.name, file) for file in files)
    assert statuses(server) == [200] * (6 + 1 + 2 + 1)


def test_two_files_of_the_same_name_stay_two_files(server, browser, tmp_path):
    serve_page(server, tmp_path, parallel=True)
    files = [tmp_path / folder / "same.bin" for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        file.write_bytes(random_bytes(SIZE, seed=len(str(file)) + ord(file.parent.name)))
    browser.open("/dropzone").pick(*files)
    wait_until(lambda: len(events(browser)) == 2, 60, "both have ended")
    assert [event[0] for event in events(browser)] == ["success", "success"]
    stored = {(server.root / name).read_bytes() for name in server.finished_files()}
    assert server.finished_files() == ["same (1).bin", "same.bin"]
    assert stored == {file.read_bytes() for file in files}


def test_a_chunk_that_fails_is_sent_again(server, browser, tmp_path):
    serve_page(server, tmp_path, parallel=False)
    file = tmp_path / "again.bin"
    file.write_bytes(random_bytes(SIZE, seed=4))
    browser.open("/dropzone").slow_down(2 * MIB)
    browser.pick(file)
    wait_until(lambda: 200 in statuses(server), 30, "the first chunk is stored")
    held = len(statuses(server))
    server.stop_program()
    wait_until(lambda: 502 in statuses(server), 30, "a chunk has failed")
    server.start_program()
    browser.full_speed()
    wait_until(lambda: events(browser), 30, "it has ended")
    assert events(browser) == [["success", "again.bin", "OK"]]
    assert is_same(server.root / file.name, file)
    # No chunk that was stored has been sent a second time.
    assert statuses(server).count(200) == 6 and 1 <= held < 6


def test_a_refused_file_is_an_error_with_the_reason(engine, tmp_path):
    with Server(tmp_path / "root", options=("--allow-type", "image/*", "--sniff")) as server:
        serve_page(server, tmp_path, parallel=False)
        with open_browser(server, tmp_path / "profile", engine) as browser:
            page, picture = tmp_path / "page.html", tmp_path / "dots.png"
            page.write_text("<!doctype html><script>alert(1)</script>")
            picture.write_bytes(png(40, 40, [(200, 0, 0), (0, 0, 200)]))
            browser.open("/dropzone").pick(page, picture)
            wait_until(lambda: len(events(browser)) == 2, 30, "both have ended")
            told = {name: (kind, message) for kind, name, message in events(browser)}
            assert told["dots.png"] == ("success", "OK")
            assert told["page.html"][0] == "error" and "image/*" in told["page.html"][1]
            assert server.finished_files() == ["dots.png"] and is_same(server.root / "dots.png", picture)
            assert 415 in statuses(server)
