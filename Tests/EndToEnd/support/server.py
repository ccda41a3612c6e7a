"""The program behind nginx, as `deploy/run` starts them, under the control of a test.

Each process is started and stopped by its pid. Closing a server checks its behaviour: the program exits in time with
status 0, its log shows no crash, nginx's log shows no alert, and no log contains a token.
"""

import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from support.client import Client

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("RESUMABLED", str(REPOSITORY / ".build/release/resumabled"))
# A JSON Web Token, or a token parameter in a query string.
TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.|upload_token=")
CRASH = re.compile(r"Fatal error|Program crashed|\*\*\* |Sanitizer|runtime error|Segmentation")


def handle_ignored_signals() -> None:
    """Lets child processes start with default signals, however this process was started.

    A shell starts background jobs with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP. Children inherit ignored
    signals, but not handlers. So an empty handler takes the place of each ignored signal."""
    # Python itself ignores these two, and Popen restores them in children.
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


handle_ignored_signals()


# Linux takes the ports of outgoing connections from 32768 on (ip_local_port_range), so one of them may be gone a moment
# after it was found free. Lower ports are left to programs that listen.
LISTENING_PORTS = range(10_000, 32_768)


def free_port(*distances: int) -> int:
    """A loopback port that is free at the moment, as are those that are higher by these distances. The caller must bind
    it soon."""
    highest = max(distances, default=0)
    for _ in range(1000):
        # The generator of the module may be seeded, so that two tests would choose the same ports.
        port = random.SystemRandom().choice(LISTENING_PORTS[:len(LISTENING_PORTS) - highest])
        with contextlib.ExitStack() as probes, contextlib.suppress(OSError):
            for distance in (0, *distances):
                probes.enter_context(socket.socket()).bind(("127.0.0.1", port + distance))
            return port
    raise AssertionError("there is no free port")


