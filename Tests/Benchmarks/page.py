"""Measures uploads of our page and of the original client in a real Chromium, in turns, behind the same nginx.

    Tests/bench-page                    all workloads, three rounds
    Tests/bench-page --only loopback    one of: loopback, long, small
    Tests/bench-page --rounds 5 --mib 256
    Tests/bench-page --chunk-size 8M    nginx and the program accept larger chunks than as shipped
    Tests/bench-page --sides ours       measures one client alone
    Tests/bench-page --before FOLDER    measures the page of another Sources/Web, too
    Tests/bench-page --line relay       the long line is a relay even where it could be an interface
    Tests/bench-page --check            exit status 1 if a target is missed

Workloads: `loopback` uploads a file of 1 GiB without a limit. `long` does the same on a line of 100 ms round-trip time
and 40 MB/s. `small` uploads 2,000 files of 64 KiB on that line. Ours is the page at /resumable as it is shipped, behind
nginx as it is shipped. The original is the latest release with its default settings, on the smallest page.

The long line is an interface (long_line.c) if this may make one, in a network namespace of its own. Both ends are then
the kernel's TCP, with slow start, and the line loses packets when its queue of 100 ms is full. The congestion control
is CUBIC, which most browsers' systems have, or Reno where the kernel allows no other. Otherwise the line is a relay in
this process: each direction delivers what it has read 50 ms later, all connections share 40 MB/s towards the server, a
new connection costs one round trip, and at most 4 MiB of a connection are on their way, as with Linux's largest send
buffer. The relay has no losses and no slow start, so it flatters clients with many small requests.

Times are the page's own, from the first `fileAdded` to `complete`. Each round compares the files that arrived. The
processor time is that of Chromium's renderers. Only ratios within one run mean something.
"""

import argparse
import asyncio
import collections
import contextlib
import ctypes
import fcntl
import filecmp
import importlib.util
import os
import pathlib
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))

from support import engines, pages  # noqa: E402
from support.client import random_bytes  # noqa: E402
from support.relay import Relay  # noqa: E402
from support.server import Server, replace, wait_until  # noqa: E402

MIB = 1024 * 1024
DELAY = 0.05
RATE = 40e6
#: What waits at most for its turn on the long line: 100 ms.
QUEUE = 4_000_000
WINDOW = 4 * MIB
SMALL = 64 * 1024
#: The interface of long_line.c: its own address, and that of this machine behind it.
NEAR, FAR = "10.255.77.1", "10.255.77.2"
CLONE_NEWNET = 0x40000000
CONGESTION_CONTROL = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")
PIECE = 128 * 1024

ORIGINAL = """<!doctype html><html><head><meta charset="utf-8"><title>Original</title></head><body>
<button id="browse" type="button">Browse</button><script src="/original.js"></script><script>
  const r = new Resumable({ target: '/resumable_upload' });
  r.assignBrowse(document.getElementById('browse'));
  r.on('filesAdded', () => r.upload());
</script></body></html>"""

WATCH = """
  const r = window.uploader ? uploader.resumable : window.r ?? (0, eval)('r');
  window.watched = { begun: 0, ended: 0, failed: 0 };
  r.on('fileAdded', () => { watched.begun = watched.begun || performance.now(); });
  r.on('fileError', () => { watched.failed += 1; });
  r.on('complete', () => { watched.ended = performance.now(); });
"""

#: For each workload: what is measured, and the least ratio to the original, or the least number of files a second.
TARGETS = {"loopback": 1.3, "long": 2.5, "small": 45}


class LongLine(Relay):
    """A port that leads to the server with a delay and a limited rate."""

    free_at = 0.0

    host = "127.0.0.1"

    async def _connect(self, server: socket.socket) -> None:
        # Otherwise the kernel would keep the body of a small request until the other end acknowledges the head.
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The handshake takes a round trip, before which the client sends nothing.
        await asyncio.sleep(2 * DELAY)
        await super()._connect(server)

    def _directions(self, client: socket.socket, server: socket.socket) -> tuple:
        return self._copy(client, server, is_paced=True), self._copy(server, client, is_paced=False)

    async def _copy(self, source: socket.socket, sink: socket.socket, *, is_paced: bool) -> None:
        on_way: collections.deque[tuple[float, bytes]] = collections.deque()
        changed = asyncio.Event()
        state = {"bytes": 0}

        async def deliver() -> None:
            while True:
                while not on_way:
                    changed.clear()
                    await changed.wait()
                due, content = on_way.popleft()
                await asyncio.sleep(due - self.loop.time())
                if not content:
                    return
                await self.loop.sock_sendall(sink, content)
                state["bytes"] -= len(content)
                changed.set()

        delivering = asyncio.create_task(deliver())
        try:
            content = b"begin"
            while content:
                while state["bytes"] >= WINDOW:
                    changed.clear()
                    await changed.wait()
                content = await self.loop.sock_recv(source, PIECE)
                sent_at = self.loop.time()
                if is_paced:
                    sent_at = self.free_at = max(self.free_at, sent_at) + len(content) / RATE
                    await asyncio.sleep(self.free_at - self.loop.time())
                on_way.append((sent_at + DELAY, content))
                state["bytes"] += len(content)
                changed.set()
            await delivering
        finally:
            delivering.cancel()


