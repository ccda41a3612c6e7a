"""Requests that carry several chunks, files of one chunk, and answers of other programs, behind the real nginx."""

import pytest

from support import pages
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser

# The limits that a test's JSON has are fixed here, within what nginx.conf.example allows.
PAGE = """<!doctype html>
<html><head><meta charset="utf-8"><title>Sizes</title></head><body>
<button id="browse" type="button">Browse</button>
<script src="/resources/um/script/resumable.js"></script>
<script>
  class Request extends XMLHttpRequest {
    get responseText() {
      const text = super.responseText;
      if (!text.startsWith('{"size"')) return text;
      return JSON.stringify({ ...JSON.parse(text), limits: { maxChunkSize: 1048576 } });
    }
  }
  const events = [];
  const r = new Resumable({ target: '/resumable_upload', chunkSize: 131072,
    platform: { createRequest: () => new Request() }, OPTIONS });
  r.assignBrowse(document.getElementById('browse'));
  r.on('fileAdded', () => r.upload());
  r.on('fileSuccess', (file) => events.push(['success', file.fileName]));
  r.on('fileError', (file, message) => events.push(['error', file.fileName, message]));
</script></body></html>
"""


@pytest.fixture
def sizes(server, browser, tmp_path):
    def open_page(options: str = "", more: dict[str, str] = {}):
        page = tmp_path / "sizes.html"
        page.write_text(PAGE.replace("OPTIONS", options))
        pages.serve(server, {"/sizes": pages.file(page, "text/html"), **more})
        return browser.open("/sizes")

    return open_page


def events(browser) -> list:
    return browser.script("return events")


@pytest.mark.parametrize("options", ["", "forceChunkSize: true,", "method: 'octet',", "digest: 'sha-256',"])
def test_joined_chunks_arrive_as_the_file_that_was_sent(sizes, server, tmp_path, options):
    browser = sizes(options)
    file = tmp_path / "joined.bin"
    file.write_bytes(random_bytes(20 * MIB + 77_777, seed=21))
    browser.pick(file)
    wait_until(lambda: events(browser), 60, "the file has ended")
    assert events(browser) == [["success", file.name]]
    assert (server.root / file.name).read_bytes() == file.read_bytes()
    traffic = browser.traffic.read()
    sizes_sent = [int(fields["resumableChunkSize"]) for fields in traffic.uploads.values()]
    assert max(sizes_sent) == 1048576 and len(sizes_sent) < 60, "160 chunks"
    assert traffic.answers_to(traffic.uploads) == {200}
    sent = sum(int(fields["resumableCurrentChunkSize"]) for fields in traffic.uploads.values())
    assert sent == file.stat().st_size, "no byte is sent twice"


# (size of the file, size of the chunks of the page). nginx.conf.example lets 8 MiB pass.
@pytest.mark.parametrize("size, chunk_size", [(60 * MIB, MIB), (15 * MIB, 8 * MIB), (40 * MIB, 16 * MIB)])
def test_nothing_is_sent_that_nginx_would_refuse(sizes, server, tmp_path, size, chunk_size):
    # The limits are those that the server tells.
    browser = sizes(f"chunkSize: {chunk_size}, platform: undefined,")
    file = tmp_path / "large.bin"
    file.write_bytes(random_bytes(size, seed=25))
    browser.pick(file)
    wait_until(lambda: events(browser), 60, "the file has ended")
    assert events(browser) == [["success", file.name]]
    assert (server.root / file.name).read_bytes() == file.read_bytes()
    traffic = browser.traffic.read()
    assert traffic.answers_to(traffic.uploads) == {200}
    sent = [int(fields["resumableCurrentChunkSize"]) for fields in traffic.uploads.values()]
    assert 4 * MIB <= max(sent) <= 8 * MIB and sum(sent) == size


