"""The original clients with our server, and our client with the Flask backend.

The clients come from the static files of PyPI packages. The Flask backend is the one that resumabled replaces, changed
to run on Python 3.
"""

import hashlib
import subprocess
import sys

import pytest

from support import pages
from support.browser import open_browser
from support.client import MIB, random_bytes
from support.flask_server import BACKEND
from support.original import ORIGINALS, events, page, serve_original
from support.server import Server, free_port, wait_until

pytestmark = pytest.mark.browser

SLOW = 2 * MIB


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.core
@pytest.mark.parametrize("package", ORIGINALS)
def test_the_original_client_uploads_pauses_resumes_and_reloads(server, browser, tmp_path, package):
    serve_original(server, tmp_path, package)
    file = tmp_path / "original.bin"
    file.write_bytes(random_bytes(10 * MIB + 99, seed=5))
    traffic = browser.open("/original").traffic
    # Its own properties, so that the test does not use our script by mistake.
    assert browser.script("return typeof r.speed") == "undefined" and browser.script("return r.version") == 1

    browser.slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(traffic.read().stored) >= 2, 30, "the first chunks are stored")
    browser.click("#pause")
    browser.wait(1500)
    held = len(traffic.read().stored)
    assert 2 <= held < 10 and server.finished_files() == []

    browser.click("#resume")
    wait_until(lambda: len(traffic.read().stored) >= held + 2, 30, "it continues")
    assert server.finished_files() == [], "the reload has to come in the middle of the upload"
    browser.reload()
    browser.full_speed()
    # A chunk that was on its way is stored or broken off by then. Before that, a test would be told that it is missing.
    browser.wait(1500)
    browser.pick(file)
    wait_until(lambda: events(browser), 30, "it has ended")
    assert events(browser) == [["success", "original.bin", "OK"]]
    assert sha256((server.root / "original.bin").read_bytes()) == sha256(file.read_bytes())
    assert traffic.read().sent_again == [] and len(traffic.stored) <= 10
    # It tests each chunk, and does not send held chunks.
    assert list(traffic.statuses[test] for test in traffic.tests if test in traffic.statuses).count(200) >= held
    assert traffic.answers_to(traffic.tests) == {200, 404}
    assert traffic.answers_to(traffic.uploads) == {200}


@pytest.fixture
def flask(server, tmp_path):
    """The Flask backend behind the same nginx. Yields the folder that it writes to."""
    folder = tmp_path / "flask_uploads"
    folder.mkdir()
    port = free_port()
    with open(tmp_path / "flask.log", "wb") as log:
        program = subprocess.Popen(
            [sys.executable, BACKEND, folder, str(port)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        wait_until(lambda: "Running on" in (tmp_path / "flask.log").read_text(), 20, "Flask listens")
        pages.serve(
            server,
            {
                "/flask/resumable_upload": f"proxy_pass http://127.0.0.1:{port}/resumable_upload;",
                # One at a time: if two chunks end together, Flask assembles the file twice.
                "/flask": page(tmp_path, "/resources/um/script/resumable.js", "/flask/resumable_upload", at_once=1),
                "/ours": page(tmp_path, "/resources/um/script/resumable.js", "/resumable_upload"),
            },
        )
        yield folder
    finally:
        program.terminate()
        program.wait(10)


def test_our_client_uploads_to_the_flask_backend_as_to_our_server(server, browser, flask, tmp_path):
    file = tmp_path / "视频.bin"
    file.write_bytes(random_bytes(10 * MIB + 99, seed=6))
    traffic = browser.open("/flask").traffic
    browser.slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(traffic.read().stored) >= 2, 30, "the first chunks are stored")
    browser.click("#pause")
    browser.wait(1500)
    held = len(traffic.read().stored)
    assert 2 <= held < 10 and not (flask / file.name).exists()
    browser.reload()
    browser.full_speed()
    # A chunk that was on its way is stored or broken off by then. Before that, a test would be told that it is missing.
    browser.wait(1500)
    browser.pick(file)
    wait_until(lambda: events(browser), 30, "it has ended")
    assert events(browser) == [["success", file.name, "OK"]]
    assert traffic.read().sent_again == []
    # Flask does not list ranges, so every chunk is tested. The statuses are the same as our server's.
    assert traffic.answers_to(traffic.tests) == {200, 404}
    assert traffic.answers_to(traffic.uploads) == {200}

    # The same file, the same page, our server.
    browser.open("/ours").pick(file)
    wait_until(lambda: events(browser), 30, "it has ended")
    assert events(browser) == [["success", file.name, "OK"]]
    sums = {sha256((folder / file.name).read_bytes()) for folder in (flask, server.root)}
    assert sums == {sha256(file.read_bytes())}


@pytest.mark.parametrize("package", ORIGINALS)
def test_the_original_client_continues_when_the_server_is_back(server, browser, tmp_path, package):
    serve_original(server, tmp_path, package)
    file = tmp_path / "away.bin"
    file.write_bytes(random_bytes(6 * MIB, seed=7))
    traffic = browser.open("/original").traffic
    browser.slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(traffic.read().stored) >= 1, 30, "the first chunk is stored")
    server.stop_program()
    wait_until(lambda: 502 in traffic.read().answers_to(traffic.tests | traffic.uploads), 30, "nginx answers 502")
    server.start_program()
    browser.full_speed()
    wait_until(lambda: events(browser), 30, "it has ended")
    assert events(browser) == [["success", "away.bin", "OK"]]
    assert (server.root / "away.bin").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("package", ORIGINALS)
def test_the_original_client_gives_up_a_refused_file_and_shows_the_reason(engine, tmp_path, package):
    with Server(tmp_path / "root", options=("--allow-type", "image/*")) as server:
        serve_original(server, tmp_path, package)
        with open_browser(server, tmp_path / "profile", engine) as browser:
            file = tmp_path / "page.html"
            file.write_text("<!doctype html>")
            traffic = browser.open("/original").traffic
            browser.pick(file)
            wait_until(lambda: events(browser), 30, "it has ended")
            ((kind, name, message),) = events(browser)
            assert (kind, name) == ("error", "page.html") and "image/*" in message
            assert traffic.read().answers_to(traffic.uploads) == {415} and len(traffic.uploads) == 1
            assert server.finished_files() == []
