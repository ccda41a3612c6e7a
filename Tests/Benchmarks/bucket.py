"""Measures uploads to hosts that share a bucket of SeaweedFS against what that engine itself can do, in turns.

    Tests/bench-bucket                   all workloads, three rounds
    Tests/bench-bucket --only W9,calls   one of: W9 (with W10), W11, W12, calls, memory
    Tests/bench-bucket --rounds 5 --mib 256
    Tests/bench-bucket --small           small sizes: checks the tool and every byte, not the speed

W9 uploads a file of 1 GiB in chunks of 8 MiB over 4 connections, through nginx and the program. W10 does it in chunks of
1 MiB. W11 uploads 2,000 files of 64 KiB over 8 connections. W12 uploads 4 files over 12 connections to three hosts and
to one: with nginx choosing the host by the upload, as nginx.conf.example advises, and with each chunk going to the next
host. `calls` counts the calls to the engine at a proxy, and `memory` has the peak of the program at 8 connections.

The comparisons, all on the same engine:

- plain: a multipart upload with the same parts, connections and checksums by the load generator (load.c), without nginx
  and without any program between; for W11, a PUT for each file.
- tusd: a replay of the calls that tusd's S3 store makes, by tusd's source (pkg/s3store): for each PATCH it reads the
  upload's information, lists the parts and looks for an incomplete part, in turns; then it puts a part, or, where it has
  less than 5 MiB, an object that the next PATCH gets back and deletes. Parts have a CRC-32, as tusd 2.7 and later send
  it: the AWS SDK for Go adds one by default (its S3 module since 1.74.1). The SHA-256 that it signs bodies with over HTTP
  is left out. tusd itself, nginx and the client cost nothing here. tusd takes the PATCHes of an upload one after the
  other. "4 at once" are four uploads of a quarter of the size.

Files of the round before are not removed until the end of the round, and each round has a new engine. Only ratios within
one round mean something.
"""

import argparse
import base64
import concurrent.futures
import contextlib
import hashlib
import http.client
import os
import pathlib
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
import xml.sax.saxutils
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "EndToEnd"))

import crc32c  # noqa: E402

import measure  # noqa: E402
import plan  # noqa: E402
from support.client import MIB, layout  # noqa: E402
from support.fault_proxy import FaultProxy  # noqa: E402
from support.hosts import Gateway, Host  # noqa: E402
from support.object_store import OPEN_BUCKET, ObjectStore  # noqa: E402
from support.server import replace, wait_until  # noqa: E402

GIB = 1024 * MIB
# Figure, comparison, target.
TARGETS = {
    "W9: speed / plain": (">=", 0.75), "W9: speed / tusd": (">=", 1.1), "W10: speed / plain": (">=", 0.35),
    "W10: speed / tusd": (">=", 1.8), "W11: speed / plain": (">=", 0.12), "W12: three hosts / one": (">=", 1.0),
    "W9: program's CPU, s a GiB": ("<=", 1.2), "calls a GiB, chunks of 8 MiB": ("<=", 290),
    "calls a GiB, chunks of 1 MiB": ("<=", 4600), "calls for a file of 64 KiB": ("<=", 9),
    "calls of the last chunk, 8 MiB": ("<=", 8), "peak MiB, chunks of 8 MiB": ("<=", 32),
    "peak MiB, chunks of 64 MiB": ("<=", 32),
}  # fmt: skip


