"""Restarts under load: another process holds the socket all the time, so no client notices.

The parent does the work of systemd with resumabled.socket: it binds, listens, and passes the descriptor to one program
after the other (sd_listen_fds(3)). `RESTARTS=100 Tests/run endtoend` restarts more often.
"""

import os
import random
import signal
import socket
import subprocess

import pytest

from support.load import Load
from support.server import PROGRAM, Server, run_program

RESTARTS = int(os.environ.get("RESTARTS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))


class Supervised(Server):
    """A server whose socket belongs to the parent process."""

    def __init__(self, root):
        super().__init__(root)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.socket))
        self.listener.listen(4096)
        self.notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notices.bind(str(self.state / "notify"))
        self.notices.settimeout(10)

    def spawn_program(self, *options: str) -> subprocess.Popen:
        number = self.listener.fileno()
        handed_down = f'LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&{number}'
        environment = os.environ | {"NOTIFY_SOCKET": str(self.state / "notify")}
        with open(self.state / "program.log", "ab") as log:
            return subprocess.Popen(
                ["bash", "-c", handed_down, PROGRAM, "serve", "--root", self.root, *options],
                env=environment, pass_fds=[number], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start_program(self, *options: str) -> None:
        self.program = self.spawn_program(*options)
        self.expect_notice(b"READY=1")

    def expect_notice(self, text: bytes) -> None:
        assert self.notices.recv(100) == text, self.program_log()

    def restart(self) -> None:
        """Restarts as `systemctl restart` does: one program ends, then the next begins."""
        self.program.send_signal(signal.SIGTERM)
        self.expect_notice(b"STOPPING=1")
        self.expect_clean_end(30)
        self.start_program()

    def hand_over(self) -> None:
        """Starts the next program, which already serves while the last one finishes its requests."""
        last = self.program
        self.start_program()
        last.send_signal(signal.SIGTERM)
        self.expect_notice(b"STOPPING=1")
        assert last.wait(30) == 0, self.program_log()

    def close(self) -> None:
        super().close()
        self.listener.close()
        self.notices.close()


@pytest.fixture
def server(tmp_path):
    with Supervised(tmp_path / "root") as server:
        yield server


@pytest.mark.parametrize("how", [Supervised.restart, Supervised.hand_over])
def test_no_client_notices_a_restart(server, how):
    print(f"SEED={SEED} RESTARTS={RESTARTS}")
    with Load(server, SEED, gapless=True) as load:
        for _ in range(RESTARTS):
            load.wait_for_progress()
            how(server)
    print(f"{len(load.digests)} files, {load.counts}")
    assert load.counts["cut off"] == 0 and load.counts["acknowledged"] > RESTARTS
    # nginx had to hide no error either.
    assert server.nginx_log() == ""
    assert server.finished_files() == sorted(load.digests)
    load.expect_files_whole(load.digests)
    found = run_program("verify", "--root", server.root)
    assert found.returncode == 0, found.stdout + found.stderr
