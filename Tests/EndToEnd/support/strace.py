"""The system calls of the program, by strace."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

from support.server import Server, wait_until


@contextlib.contextmanager
def traced(arguments: list, socket: pathlib.Path, trace: pathlib.Path, log: pathlib.Path, environment: dict,
           seconds: float = 20):
    """Runs the program under strace, which writes its calls to `trace`. `seconds`: how long until it listens."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace, *arguments], stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, env=os.environ | environment)
    try:
        wait_until(socket.exists, seconds, f"it listens\n{log.read_text()}")
        yield
    finally:
        # strace does not pass signals on: the program is its child.
        child = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGTERM)
        assert process.wait(20) == 0


@contextlib.contextmanager
def traced_server(server: Server, trace: pathlib.Path, *options: str):
    """Restarts the program of a server under strace, and without it at the end."""
    server.stop_program()
    arguments = [server.executable, "serve", "--socket", server.socket, *server.place(), *options]
    with traced(arguments, server.socket, trace, server.state / "program.log", server.environment):
        yield
    server.start_program()


def started(trace: str) -> list[str]:
    """The names of the calls in a trace, in order. One that is interrupted by those of other threads counts once."""
    return re.findall(r"^\d+ +(\w+)\(", trace, re.M)


def used(trace: str) -> set[str]:
    """The names of the calls in the trace of a program, without the one that started it."""
    return set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)(?:\(| resumed)", trace, re.M)) - {"execve"}