@pytest.mark.needs("offline")
def test_joined_chunks_are_resumed_after_a_reload_and_a_lost_connection(sizes, server, tmp_path):
    browser = sizes()
    file = tmp_path / "resumed.bin"
    file.write_bytes(random_bytes(30 * MIB + 5, seed=22))
    browser.slow_down(4 * MIB)
    browser.pick(file)
    wait_until(lambda: browser.script("return r.files[0].confirmedSize") > 8 * MIB, 60, "the first third is stored")
    browser.go_offline()
    wait_until(lambda: browser.script("return r.files[0].chunks.every((one) => !one._active)"), 20, "nothing is sent")
    browser.go_online()
    held = browser.script("return r.files[0].confirmedSize")
    wait_until(lambda: browser.script("return r.files[0].confirmedSize") > held + 4 * MIB, 60, "the upload continues")
    assert server.finished_files() == []
    browser.reload()
    browser.full_speed()
    browser.pick(file)
    wait_until(lambda: events(browser), 60, "the file has ended")
    assert events(browser) == [["success", file.name]]
    assert (server.root / file.name).read_bytes() == file.read_bytes()


def test_files_of_one_chunk_need_one_request_each(sizes, server, browser, tmp_path):
    sizes()
    folder = tmp_path / "small"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number}.bin").write_bytes(random_bytes(1000 + number, seed=number))
    browser.pick(*folder.iterdir())
    wait_until(lambda: len(events(browser)) == 60, 60, "all have ended")
    assert {kind for kind, _ in events(browser)} == {"success"}
    for path in folder.iterdir():
        assert (server.root / path.name).read_bytes() == path.read_bytes()
    traffic = browser.traffic.read()
    assert len(traffic.uploads) == 60 and len(traffic.tests) <= 6, "only the first ones, before an answer"


def test_a_login_page_in_front_of_the_server_uploads_nothing(sizes, server, tmp_path):
    login = 'default_type text/html; return 200 "<!doctype html><title>Sign in</title>";'
    answers = {
        "/redirected": "return 302 /login;",
        "/login": login,
        "/mistyped": login,
    }
    browser = sizes("", answers)
    for target in ("/redirected", "/mistyped"):
        browser.script(f"events.length = 0; r.files = []; r.opts.target = '{target}'; r.opts.chunkRetryInterval = 50")
        file = tmp_path / f"{target[1:]}.bin"
        file.write_bytes(random_bytes(300_000, seed=23))
        browser.pick(file)
        wait_until(lambda: events(browser), 30, "the file has ended")
        ((kind, name, message),) = events(browser)
        assert (kind, name) == ("error", file.name) and "did not come from the upload server" in message
    assert server.finished_files() == []
    # After signing in the same file goes to the server.
    browser.script("events.length = 0; r.opts.target = '/resumable_upload'; r.files[0].retry()")
    wait_until(lambda: events(browser), 30, "the file has ended")
    assert events(browser) == [["success", "mistyped.bin"]]


def test_a_session_that_expires_in_the_middle_fails_the_file_and_loses_no_chunk(sizes, server, tmp_path):
    browser = sizes("chunkRetryInterval: 50,", {"/login": 'default_type text/html; return 200 "<html>Sign in</html>";'})
    file = tmp_path / "expired.bin"
    file.write_bytes(random_bytes(12 * MIB, seed=24))
    browser.slow_down(4 * MIB)
    browser.pick(file)
    wait_until(lambda: browser.script("return r.files[0].confirmedSize") > 2 * MIB, 30, "some chunks are stored")
    # The site's login answers in the place of the server, without a redirect.
    browser.script("r.opts.target = () => '/login'; r._ours.add(r.opts.target)")
    wait_until(lambda: events(browser), 30, "the file has ended")
    assert events(browser)[0][0] == "error" and server.finished_files() == []
    browser.full_speed()
    browser.script("events.length = 0; r.opts.target = '/resumable_upload'; r.files[0].retry()")
    wait_until(lambda: events(browser), 30, "the file has ended")
    assert events(browser) == [["success", file.name]]
    assert (server.root / file.name).read_bytes() == file.read_bytes()
