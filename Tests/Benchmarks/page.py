"""Measures uploads of our page and of the original client in a real Chromium, in turns, behind the same nginx.

    Tests/bench-page                    all workloads, three rounds
    Tests/bench-page --only loopback    one of: loopback, long, small
    Tests/bench-page --rounds 5 --mib 256
    Tests/bench-page --chunk-size 8M    nginx and the program accept larger chunks than as shipped
    Tests/bench-page --check            exit status 1 if a target is missed

Workloads: `loopback` uploads a file of 1 GiB without a limit. `long` does the same on a line of 100 ms round-trip time
and 40 MB/s. `small` uploads 2,000 files of 10 kB on that line. Ours is the page at /resumable as it is shipped, behind
nginx as it is shipped. The original is the latest release with its default settings, on the smallest page.

The long line is a relay in this process: each direction delivers what it has read 50 ms later, all connections share 40
MB/s towards the server, a new connection costs one round trip, and at most 4 MiB of a connection are on their way, as
with Linux's largest send buffer. It has no losses and no slow start, so it flatters clients with many small requests.

Times are the page's own, from the first `fileAdded` to `complete`. Each round compares the files that arrived. The
processor time is that of Chromium's renderers. Only ratios within one run mean something.
"""

import argparse
import asyncio
import collections
import filecmp
import importlib.util
import os
import pathlib
import shutil
import socket
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))

from support import engines, pages  # noqa: E402
from support.client import random_bytes  # noqa: E402
from support.relay import Relay  # noqa: E402
from support.server import Server, wait_until  # noqa: E402

MIB = 1024 * 1024
DELAY = 0.05
RATE = 40e6
WINDOW = 4 * MIB
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

    async def _connect(self, server: socket.socket) -> None:
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

    def upload(self, folder: pathlib.Path, server: Server, port: int, files: list[pathlib.Path]) -> tuple[float, float]:
        """Returns the page's seconds, and the renderers' seconds of a processor."""
        profile = pathlib.Path(tempfile.mkdtemp(prefix="profile.", dir=folder))
        browser = engines.start("chromium", profile)
        try:
            # The line counts of the tests would slow the scripts down.
            browser.cdp("Profiler.stopPreciseCoverage")
            browser.cdp("Profiler.disable")
            browser.driver.set_script_timeout(120)
            browser.open(f"http://127.0.0.1:{port}{self.path}")
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


def content(folder: pathlib.Path, workload: str, mib: int) -> list[pathlib.Path]:
    """The files of a workload, without the names that they are uploaded by."""
    folder.mkdir(exist_ok=True)
    if workload == "small":
        files = [folder / f"{number:04}.bin" for number in range(2000)]
        for number, file in enumerate(files):
            file.write_bytes(random_bytes(10_000, seed=number))
        return files
    with open(folder / "large.bin", "wb") as file:
        for part in range(mib):
            file.write(random_bytes(MIB, seed=part))
    return [folder / "large.bin"]


def measure(
    folder: pathlib.Path, workload: str, rounds: int, mib: int, chunk_size: str | None
) -> dict[str, list[tuple[float, float]]]:
    home = pathlib.Path(importlib.util.find_spec("django_resumable_async_upload").origin).parent
    script = next((home / "static").rglob("resumable.js"))
    (folder / "original.html").write_text(ORIGINAL)
    source = content(folder / workload, workload, mib)
    sides = [Side("ours", "/resumable"), Side("original", "/original")]
    results = {side.name: [] for side in sides}
    options = ("--max-chunk-size", chunk_size) if chunk_size else ()
    nginx_options = ("--chunk-size", chunk_size) if chunk_size else ()
    with Server(folder / f"root-{workload}", options=options, nginx_options=nginx_options) as server:
        pages.serve(server, {
            "/original": pages.file(folder / "original.html", "text/html"),
            "/original.js": pages.file(script, "text/javascript"),
        })
        with LongLine(server.port) as line:
            port = server.port if workload == "loopback" else line.port
            for number in range(rounds):
                # The order changes, so that neither side is always the first.
                for side in sides if number % 2 == 0 else reversed(sides):
                    named = folder / "named"
                    named.mkdir()
                    files = [named / f"{side.name}-{number}-{file.name}" for file in source]
                    for file, name in zip(source, files):
                        os.link(file, name)
                    seconds, used = side.upload(folder, server, port, files)
                    shutil.rmtree(named)
                    results[side.name].append((seconds, used))
                    speed = 2000 / seconds if workload == "small" else mib * MIB / seconds / 1e6
                    unit = "files/s" if workload == "small" else "MB/s"
                    print(f"{workload} {side.name:9} {speed:8.1f} {unit}  renderer {used:5.1f} s", flush=True)
    return results


def report(workload: str, results: dict[str, list[tuple[float, float]]]) -> bool:
    """Prints the medians, and returns whether the target is reached."""
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
    parser.add_argument("--check", action="store_true", help="exit status 1 if a target is missed")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder for the files")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        folder = pathlib.Path(name)
        reached = [
            report(workload, measure(folder, workload, options.rounds, options.mib, options.chunk_size))
            for workload in options.only.split(",")
        ]
    if options.check and not all(reached):
        sys.exit(1)


if __name__ == "__main__":
    main()
