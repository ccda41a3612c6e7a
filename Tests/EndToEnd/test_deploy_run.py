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

from support.client import Client, layout, parameters, random_bytes
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

    def __init__(self, folder: pathlib.Path, *options: str):
        self.port = free_port()
        self.root = folder / "uploads with a space"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [RUN, "--port", str(self.port), "--root", self.root, *options],
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
        (pid,) = self.pids_of(word)
        return pid

    def pids_of(self, word: str) -> list[int]:
        return [pid for pid in self.children if word in command(pid)]

    def printed(self, pattern: str) -> list[str]:
        """What the first group matches in each line that matches."""
        return [found[1] for line in self.lines if (found := re.search(pattern, line))]

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
    assert time.monotonic() - began < 5
    running.expect_nothing_left()
    assert (running.root / "file").read_bytes() == data


def test_it_stops_in_time_while_a_client_is_in_the_middle_of_a_chunk(running):
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(b"POST /resumable_upload HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf")
        time.sleep(0.3)
        began = time.monotonic()
        os.killpg(running.process.pid, signal.SIGINT)
        assert running.process.wait(10) == 0
        assert time.monotonic() - began < 5
    running.expect_nothing_left()


@pytest.mark.parametrize("word, name", [("serve --socket", "the program"), ("nginx: master", "nginx")])
def test_if_one_process_dies_it_reports_that_and_stops_the_other(running, word, name):
    os.kill(running.pid_of(word), signal.SIGKILL)
    assert running.process.wait(10) == 1
    running.reader.join(10)
    assert any(f"{name} ended unexpectedly" in line for line in running.lines), running.lines
    running.expect_nothing_left()


def sockets_of_the_engine() -> set[pathlib.Path]:
    return set(pathlib.Path("/tmp").glob("seaweedfs-*.sock"))


@pytest.mark.objects
def test_two_programs_share_a_bucket_and_one_that_is_killed_is_started_again(tmp_path):
    data = random_bytes(3_500_000)
    facts = dict(identifier="file", filename="file", size=len(data), chunk_size=1_000_000)
    chunks = layout(len(data), 1_000_000, force=True)
    before = sockets_of_the_engine()

    def send(client: Client, chunk) -> bool:
        answer = client.send(parameters(chunk, **facts), data[chunk.start : chunk.end])
        assert answer.status in (200, 502, 503), answer
        return answer.status == 200

    first = Running(tmp_path, "--bucket")
    try:
        first.wait_until_ready()
        programs = first.pids_of("serve --socket")
        assert len(programs) == 2
        with Client(first.port) as client:
            assert send(client, chunks[0]) and send(client, chunks[1])
            for pid in programs:
                os.kill(pid, signal.SIGKILL)
            started = wait_until(lambda: len(found := first.printed(r"in its place: process (\d+)")) == 2 and found, 5,
                                 "two programs are started")
            first.children |= set(map(int, started))
            for chunk in chunks[2:]:
                # They test the engine before they listen.
                wait_until(lambda: send(client, chunk), 60, "the chunk is stored")
        # The printed commands show the bucket and get the file.
        listing, get = first.printed(r"^    (curl .*)$")
        assert "<Key>file</Key>" in subprocess.run(listing, shell=True, capture_output=True, text=True).stdout
        subprocess.run(get.replace("NAME", "file"), shell=True, cwd=tmp_path, check=True)
        assert (tmp_path / "file").read_bytes() == data

        os.killpg(first.process.pid, signal.SIGINT)
        assert first.process.wait(10) == 0
        first.expect_nothing_left()
        assert sockets_of_the_engine() <= before
    finally:
        first.close()
    # The bucket stays.
    second = Running(tmp_path, "--bucket")
    try:
        second.wait_until_ready()
        with Client(second.port) as client:
            assert client.test(parameters(chunks[0], **facts)).outcome == "held"
        os.kill(second.pid_of("weed"), signal.SIGKILL)
        assert second.process.wait(10) == 1
        second.reader.join(10)
        assert any("SeaweedFS ended unexpectedly" in line for line in second.lines), second.lines
        second.expect_nothing_left()
    finally:
        second.close()


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
        ["--chunk-size", "0M"], ["--chunk-size", "large"], ["--root", ""], ["--root="], ["--bucket=photos"],
    ],
)  # fmt: skip
def test_wrong_arguments_are_explained(arguments):
    done = subprocess.run([RUN, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert re.match(r"deploy/run: .+--help", done.stderr)


def test_help_lists_the_options():
    done = subprocess.run([RUN, "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("--port", "--root", "--chunk-size", "--bucket", "8080"))
