"""All ways to pass or name a socket, and what happens when descriptors run out."""

import concurrent.futures
import contextlib
import pathlib
import resource
import signal
import socket
import subprocess
import time

import pytest

from support.client import layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.server import PROGRAM, free_port, wait_until

DATA = random_bytes(1000)
(ONLY,) = layout(len(DATA), len(DATA), False)


@contextlib.contextmanager
def program(arguments: list, **options):
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            _, log = process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert process.returncode == 0, log


def upload(address, name: str) -> int:
    """Sends a whole file in one chunk straight to the program."""
    fields = parameters(ONLY, identifier=name, filename=name, size=len(DATA), chunk_size=len(DATA))
    request = Request(address, upload_params("POST", query(fields), "application/octet-stream", len(DATA)))
    request.write(DATA)
    return request.answer()[0]


@pytest.fixture
def listening(tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener


def test_a_socket_on_descriptor_0_is_used(listening, tmp_path):
    with program([PROGRAM, "serve", "--root", tmp_path / "root"], stdin=listening.fileno()):
        assert upload(listening.getsockname(), "inherited") == 200
    assert (tmp_path / "root/inherited").read_bytes() == DATA


def test_a_socket_from_systemd_is_used_and_stays_open_for_the_next_program(listening, tmp_path):
    handed_down = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&{listening.fileno()}'
    arguments = ["bash", "-c", handed_down, PROGRAM, "serve", "--root", tmp_path / "root"]
    for name in ("first", "second"):
        with program(arguments, pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL):
            assert upload(listening.getsockname(), name) == 200
    assert (tmp_path / "root/second").read_bytes() == DATA


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_it_listens_on_a_numeric_address(host, tmp_path):
    port = free_port()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with program([PROGRAM, "serve", "--root", tmp_path / "root", "--listen", address]):
        wait_until(lambda: socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET).connect_ex(
            (host, port)) == 0, 10, "it listens")
        assert upload((host, port), "tcp") == 200


@pytest.mark.parametrize("arguments", [
    [],
    ["--listen", "localhost:9000"],
    ["--listen", "127.0.0.1"],
    ["--socket", "/nowhere/at/all/socket"],
    ["--socket", "/tmp/" + 200 * "x"],
    ["--socket", "/dev/null"],
    ["--socket", "/tmp/x", "--listen", "127.0.0.1:1"],
    ["--socket", "/tmp/x", "--threads", "0"],
])
def test_an_invalid_socket_is_reported_and_nothing_starts(arguments, tmp_path):
    result = subprocess.run(
        [PROGRAM, "serve", "--root", tmp_path / "root", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert result.returncode not in (0, -signal.SIGTRAP, -signal.SIGILL) and result.stderr.strip()


def test_a_peer_that_disconnects_before_its_answer_does_no_harm(server, client):
    fields = parameters(ONLY, identifier="gone", filename="gone", size=len(DATA), chunk_size=len(DATA))
    for _ in range(20):
        request = Request(server.socket, upload_params("GET", query(fields), "", 0))
        request.close()
    assert client.send(fields, DATA).status == 200


def test_there_may_be_more_unfinished_uploads_than_descriptors(server, client):
    """Journals stay open between requests, but always leave descriptors for requests."""
    server.stop_program()
    # The limit has to be set before the program reads it.
    server.program = subprocess.Popen(
        ["prlimit", "--nofile=128:128", PROGRAM, "serve", "--socket", server.socket, "--root", server.root,
         "--threads", "4"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: server.socket.exists(), 10, "it listens")
    time.sleep(0.2)
    for number in range(300):
        first, _ = layout(2 * len(DATA), len(DATA), False)
        fields = parameters(
            first, identifier=str(number), filename=str(number), size=2 * len(DATA), chunk_size=len(DATA))
        assert client.send(fields, DATA).status == 200, number


def test_it_continues_after_running_out_of_descriptors(server, client):
    pid = server.program.pid
    open_now = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now, before[1]))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        # The connection cannot even be accepted now. It waits in the queue.
        waiting = pool.submit(upload, server.socket, "patient")
        time.sleep(1)
        assert not waiting.done()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert waiting.result(10) == 200
    assert "cannot accept a connection" in server.program_log()
    assert client.send(
        parameters(ONLY, identifier="after", filename="after", size=len(DATA), chunk_size=len(DATA)), DATA
    ).status == 200
