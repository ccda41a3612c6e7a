"""Files that the server would refuse are refused by the page, in a real Chromium: before any byte of the file is sent,
with a reason in the user's language. The server reports its limits with the first test."""

import pytest

from support.browser import open_browser
from support.client import MIB, random_bytes
from support.server import wait_until

pytestmark = pytest.mark.browser


@pytest.fixture
def limited(server):
    server.stop_program()
    server.start_program("--max-file-size", "4000000", "--allow-type", ".pdf,video/*")
    return server


def messages(browser) -> dict[str, str]:
    return {row["name"]: row["message"] for row in browser.rows() if row["state"] == "failed"}


def sent(browser) -> set[str]:
    """The names of all files of which bytes were sent."""
    return {fields["resumableFilename"] for fields in browser.traffic.read().uploads.values()}


def test_files_over_a_limit_are_refused_before_they_are_sent(limited, browser, tmp_path):
    sizes = {"large.pdf": 4_000_001, "fits.pdf": 4_000_000, "notes.txt": 10}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(random_bytes(size))
    browser.open().pick(*(tmp_path / name for name in sizes))
    browser.wait_for_states("failed", "done", "failed")
    assert messages(browser) == {
        "large.pdf": "The file is too large. The limit is 4\u00a0MB.",
        "notes.txt": "Files of this type are not accepted. Accepted types: .pdf, video/*.",
    }
    assert sent(browser) == {"fits.pdf"} and limited.finished_files() == ["fits.pdf"]
    assert not browser.visible("[data-action=retry], .uploader-retry-all"), "a retry cannot help"
    wait_until(lambda: browser.text(".progress-text") == "1 uploaded, 2 failed", 5, "the ending counts them")

    # The limits are known now.
    tests = len(browser.traffic.read().tests)
    (tmp_path / "larger.pdf").write_bytes(bytes(5 * MIB))
    browser.pick(tmp_path / "larger.pdf")
    wait_until(lambda: "larger.pdf" in messages(browser), 5, "it is refused")
    assert len(browser.traffic.read().tests) == tests, "without a request"
    browser.reload()
    browser.wait(700)
    assert browser.pending() == [], "what was refused is not pending"


def test_the_reason_is_in_the_users_language(limited, tmp_path):
    (tmp_path / "large.pdf").write_bytes(bytes(5 * MIB))
    with open_browser(limited, tmp_path / "profile", language="zh-CN") as browser:
        browser.open().pick(tmp_path / "large.pdf")
        browser.wait_for_states("failed")
        assert messages(browser) == {"large.pdf": "文件太大，最多允许 4\u00a0MB。"}
        assert sent(browser) == set()


@pytest.fixture
def only_pdf(server):
    server.stop_program()
    server.start_program("--allow-type", ".pdf")
    return server


def texts(folder, count: int, size: int) -> list:
    files = [folder / f"{number}.txt" for number in range(count)]
    for file in files:
        file.write_bytes(bytes(size))
    return files


def test_the_server_tells_its_limits_with_a_refused_test(only_pdf, tmp_path):
    files = texts(tmp_path, 20, 3 * MIB)
    with open_browser(only_pdf, tmp_path / "profile", language="zh-CN") as browser:
        browser.open().pick(*files)
        browser.wait_for_states(*["failed"] * 20)
        assert set(messages(browser).values()) == {"不接受此类型的文件。可接受的类型：.pdf。"}
        assert sent(browser) == set()
        assert len(browser.traffic.read().tests) <= 3, "the first answer is about all files"
        assert not browser.visible("[data-action=retry], .uploader-retry-all"), "a retry cannot help"


def test_the_page_asks_for_the_limits_once_when_chunks_are_refused(only_pdf, browser, tmp_path):
    (tmp_path / "a.pdf").write_bytes(bytes(10))
    browser.open().pick(tmp_path / "a.pdf")
    browser.wait_for_states("done")
    tests = len(browser.traffic.read().tests)
    # Limits of an hour ago may have changed. Files of one chunk are sent without a test.
    browser.script("uploader.limitsAt -= 3_600_000")
    browser.pick(*texts(tmp_path, 20, 10))
    browser.wait_for_states("done", *["failed"] * 20)
    reason = "Files of this type are not accepted. Accepted types: .pdf."
    wait_until(lambda: set(messages(browser).values()) == {reason}, 5, "each has the reason")
    assert len(sent(browser)) > 1, "chunks were refused"
    assert len(browser.traffic.read().tests) == tests + 1


def test_a_file_whose_type_only_its_content_shows_is_left_to_the_server(limited, browser, tmp_path):
    limited.stop_program()
    limited.start_program("--allow-type", ".pdf,video/*", "--sniff")
    (tmp_path / "unknown").write_bytes(b"%PDF-1.7\n" + bytes(100))
    browser.open().pick(tmp_path / "unknown")
    browser.wait_for_states("failed")
    assert sent(browser) == {"unknown"}, "video/* could be accepted"


def test_a_changed_name_is_shown(server, browser, tmp_path):
    (server.root / "photo.bin").write_bytes(b"another file of that name")
    (tmp_path / "photo.bin").write_bytes(random_bytes(MIB + 1))
    browser.open().pick(tmp_path / "photo.bin")
    browser.wait_for_states("done")
    [name] = [name for name in server.finished_files() if name != "photo.bin"]
    wait_until(lambda: f"Saved as {name}" in browser.rows()[0]["text"], 5, "the row has the new name")