class Engine:
    """Calls to the bucket for which nobody signs."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

    def call(self, method: str, key: str, body=None, expected: tuple[int, ...] = (200, 204), **headers) -> bytes:
        self.connection.request(
            method, f"/{OPEN_BUCKET}/{key}", body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = self.connection.getresponse()
        content = answer.read()
        assert answer.status in expected, (method, key, answer.status, content)
        return content

    def create(self, key: str, algorithm: str) -> str:
        content = self.call(
            "POST", f"{key}?uploads=", x_amz_checksum_algorithm=algorithm, x_amz_checksum_type="FULL_OBJECT")
        return re.search(rb"<UploadId>(.*?)<", content)[1].decode()

    def parts(self, key: str, upload: str) -> bytes:
        return self.call("GET", f"{key}?uploadId={upload}")

    def complete(self, key: str, upload: str) -> None:
        found = re.findall(
            rb"<Part>.*?</Part>", self.parts(key, upload), re.S)
        rows = "".join(
            f"<Part><PartNumber>{re.search(rb'<PartNumber>(.*?)<', part)[1].decode()}</PartNumber><ETag>"
            + xml.sax.saxutils.escape(re.search(rb"<ETag>(.*?)<", part)[1].decode().replace("&#34;", '"')
                                      .replace("&quot;", '"')) + "</ETag></Part>" for part in found)
        answer = self.call("POST", f"{key}?uploadId={upload}",
                           f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>")
        assert b"<Error>" not in answer, answer


def checksum(content, compute=crc32c.crc32c) -> str:
    return base64.b64encode(compute(content).to_bytes(4, "big")).decode()


class Pool(plan.Pool):
    """Longer than the largest chunk."""

    SIZE = 160 * MIB


class BenchGateway(Gateway):
    def configuration(self, text: str) -> str:
        """All load comes from one address, which the rate limit would slow down."""
        return replace(super().configuration(text), "rate=500r/s", "rate=1000000r/s")


class Measured:
    """One turn of one side."""

    def __init__(self, seconds: float, size: int, cpu: float = 0, peak: int = 0):
        self.seconds, self.size, self.cpu, self.peak = seconds, size, cpu, peak

    @property
    def speed(self) -> float:
        return self.size / self.seconds


class Round:
    """An engine, and the sides on it."""

    def __init__(self, objects: ObjectStore, load: plan.Load, work: pathlib.Path):
        self.objects, self.load, self.pool, self.work = objects, load, load.pool, work
        self.turns = 0

    def prefix(self) -> str:
        self.turns += 1
        return f"turn{self.turns}"

    @contextlib.contextmanager
    def hosts(self, count: int, chunk_size: int, proxy: FaultProxy | None = None, by_upload: bool = False):
        """Hosts behind an nginx, and the prefix of their files."""
        prefix = self.prefix()
        with contextlib.ExitStack() as stack:
            hosts = [stack.enter_context(Host(
                self.objects, 0, prefix, self.work, bucket=OPEN_BUCKET, endpoint=proxy.endpoint if proxy else None))
                for _ in range(count)]
            wait_until(lambda: all(host.listens() for host in hosts), 120, "the hosts listen")
            gateway = stack.enter_context(BenchGateway(hosts, by_upload, nginx_options=("--chunk-size", str(chunk_size))))
            # The first sweep.
            time.sleep(1)
            yield gateway, hosts, prefix

    def ours(self, files: list[plan.File], connections: int, hosts: int = 1, by_upload: bool = False) -> Measured:
        size = sum(file.size for file in files)
        with self.hosts(hosts, files[0].chunk_size, by_upload=by_upload) as (gateway, running, prefix):
            os.sync()
            before = [measure.usage(host.program.pid) for host in running]
            run = self.load.run(self.groups(files, connections), gateway.port)
            used = [measure.usage(host.program.pid).since(each) for host, each in zip(running, before)]
            assert run.failures == 0, [answer.status for answer in run.answers if answer.status != 200]
        self.check(files, prefix)
        return Measured(run.seconds, size, sum(each.cpu for each in used), max(each.peak for each in used))

    def groups(self, files: list[plan.File], connections: int) -> list[plan.Group]:
        """A group for each large file, or one for all small ones."""
        requests = [[plan.form_post(file, chunk, self.pool) for chunk in file.chunks] for file in files]
        if len(files[0].chunks) == 1:
            return [plan.Group([request for each in requests for request in each], connections)]
        return [plan.Group(each, connections // len(files)) for each in requests]

    def check(self, files: list[plan.File], prefix: str) -> None:
        """Fails if a file differs from what was sent."""
        # A connection of its own, because the engine closes one that was idle for two minutes.
        engine = Engine(self.objects.ports[0])
        for file in files:
            found = hashlib.sha256(engine.call("GET", f"{prefix}/{file.name}")).hexdigest()
            assert found == file.sha256(self.pool), file

    def plain(self, file: plan.File, connections: int) -> Measured:
        """A multipart upload. The checksums are computed before the measurement."""
        key = f"{self.prefix()}/{file.name}"
        pieces = [file.place(self.pool, chunk) for chunk in layout(file.size, file.chunk_size, True)]
        with memoryview(self.pool.bytes) as view:
            sums = [checksum(view[offset : offset + length]) for offset, length in pieces]
        os.sync()
        engine = Engine(self.objects.ports[0])
        began = time.monotonic()
        upload = engine.create(key, "CRC32C")
        requests = [
            plan.Request(self.put(f"{key}?partNumber={number + 1}&uploadId={upload}", length, sums[number]), offset, length)
            for number, (offset, length) in enumerate(pieces)]
        run = self.load.run([plan.Group(requests, connections)], self.objects.ports[0])
        assert run.failures == 0
        Engine(self.objects.ports[0]).complete(key, upload)
        return Measured(time.monotonic() - began, file.size)

    def plain_puts(self, files: list[plan.File], connections: int) -> Measured:
        prefix = self.prefix()
        requests = []
        with memoryview(self.pool.bytes) as view:
            for file in files:
                offset, length = file.place(self.pool, file.chunks[0])
                requests.append(plan.Request(
                    self.put(f"{prefix}/{file.name}", length, checksum(view[offset : offset + length])), offset, length))
        os.sync()
        run = self.load.run([plan.Group(requests, connections)], self.objects.ports[0])
        assert run.failures == 0
        return Measured(run.seconds, sum(file.size for file in files))

    @staticmethod
    def put(key: str, length: int, crc: str) -> bytes:
        return (f"PUT /{OPEN_BUCKET}/{key} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
                f"x-amz-checksum-crc32c: {crc}\r\n\r\n").encode()

    def tusd(self, file: plan.File, uploads: int) -> Measured:
        prefix = self.prefix()
        size = file.size // uploads
        os.sync()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(uploads) as pool:
            for done in [pool.submit(self.tusd_upload, f"{prefix}/{number}", size, file.chunk_size)
                         for number in range(uploads)]:
                done.result()
        return Measured(time.monotonic() - began, size * uploads)

    def tusd_upload(self, key: str, size: int, chunk_size: int) -> None:
        """The calls of one upload, in its order (tusd, pkg/s3store/s3store.go)."""
        engine = Engine(self.objects.ports[0])
        upload = engine.create(key, "CRC32")
        engine.call("PUT", f"{key}.info", b"{}" * 200)
        number, waiting = 1, 0
        with memoryview(self.pool.bytes) as view:
            for start in range(0, size, chunk_size):
                engine.call("GET", f"{key}.info")
                engine.parts(key, upload)
                engine.call("HEAD", f"{key}.part", expected=(200, 404))
                length = min(chunk_size, size - start)
                if waiting:
                    engine.call("GET", f"{key}.part")
                    engine.call("DELETE", f"{key}.part")
                length, waiting = length + waiting, 0
                offset = self.pool.offset(start // MIB, length)
                content = view[offset : offset + length]
                crc = checksum(content, zlib.crc32)
                if length >= 5 * MIB or start + chunk_size >= size:
                    engine.call("PUT", f"{key}?partNumber={number}&uploadId={upload}", content, x_amz_checksum_crc32=crc)
                    number += 1
                else:
                    engine.call("PUT", f"{key}.part", content, x_amz_checksum_crc32=crc)
                    waiting = length
        engine.complete(key, upload)

    def calls(self, files: list[plan.File]) -> tuple[int, int]:
        """The calls to the engine for an upload, and for the last chunk of it."""
        with FaultProxy(self.objects.ports[0], choose=lambda *_: None) as proxy:
            with self.hosts(1, files[0].chunk_size, proxy) as (gateway, _, prefix):
                requests = [plan.form_post(file, chunk, self.pool) for file in files for chunk in file.chunks]
                before = proxy.calls.total()
                runs = [self.load.run([plan.Group(requests[:-1], 4)], gateway.port)]
                last = proxy.calls.total()
                runs.append(self.load.run([plan.Group(requests[-1:], 1)], gateway.port))
                assert all(run.failures == 0 for run in runs)
                after = proxy.calls.total()
        self.check(files, prefix)
        return after - before, after - last


def measure_round(one: Round, only: set[str], mib: int, number: int) -> dict[str, float]:
    """The figures of one round. Sides take turns in another order in each."""
    found: dict[str, float] = {}

    def in_turns(sides: dict) -> dict[str, Measured]:
        names = list(sides) if number % 2 == 0 else list(reversed(sides))
        measured = {}
        for name in names:
            measured[name] = sides[name]()
            print(f"  {name}: {measured[name].speed / 1e6:.0f} MB/s, {measured[name].seconds:.1f} s", flush=True)
        return measured

    def large(chunk_size: int, name: str = "large") -> list[plan.File]:
        return plan.files(1, mib * MIB, chunk_size, name)

    small = plan.files(2000 if mib >= 256 else 50, 64 * 1024, MIB, "small")
    if "W9" in only:
        sides = in_turns({
            "plain": lambda: one.plain(large(8 * MIB)[0], 4), "ours, 8 MiB": lambda: one.ours(large(8 * MIB), 4),
            "tusd, 8 MiB": lambda: one.tusd(large(8 * MIB)[0], 1),
            "tusd, 8 MiB, 4 at once": lambda: one.tusd(large(8 * MIB)[0], 4),
            "ours, 1 MiB": lambda: one.ours(large(MIB), 4), "tusd, 1 MiB": lambda: one.tusd(large(MIB)[0], 1),
            "tusd, 1 MiB, 4 at once": lambda: one.tusd(large(MIB)[0], 4),
        })
        for name, chunk in (("W9", "8 MiB"), ("W10", "1 MiB")):
            ours = sides[f"ours, {chunk}"]
            found[f"{name}: speed / plain"] = ours.speed / sides["plain"].speed
            found[f"{name}: speed / tusd"] = ours.speed / sides[f"tusd, {chunk}"].speed
            found[f"{name}: speed / tusd, 4 at once"] = ours.speed / sides[f"tusd, {chunk}, 4 at once"].speed
            found[f"{name}: program's CPU, s a GiB"] = ours.cpu * GIB / ours.size
    if "W11" in only:
        sides = in_turns({"plain PUTs": lambda: one.plain_puts(small, 8), "ours, small files": lambda: one.ours(small, 8)})
        found["W11: speed / plain"] = sides["ours, small files"].speed / sides["plain PUTs"].speed
    if "W12" in only:
        files = plan.files(4, max(mib // 8, 17) * MIB, 8 * MIB, "shared")
        sides = in_turns({
            "one host": lambda: one.ours(files, 12), "three hosts": lambda: one.ours(files, 12, 3, by_upload=True),
            "three hosts, each chunk to the next": lambda: one.ours(files, 12, 3),
        })
        for name in ("three hosts", "three hosts, each chunk to the next"):
            found[f"W12: {name} / one"] = sides[name].speed / sides["one host"].speed
    # These do not depend on the machine.
    if "calls" in only and number == 0:
        for chunk in (8, 1):
            # A quarter is enough for the many small chunks.
            files = plan.files(1, mib // (1 if chunk == 8 else 4) * MIB, chunk * MIB, f"counted-{chunk}")
            total, last = one.calls(files)
            found[f"calls a GiB, chunks of {chunk} MiB"] = total * GIB / files[0].size
            found[f"calls of the last chunk, {chunk} MiB"] = last
        found["calls for a file of 64 KiB"] = one.calls(small[:100])[0] / len(small[:100])
    if "memory" in only and number == 0:
        for chunk in (8, 64):
            files = plan.files(1, max(mib // 2, 2 * chunk) * MIB, chunk * MIB, f"memory-{chunk}")
            found[f"peak MiB, chunks of {chunk} MiB"] = one.ours(files, 8).peak / MIB
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="Tests/bench-bucket", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="W9,W11,W12,calls,memory", help="workloads, separated by commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mib", type=int, default=1024, help="the size of the large file")
    parser.add_argument("--small", action="store_true", help="small sizes and one round")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="a folder for the files")
    options = parser.parse_args()
    # The engine and the hosts must not outlive this process if that is told to end, also as a shell's background job.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    if options.small:
        options.rounds, options.mib = 1, 40
    load = plan.Load(options.work / "load", Pool(options.work / "pool"), options.work)
    rounds: list[dict[str, float]] = []
    with measure.kept_memory():
        for number in range(options.rounds):
            print(f"round {number + 1}, load average {os.getloadavg()[0]:.1f}", flush=True)
            work = pathlib.Path(tempfile.mkdtemp(dir=options.work))
            try:
                with ObjectStore() as objects:
                    rounds.append(measure_round(
                        Round(objects, load, work), set(options.only.split(",")), options.mib, number))
            finally:
                shutil.rmtree(work)
    print("\n| figure | measured | target |\n| --- | --- | --- |")
    for name in rounds[0]:
        values = [found[name] for found in rounds if name in found]
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        sign, target = TARGETS.get(name, ("", None))
        print(f"| {name} | {statistics.median(values):.2f}{spread} | {sign} {target or ''} |")


if __name__ == "__main__":
    main()
