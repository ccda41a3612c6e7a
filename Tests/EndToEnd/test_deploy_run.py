"""`deploy/run`: it starts the program and nginx, prints the address, and leaves nothing behind."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

from support.client import Client, random_bytes
from support.server import REPOSITORY, free_port, wait_until

RUN = REPOSITORY / "deploy/run"


def descendants(pid: int) -> set[int]:
    """The pids of all descendants of a process."""
    found: set[int] = set()
    for path in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found |= {child} | descendants(child)
    return found


def command(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def alive(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


class Running:
    """The script in a session of its own, as in a terminal, with its own folder for temporary files."""

    def __init__(self, folder: pathlib.Path):
        self.port = free_port()
        self.root = folder / "uploads with a space"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.process = subprocess.Popen(
            [RUN, "--port", str(self.port), "--root", self.root],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(self.temporary)},
        )
        self.lines: list[str] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.children: set[int] = set()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, "\n".join(self.lines)
            return f"http://127.0.0.1:{self.port}/resumable" in self.lines

        # A build from scratch takes minutes.
        wait_until(ready, 900, "the address is printed")
        self.children = descendants(self.process.pid)
        assert len(self.children) >= 3, "program, nginx and its worker"

    def pid_of(self, word: str) -> int:
        (pid,) = [pid for pid in self.children if word in command(pid)]
        return pid

    def expect_nothing_left(self) -> None:
        assert [pid for pid in self.children if alive(pid)] == []
        assert list(self.temporary.iterdir()) == []

    def close(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                for pid in descendants(self.process.pid) | {self.process.pid}:
                    os.kill(pid, signal.SIGKILL)
                self.process.wait(10)
        self.reader.join(10)


@pytest.fixture
def running(tmp_path):
    running = Running(tmp_path)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_uploads_and_leaves_nothing_when_it_is_stopped(running, how):
    data = random_bytes(100_000)
    with Client(running.port) as client:
        client.upload(data, filename="file", identifier="file", chunk_size=30_000)
        assert client.request("GET", "/resumable").status == 200
    assert (running.root / "file").read_bytes() == data

    # On Ctrl-C a terminal sends the signal to the whole foreground group.
    began = time.monotonic()
    os.killpg(running.process.pid, how)
    assert running.process.wait(10) == 0
    assert time.monotonic() - began < 2
    running.expect_nothing_left()
    assert (running.root / "file").read_bytes() == data


def test_it_stops_in_time_while_a_client_is_in_the_middle_of_a_chunk(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(b"POST /resumable_upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")
        time.sleep(0.3)
        began = time.monotonic()
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(10) == 0
        assert time.monotonic() - began < 2
    running.expect_nothing_left()


@pytest.mark.parametrize("word, name", [("serve --socket", "the program"), ("nginx: master", "nginx")])
def test_if_one_process_dies_it_reports_that_and_stops_the_other(running, word, name):
    os.kill(running.pid_of(word), signal.SIGKILL)
    assert running.process.wait(10) == 1
    running.reader.join(10)
    assert any(f"{name} ended unexpectedly" in line for line in running.lines), running.lines
    running.expect_nothing_left()


def test_if_the_script_is_killed_both_processes_end(running):
    running.process.kill()
    running.process.wait(10)
    wait_until(lambda: not any(alive(pid) for pid in running.children), 5, "the children have ended")


def test_a_port_in_use_is_reported_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run([RUN, "--port", port], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and f"port {port} is in use" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port"], ["--port", "0"], ["--port", "65536"], ["--port", "http"], ["--root", __file__], ["--what"],
        ["--chunk-size", "0M"], ["--chunk-size", "large"],
    ],
)  # fmt: skip
def test_wrong_arguments_are_explained(arguments):
    done = subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert re.match(r"deploy/run: .+--help", done.stderr)


def test_help_lists_the_options():
    done = subprocess.run([RUN, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--port", "--root", "--chunk-size", "8080"))
