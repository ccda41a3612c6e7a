"""`Tests/run`: the tests that it selects, and the signals that they start with."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

from support.server import PROGRAM, REPOSITORY

RUN = REPOSITORY / "Tests/run"
# One test of the browser library.
WEB_TEST = re.search(r"^test\('([\w ,]+)'", (REPOSITORY / "Tests/Web/types.test.js").read_text(), re.M)[1]
# As a background job of a shell under nohup.
IGNORED = {signal.SIGINT, signal.SIGQUIT, signal.SIGHUP}


def run_with_ignored_signals(*command, **how) -> subprocess.CompletedProcess:
    names = " ".join(number.name.removeprefix("SIG") for number in IGNORED)
    return subprocess.run(
        ["sh", "-c", f'trap "" {names}; exec "$@"', "sh", *command],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120, **how)


def ignored(status: str) -> set[signal.Signals]:
    """The ignored signals in the text of /proc/PID/status."""
    mask = int(re.search(r"^SigIgn:\s*([0-9a-f]+)$", status, re.M)[1], 16)
    return {number for number in signal.Signals if mask & (1 << (number - 1))}


def test_the_shell_of_these_tests_ignores_signals():
    assert IGNORED <= ignored(run_with_ignored_signals("cat", "/proc/self/status").stdout)


def test_a_part_starts_with_default_signals_in_a_background_job(tmp_path):
    # bash runs this file before each script, here before that of the part.
    (tmp_path / "look").write_text(
        f"if grep -qz -e --part /proc/$$/cmdline; then cat /proc/self/status >'{tmp_path}/status'; fi\n")
    done = run_with_ignored_signals(
        RUN, "web", "-k", WEB_TEST, env={"PATH": "/usr/bin:/bin", "HOME": "/", "BASH_ENV": str(tmp_path / "look")})
    assert done.returncode == 0, done.stdout + done.stderr
    # SIGHUP stays ignored, so that nohup works.
    assert ignored((tmp_path / "status").read_text()) & IGNORED == {signal.SIGHUP}


def test_the_helpers_start_programs_with_default_signals_in_a_background_job():
    folder = pathlib.Path(__file__).parent
    done = run_with_ignored_signals(
        sys.executable, "-c",
        "import signal, subprocess, support.server\n"
        "subprocess.run(['cat', '/proc/self/status'], check=True)\n"
        # This process itself survives the signals.
        "for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP): signal.raise_signal(number)\n",
        cwd=folder)
    assert done.returncode == 0, done.stderr
    assert ignored(done.stdout) & IGNORED == set()


@pytest.mark.parametrize("arguments, message", [
    (["-k", "word"], "-k needs a part"),
    (["web", "-k"], "-k needs a word"),
    (["format", "-k", "word"], "-k does not work with 'format'"),
    (["everything"], "there is no part 'everything'"),
])
def test_wrong_arguments_are_explained(arguments, message):
    done = subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "") and message in done.stderr


def test_a_word_selects_tests_of_the_browser_library():
    done = subprocess.run([RUN, "web", "-k", WEB_TEST], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^✔ (.*) \(", done.stdout, re.M) == [WEB_TEST]


def test_a_word_selects_end_to_end_tests():
    done = subprocess.run(
        [RUN, "endtoend", "-k", "test_a_word_that_selects_nothing_is_an_error"], capture_output=True, text=True,
        timeout=900, env={**os.environ, "RESUMABLED": PROGRAM})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^=+ 1 passed, \d+ deselected", done.stdout, re.M)


def test_a_word_that_selects_nothing_is_an_error():
    done = subprocess.run([RUN, "web", "-k", "no test has this name"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "no test matches 'no test has this name'" in done.stdout


def test_the_summary_has_the_tests_that_failed(tmp_path):
    # A copy of the script, with one test that fails.
    (tmp_path / "Tests/Web").mkdir(parents=True)
    (tmp_path / "deploy").mkdir()
    shutil.copy(RUN, tmp_path / "Tests/run")
    (tmp_path / "deploy/install").symlink_to("/bin/true")
    (tmp_path / "Tests/Web/some.test.js").write_text(
        "const test = require('node:test');\ntest('stays', () => {});\ntest('falls', () => { throw Error('down'); });\n")
    done = subprocess.run([tmp_path / "Tests/run", "web"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    summary = done.stdout.partition("=== summary\n")[2]
    assert re.search(r"^web +FAILED \(status 1\), \d+ s\n +\S.*falls", summary) and "stays" not in summary, summary
    shutil.rmtree(re.search(r"^The temporary files are still in (.*)$", done.stderr, re.M)[1])