def wait_until(condition, seconds: float, what: str):
    """Returns the first true value of condition(). Fails after this many seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return value


def replace(text: str, wanted: str, value: str) -> str:
    """The text of a configuration with another value in place of one that it has once."""
    assert text.count(wanted) == 1, f"the configuration no longer has {wanted!r}"
    return text.replace(wanted, value)


def run_program(*arguments) -> subprocess.CompletedProcess:
    """Runs a command of the program other than `serve` to its end."""
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=60)


class Server:
    # The path of the program. A subclass may name another build.
    executable = PROGRAM
    # Within this many seconds it must listen.
    patience = 10

    def __init__(
        self,
        root: pathlib.Path,
        web: pathlib.Path = REPOSITORY / "Sources/Web",
        options: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        nginx_options: tuple[str, ...] = (),
    ):
        """`options`: arguments of `serve` at every start. `environment`: variables that are added at every start.
        `nginx_options`: further arguments of `deploy/nginx-conf`."""
        self.root = root
        self.options = options
        self.environment = environment or {}
        self.nginx_options = nginx_options
        self.web = web
        self.port = free_port()
        # Not pytest's own folder: the path of a Unix socket may have at most 107 bytes.
        self.state = pathlib.Path(tempfile.mkdtemp(prefix="resumabled-test."))
        self.socket = self.state / "socket"
        self.program: subprocess.Popen | None = None
        self.nginx: subprocess.Popen | None = None

    # --- starting

    def start(self) -> "Server":
        self.start_program()
        self.start_nginx()
        return self

    def __enter__(self) -> "Server":
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_) -> None:
        self.close()

    def start_program(self, *options: str) -> None:
        self.program = self.spawn_program(*options)
        wait_until(self._program_listens, self.patience, "the program listens")

    def place(self) -> list[str]:
        """The options that say where files are stored."""
        return ["--root", str(self.root)]

    def spawn_program(self, *options: str) -> subprocess.Popen:
        arguments = [self.executable, "serve", "--socket", str(self.socket), *self.place(), *self.options, *options]
        environment = os.environ | self.environment
        with open(self.state / "program.log", "ab") as log:
            return subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _program_listens(self) -> bool:
        assert self.program.poll() is None, f"the program ended with {self.program.returncode}:\n{self.program_log()}"
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
        return True

    def start_nginx(self) -> None:
        configuration = subprocess.run(
            [REPOSITORY / "deploy/nginx-conf", "--port", str(self.port)]
            + [word for path in self.sockets() for word in ("--socket", path)]
            + ["--web", self.web, "--state", self.state, *self.nginx_options],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
        (self.state / "nginx.conf").write_text(self.configuration(configuration))
        self.nginx = subprocess.Popen(
            ["nginx", "-e", self.state / "nginx-error.log", "-c", self.state / "nginx.conf", "-g", "daemon off;"],
            stdin=subprocess.DEVNULL,
        )
        wait_until(self._nginx_listens, 10, "nginx listens")

    def sockets(self) -> list[pathlib.Path]:
        """The sockets that nginx passes requests to."""
        return [self.socket]

    def configuration(self, text: str) -> str:
        """nginx's configuration, made from the output of `deploy/nginx-conf`."""
        return text

    def _nginx_listens(self) -> bool:
        assert self.nginx.poll() is None, f"nginx ended with {self.nginx.returncode}:\n{self.nginx_log()}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    # --- stopping

    def stop_program(self, seconds: float = 5) -> float:
        """Sends SIGTERM. Returns the seconds that the program took to end; its exit status must be 0."""
        began = time.monotonic()
        self.program.send_signal(signal.SIGTERM)
        self.expect_clean_end(seconds)
        return time.monotonic() - began

    def expect_clean_end(self, seconds: float = 5) -> None:
        status = self.program.wait(seconds)
        self.program = None
        assert status == 0, f"the program ended with {status}:\n{self.program_log()}"

    def kill_program(self) -> None:
        """Sends SIGKILL, for which the program cannot prepare."""
        self.program.kill()
        self.program.wait(5)
        self.program = None

    def close(self) -> None:
        try:
            if self.program:
                self.stop_program()
            if self.nginx:
                self.nginx.send_signal(signal.SIGQUIT)
                status, self.nginx = self.nginx.wait(10), None
                assert status == 0, f"nginx ended with {status}:\n{self.nginx_log()}"
            assert not CRASH.search(self.program_log()), self.program_log()
            assert not re.search(r"\[(alert|emerg)\]", self.nginx_log()), self.nginx_log()
            for log in (self.program_log(), self.nginx_log(), "\n".join(self.access_log())):
                assert not TOKEN.search(log), "a log contains a token"
        finally:
            for process in (self.program, self.nginx):
                if process and process.poll() is None:
                    # nginx stops its workers only on a signal that it can handle.
                    process.terminate()
                    try:
                        process.wait(5)
                    except subprocess.TimeoutExpired:
                        process.kill()
                        process.wait(5)
            shutil.rmtree(self.state)

    # --- inspection

    def client(self, **options) -> Client:
        return Client(self.port, **options)

    def program_log(self) -> str:
        return self._text("program.log")

    def nginx_log(self) -> str:
        return self._text("nginx-error.log")

    def access_log(self) -> list[str]:
        return self._text("nginx-access.log").splitlines()

    def _text(self, name: str) -> str:
        path = self.state / name
        return path.read_text(errors="replace") if path.exists() else ""

    def peak_memory(self) -> int:
        """The largest amount of memory that the program has held at any time, in bytes."""
        status = pathlib.Path(f"/proc/{self.program.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def finished_files(self) -> list[str]:
        """The names of everything in the root but the program's own folder."""
        return sorted(path.name for path in self.root.iterdir() if path.name != ".resumabled")

    def private_bytes(self) -> int:
        """The disk space of the program's own folder, in bytes."""
        paths = (self.root / ".resumabled").rglob("*")
        return sum(path.lstat().st_blocks * 512 for path in paths if not path.is_dir())