class LongInterface:
    """The same line as an interface, behind which the server's port has the host `FAR`."""

    host = FAR

    def __init__(self, port: int, folder: pathlib.Path):
        self.port = port
        program = folder / "long_line"
        source = pathlib.Path(__file__).with_name("long_line.c")
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
        arguments = [program, f"{DELAY * 1e6:.0f}", f"{RATE:.0f}", str(QUEUE), str(port)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the long line has no interface"

    def __enter__(self) -> "LongInterface":
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        status = self.process.wait(10)
        assert status == 0, f"the long line ended with {status}"


class NearServer(Server):
    """nginx listens on the interface, too."""

    def configuration(self, text: str) -> str:
        loopback = f"listen 127.0.0.1:{self.port};"
        return replace(text, loopback, f"{loopback} listen {NEAR}:{self.port};")


def enter_namespace() -> bool:
    """Gives this process a network of its own. Returns false if it may not, or if it cannot make an interface there."""
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return False
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # SIOCSIFFLAGS of the loopback interface with IFF_UP (netdevice(7)).
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 1))
    for name in ("cubic", "reno"):
        # BBR, which some servers have, sends small requests no faster than the connection was before.
        with contextlib.suppress(OSError):
            CONGESTION_CONTROL.write_text(name)
            break
    return True


