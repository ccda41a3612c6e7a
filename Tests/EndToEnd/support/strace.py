"""The system calls of the program, by strace."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess

from support.server import Server, wait_until


@contextlib.contextmanager
def traced(server: Server, trace: pathlib.Path, *options: str):
    """Restarts the program of a server under strace, which writes its calls to `trace`, and without it at the end."""
    server.stop_program()
    arguments = [server.executable, "serve", "--socket", server.socket, *server.place(), *options]
    with open(server.state / "program.log", "ab") as log:
        process = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace, *arguments], stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, env=os.environ | server.environment)
    try:
        wait_until(server.socket.exists, 20, "it listens")
        yield
    finally:
        # strace does not pass signals on: the program is its child.
        child = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGTERM)
        assert process.wait(20) == 0
    server.start_program()


def calls(trace: str) -> list[str]:
    """The names of the calls in a trace, in order. One that is interrupted by those of other threads counts once."""
    return re.findall(r"^\d+ +(\w+)\(", trace, re.M)
