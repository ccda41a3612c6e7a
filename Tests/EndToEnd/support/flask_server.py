"""Runs the Flask backend (flask_backend.py) as a child process."""

import pathlib
import socket
import subprocess
import sys

from support.client import Client
from support.server import free_port, wait_until

BACKEND = pathlib.Path(__file__).with_name("flask_backend.py")


class Flask:
    """The Flask backend with a root of its own, until the context ends."""

    def __init__(self, root: pathlib.Path, limit: int | None = None):
        root.mkdir(exist_ok=True)
        self.port = free_port()
        arguments = [sys.executable, BACKEND, root, self.port, *([limit] if limit else [])]
        self.process = subprocess.Popen(
            list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.client = Client(self.port)

    def __enter__(self) -> Client:
        wait_until(self._listens, 20, "Flask listens")
        return self.client

    def _listens(self) -> bool:
        assert self.process.poll() is None, f"Flask ended with {self.process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_) -> None:
        self.client.connection.close()
        self.process.terminate()
        self.process.wait(10)
