"""Hosts that share a bucket: the program on each of them, and the gateways in front of all of them."""

import contextlib
import pathlib
import subprocess
import tempfile

from support.object_store import BUCKET, OPEN_BUCKET, ObjectStore, credentials
from support.server import Server, replace, wait_until
from support.weak_engine import WeakEngine

CLOCK = pathlib.Path(__file__).with_name("clock_shim.c")


class BucketServer(Server):
    """A server whose store is in a bucket. It tests the engine before it listens, and SeaweedFS lets those who lose a
    race for an object wait for seconds."""

    patience = 60

    def __init__(
        self, objects: ObjectStore, gateway: int, prefix: str, spool: pathlib.Path, options: tuple[str, ...] = (), *,
        bucket: str = BUCKET, endpoint: str | None = None, environment: dict[str, str] | None = None
    ):
        """`gateway`: the number of the engine's gateway to use, unless there is an `endpoint`."""
        super().__init__(spool, options=options, environment=credentials() | (environment or {}))
        self.objects, self.bucket, self.prefix = objects, bucket, prefix + "/"
        self.endpoint = endpoint or objects.endpoints[gateway]

    def place(self) -> list[str]:
        return ["--bucket", self.bucket, "--endpoint", self.endpoint, "--prefix", self.prefix, "--spool",
                str(self.root)]


class Host(BucketServer):
    """A program without an nginx of its own. Its start is not waited for."""

    def start(self) -> "Host":
        self.program = self.spawn_program()
        return self

    def listens(self) -> bool:
        return self._program_listens()


class Gateway(Server):
    """An nginx in front of several programs. It takes them in turns, or chooses one by the upload (`by_upload`)."""

    # The line with which nginx chooses the host by the upload. The example has it in a comment.
    BY_UPLOAD = "hash $arg_resumableIdentifier consistent;"

    def __init__(self, hosts: list[Host], by_upload: bool = False, **more):
        super().__init__(hosts[0].root, **more)
        self.hosts = hosts
        self.by_upload = by_upload

    def configuration(self, text: str) -> str:
        assert self.BY_UPLOAD in text
        upstream = "upstream resumabled {"
        return replace(text, upstream, f"{upstream} {self.BY_UPLOAD}") if self.by_upload else text

    def start(self) -> "Gateway":
        self.start_nginx()
        return self

    def sockets(self) -> list[pathlib.Path]:
        return [host.socket for host in self.hosts]


class Hosts:
    """Hosts on one bucket behind gateways. As a context, they run until its end, which checks their behaviour."""

    def __init__(self, hosts: list[Host], gateways: int, nginx_options: tuple[str, ...] = ()):
        self.hosts = hosts
        self.gateways = [Gateway(hosts, nginx_options=nginx_options) for _ in range(gateways)]
        self.turn = 0

    def __enter__(self) -> "Hosts":
        with contextlib.ExitStack() as stack:
            for each in [*self.hosts, *self.gateways]:
                stack.enter_context(each)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *error) -> None:
        self.stack.__exit__(*error)

    def client(self, **options):
        """A client of the next gateway."""
        self.turn += 1
        return self.gateways[self.turn % len(self.gateways)].client(**options)

    def logs(self) -> str:
        return "".join(host.program_log() for host in self.hosts)


class MovedClock:
    """Moves the wall clock of a program, which has to be started with `environment`."""

    def __init__(self, folder: pathlib.Path):
        library, self.switch = folder / "clock_shim.so", folder / "moved"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, CLOCK], check=True)
        self.environment = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self.switch)}

    def move(self) -> None:
        """From now on it is two days later."""
        self.switch.touch()


def expect_nothing_left_after_expiry(objects: ObjectStore, prefix: str, folder: pathlib.Path) -> None:
    """A host sweeps two days later, when all uploads have expired, and what dead hosts have left is old enough.

    The prefix must be in the bucket for which nobody signs, because the engine refuses signatures of that time."""
    clock = MovedClock(folder)
    with WeakEngine(objects.ports[0], "") as proxy:
        options = ("--expire", "16s")
        with Host(objects, 0, prefix, folder, options, bucket=OPEN_BUCKET, endpoint=proxy.endpoint,
                  environment=clock.environment) as host:
            wait_until(host.listens, 60, "the host listens")
            # It sweeps every two seconds.
            clock.move()
            state = f"{prefix}/.resumabled/"

            def left() -> list[str]:
                return objects.keys(OPEN_BUCKET, state) + objects.open_multiparts(OPEN_BUCKET, prefix)

            # A sweep of many uploads takes long, but it goes on.
            while before := left():
                try:
                    wait_until(lambda: len(left()) < len(before), 60, "fewer objects are left")
                except AssertionError:
                    print(before[:50], host.program_log()[-4000:])
                    raise