def renderers(process: int) -> dict[int, float]:
    """The processor time in seconds of each renderer below a process."""
    ticks = os.sysconf("SC_CLK_TCK")
    found, waiting = {}, [process]
    while waiting:
        one = pathlib.Path(f"/proc/{waiting.pop()}")
        try:
            for thread in (one / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
            if b"--type=renderer" in (one / "cmdline").read_bytes():
                fields = (one / "stat").read_text().rpartition(")")[2].split()
                found[int(one.name)] = (int(fields[11]) + int(fields[12])) / ticks
        except FileNotFoundError:
            pass
    return found


class Side:
    """One client in a browser of its own, so that no side finds the other's caches."""

    def __init__(self, name: str, path: str):
        self.name = name
        self.path = path

    def upload(
        self, folder: pathlib.Path, server: Server, address: str, files: list[pathlib.Path]
    ) -> tuple[float, float]:
        """Returns the page's seconds, and the renderers' seconds of a processor."""
        profile = pathlib.Path(tempfile.mkdtemp(prefix="profile.", dir=folder))
        browser = engines.start("chromium", profile)
        try:
            # The line counts of the tests would slow the scripts down.
            browser.cdp("Profiler.stopPreciseCoverage")
            browser.cdp("Profiler.disable")
            browser.driver.set_script_timeout(120)
            browser.open(f"http://{address}{self.path}")
            browser.script(WATCH)
            before = sum(renderers(browser.driver.service.process.pid).values())
            browser.set_files("input[type=file][multiple]:not([webkitdirectory]), #browse input", files)
            wait_until(lambda: time.sleep(0.2) or browser.script("return watched.ended"), 900, f"{self.name} has ended")
            watched = browser.script("return watched")
            assert watched["failed"] == 0, f"{self.name}: {watched['failed']} files failed"
            used = sum(renderers(browser.driver.service.process.pid).values()) - before
        finally:
            browser.close()
            shutil.rmtree(profile, ignore_errors=True)
        for file in files:
            assert filecmp.cmp(file, server.root / file.name, shallow=False), f"{file.name} did not arrive as it was"
            (server.root / file.name).unlink()
        return (watched["ended"] - watched["begun"]) / 1000, used


def earlier_pages(folder: pathlib.Path, web: pathlib.Path) -> dict[str, str]:
    """The locations of the page at /before, with the scripts and the style sheet of another Sources/Web."""
    text = (web / "resumable.html").read_text()
    (folder / "before.html").write_text(re.sub("/resources/um/(script|style)/", "/before/", text))
    found = {"/before": pages.file(folder / "before.html", "text/html")}
    for path in [*web.glob("*.js"), *web.glob("*.css")]:
        media_type = "text/css" if path.suffix == ".css" else "text/javascript"
        found[f"/before/{path.name}"] = pages.file(path.resolve(), media_type)
    return found


def content(folder: pathlib.Path, workload: str, mib: int) -> list[pathlib.Path]:
    """The files of a workload, without the names that they are uploaded by."""
    folder.mkdir(exist_ok=True)
    if workload == "small":
        files = [folder / f"{number:04}.bin" for number in range(2000)]
        for number, file in enumerate(files):
            file.write_bytes(random_bytes(SMALL, seed=number))
        return files
    with open(folder / "large.bin", "wb") as file:
        for part in range(mib):
            file.write(random_bytes(MIB, seed=part))
    return [folder / "large.bin"]


def measure(
    folder: pathlib.Path, workload: str, options: argparse.Namespace, is_interface: bool
) -> dict[str, list[tuple[float, float]]]:
    home = pathlib.Path(importlib.util.find_spec("django_resumable_async_upload").origin).parent
    script = next((home / "static").rglob("resumable.js"))
    (folder / "original.html").write_text(ORIGINAL)
    source = content(folder / workload, workload, options.mib)
    paths = {"ours": "/resumable", "original": "/original", "before": "/before"}
    names = options.sides.split(",") + (["before"] if options.before else [])
    sides = [Side(name, paths[name]) for name in names]
    results = {side.name: [] for side in sides}
    size = options.chunk_size
    server = (NearServer if is_interface else Server)(
        folder / f"root-{workload}",
        options=("--max-chunk-size", size) if size else (),
        nginx_options=("--chunk-size", size) if size else (),
    )
    # nginx can only listen on an interface that is there.
    with contextlib.ExitStack() as stack:
        line = stack.enter_context(LongInterface(server.port, folder)) if is_interface else None
        stack.enter_context(server)
        pages.serve(server, {
            "/original": pages.file(folder / "original.html", "text/html"),
            "/original.js": pages.file(script, "text/javascript"),
            **(earlier_pages(folder, options.before) if options.before else {}),
        })
        line = line or stack.enter_context(LongLine(server.port))
        address = f"127.0.0.1:{server.port}" if workload == "loopback" else f"{line.host}:{line.port}"
        for number in range(options.rounds):
            # The order changes, so that neither side is always the first.
            for side in sides if number % 2 == 0 else reversed(sides):
                named = folder / "named"
                named.mkdir()
                files = [named / f"{side.name}-{number}-{file.name}" for file in source]
                for file, name in zip(source, files):
                    os.link(file, name)
                seconds, used = side.upload(folder, server, address, files)
                shutil.rmtree(named)
                results[side.name].append((seconds, used))
                speed = 2000 / seconds if workload == "small" else options.mib * MIB / seconds / 1e6
                unit = "files/s" if workload == "small" else "MB/s"
                print(f"{workload} {side.name:9} {speed:8.1f} {unit}  renderer {used:5.1f} s", flush=True)
    return results


def report(workload: str, results: dict[str, list[tuple[float, float]]]) -> bool:
    """Prints the medians, and returns whether the target is reached."""
    if "ours" in results and "before" in results:
        pairs = list(zip(results["ours"], results["before"]))
        speed = statistics.median(before / ours for (ours, _), (before, _) in pairs)
        cpu = statistics.median(ours / before for (_, ours), (_, before) in pairs)
        print(f"{workload}: {speed:.2f} times the speed of before, {cpu:.2f} times its renderer's processor time")
    if not {"ours", "original"} <= results.keys():
        return True
    ratios = [original / ours for (ours, _), (original, _) in zip(results["ours"], results["original"])]
    used = {name: statistics.median(cpu for _, cpu in each) for name, each in results.items()}
    value, what = statistics.median(ratios), "times the original's speed"
    if workload == "small":
        value, what = 2000 / statistics.median(seconds for seconds, _ in results["ours"]), "files a second"
    target = TARGETS[workload]
    print(
        f"{workload}: {value:.2f} {what} (at least {target}); ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}); renderer {used['ours']:.1f} s, original {used['original']:.1f} s"
    )
    return value >= target


def main() -> None:
    parser = argparse.ArgumentParser(prog="Tests/bench-page", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="loopback,long,small", help="workloads, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024, help="the size of the large file")
    parser.add_argument("--chunk-size", help="the chunk size that nginx and the program are set to, such as 8M")
    parser.add_argument("--sides", default="ours,original", help="the clients; with one alone no target is checked")
    parser.add_argument("--before", type=pathlib.Path, metavar="FOLDER", help="another Sources/Web")
    parser.add_argument("--line", choices=["interface", "relay"], help="the long line; by default what can be")
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder for the files")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    # Before any thread is started, because other threads would stay in the old namespace.
    is_interface = options.line != "relay" and enter_namespace()
    if options.line == "interface" and not is_interface:
        parser.error("an interface needs the rights of root and /dev/net/tun")
    kind = f"an interface with {CONGESTION_CONTROL.read_text().strip()}" if is_interface else "a relay"
    print(f"The long line is {kind}.", flush=True)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = pathlib.Path(name)
        reached = [
            report(workload, measure(folder, workload, options, is_interface))
            for workload in options.only.split(",")
        ]
    if options.check and not all(reached):
        sys.exit(1)


if __name__ == "__main__":
    main()
