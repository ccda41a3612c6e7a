"""The workloads W1 to W8. Each runs one round with one side."""

import dataclasses
import ipaddress
import json
import os
import pathlib
import tempfile
import time

import measure
import plan
from support.client import MIB
from sides import Side

KIB, GIB = 1024, 1024 * MIB
# The first loopback address of the slow clients. They have different ones, because nginx limits the requests of one
# address (limit_conn).
SLOW_CLIENTS = int(ipaddress.ip_address("127.1.0.1"))


@dataclasses.dataclass
class Sample:
    """The measurements of one round with one side. None stands for what the workload does not measure."""

    seconds: float | None = None
    requests: int = 0
    # The size of the files that were uploaded during the measurement.
    bytes: int = 0
    # Seconds from the first byte of each request to the last byte of its answer.
    latencies: list[float] = dataclasses.field(default_factory=list)
    # Processor time in seconds of the program, of nginx, and of the load generator.
    program_cpu: float | None = None
    nginx_cpu: float | None = None
    load_cpu: float | None = None
    # Peak memory of the program in bytes.
    peak: int | None = None
    # Bytes that the program and nginx wrote to the disk.
    written: int | None = None
    # The number of requests that failed, and of files that differ from what was sent.
    failures: int = 0
    wrong: int = 0
    # Further figures of this workload: times in milliseconds, or ratios.
    figures: dict[str, float] = dataclasses.field(default_factory=dict)


class Bench:
    """The state that all rounds share."""

    def __init__(self, load: plan.Load, work: pathlib.Path, tools: pathlib.Path, settles: bool, touches: bool):
        """`work`: the folder for uploads. `tools`: the folder of the compiled tools. `settles`: whether to sync the
        disk before each turn. `touches`: whether to touch the machine's memory before each turn."""
        self.load = load
        self.pool = load.pool
        self.work = work
        self.tools = tools
        self.settles = settles
        self.touches = touches
        self._expected: dict[plan.File, str] = {}

    def start(self, side: type[Side], **options) -> Side:
        folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{side.name}.", dir=self.work))
        return side(folder, self.tools, **options)

    def settle(self) -> None:
        """Writes the dirty pages of the last turn to the disk, so that they do not slow down the next one."""
        if self.settles:
            os.sync()

    def check(self, sample: Sample, server: Side, files: list[plan.File]) -> None:
        """Counts the files that differ from what was sent."""
        for file in files:
            if file not in self._expected:
                self._expected[file] = file.sha256(self.pool)
            sample.wrong += server.sha256(file) != self._expected[file]

    def measured(self, sample: Sample, server: Side, groups: list[plan.Group]) -> plan.Run:
        """Runs the load, and records its time and resources in `sample`."""
        if self.touches:
            # The Flask backend uses three times the size of the files.
            measure.touch_memory(4 * max(sample.bytes, 16 * MIB))
        program, nginx = server.program_usage(), server.nginx_usage()
        run = self.load.run(groups, server.port)
        program, nginx = server.program_usage().since(program), server.nginx_usage().since(nginx)
        sample.seconds = run.seconds
        sample.requests = len(run.answers)
        sample.latencies = [answer.ended - answer.began for answer in run.answers]
        sample.failures += run.failures
        sample.program_cpu, sample.nginx_cpu, sample.load_cpu = program.cpu, nginx.cpu, run.cpu
        if server.program:
            sample.peak = program.peak
        sample.written = program.written + nginx.written
        return run

    def prepare(self, sample: Sample, server: Side, requests: list[plan.Request], connections: int) -> None:
        """Sends the requests that must come before the measured part."""
        sample.failures += self.load.run([plan.Group(requests, connections)], server.port).failures


class Workload:
    name: str
    # The heading of its tables.
    title: str
    sides: tuple[str, ...] = ("dav", "ours", "flask")
    # The unit of its speed: "bytes" or "requests" a second, or None if it has none.
    speed: str | None = "bytes"
    # About how many seconds one round of all its sides takes on two idle processors.
    estimate: int

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        raise NotImplementedError


class Upload(Workload):
    """Uploads of files, either each over its own connections (`apart`) or all over the same."""

    estimate = 30

    def __init__(
        self, name: str, title: str, *, count: int, size: int, chunk_size: int, connections: int,
        apart: bool = False, speed: str = "bytes", sides: tuple[str, ...] = Workload.sides,
    ):
        self.name, self.title, self.speed, self.sides = name, title, speed, sides
        self.chunk_size, self.connections, self.apart = chunk_size, connections, apart
        self.files = plan.files(count, size, chunk_size)

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        sample = Sample(bytes=sum(file.size for file in self.files))
        with bench.start(side, chunk_size=self.chunk_size) as server:
            requests = [server.requests(file, bench.pool) for file in self.files]
            if not self.apart:
                requests = [[request for each in requests for request in each]]
            bench.measured(sample, server, [plan.Group(each, self.connections) for each in requests])
            bench.check(sample, server, self.files)
        return sample


class Tests(Workload):
    """Tests of the held chunks of a file of which only the last chunk is missing."""

    name = "W5"
    estimate = 10
    sides = ("ours", "flask")
    speed = "requests"
    CONNECTIONS = 8

    def __init__(self, chunks: int, turns: int):
        self.title = f"GET tests of {chunks:,} held chunks, {self.CONNECTIONS} connections"
        self.turns = turns
        self.file, = plan.files(1, (chunks + 1) * 16 * KIB, 16 * KIB)

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        sample = Sample()
        with bench.start(side) as server:
            *held, last = server.requests(self.file, bench.pool)
            bench.prepare(sample, server, held, 4)
            tests = [plan.test(self.file, chunk) for chunk in self.file.chunks]
            bench.measured(sample, server, [plan.Group(tests[:-1] * self.turns, self.CONNECTIONS)])
            missing = bench.load.run([plan.Group(tests[-1:], 1)], server.port).answers[0].status
            sample.failures += missing != 404
            bench.prepare(sample, server, [last], 1)
            bench.check(sample, server, [self.file])
        return sample


class Resume(Workload):
    """The request with which the project's client asks for all held ranges of a file."""

    name = "W6"
    estimate = 15
    sides = ("ours",)
    speed = None
    REQUESTS = 20

    def __init__(self, chunks: int):
        self.title = f"resume of {chunks:,} chunks by one request"
        self.file, = plan.files(1, chunks * 4 * KIB, 4 * KIB)

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        sample = Sample()
        chunks = self.file.chunks
        cases = {"one missing": range(len(chunks) - 1), "every second missing": range(0, len(chunks), 2)}
        for what, held in cases.items():
            with bench.start(side) as server:
                requests = server.requests(self.file, bench.pool)
                bench.prepare(sample, server, [requests[number] for number in held], 4)
                edges = [[chunks[number].start, chunks[number].end] for number in held]
                ranges = edges if what == "every second missing" else [[0, edges[-1][1]]]
                expected = {"size": self.file.size, "held": ranges, "complete": False}
                times = [self.ask(sample, server, expected) for _ in range(self.REQUESTS)]
                # After a restart, the program reads the journal from the disk.
                server.stop_program()
                server.start_program()
                sample.figures[f"{what}: median ms"] = sorted(times)[len(times) // 2]
                sample.figures[f"{what}: longest ms"] = max(times)
                sample.figures[f"{what}, after a restart: ms"] = self.ask(sample, server, expected)
                missing = sorted(set(range(len(chunks))) - set(held))
                bench.prepare(sample, server, [requests[number] for number in missing], 4)
                bench.check(sample, server, [self.file])
                sample.peak = max(sample.peak or 0, server.program_usage().peak)
        return sample

    def ask(self, sample: Sample, server: Side, expected: dict) -> float:
        """The milliseconds of one request over a new connection."""
        with server.client() as client:
            began = time.perf_counter()
            answer = client.test(self.file.fields(self.file.chunks[0]), headers={"Accept": "application/json"})
            took = time.perf_counter() - began
        # The answer also has limits.
        sample.failures += answer.status != 200 or not expected.items() <= json.loads(answer.body).items()
        return took * 1000


class Completion(Workload):
    """The last chunk of a file, whose answer waits until the file is published."""

    name = "W7"
    estimate = 75
    sides = ("ours",)
    speed = None

    def __init__(self, *sizes: int):
        self.sizes = sizes
        self.title = "completion of " + ", ".join(human(size) for size in sizes)

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        sample = Sample()
        for size in self.sizes:
            file, = plan.files(1, size, MIB)
            bench.settle()
            with bench.start(side, metered=True) as server:
                *held, last = server.requests(file, bench.pool)
                before = measure.dirty_bytes()
                bench.prepare(sample, server, held, 4)
                dirty = max(measure.dirty_bytes() - before, MIB)
                synced = server.sync_seconds()
                run = bench.load.run([plan.Group([last], 1)], server.port)
                sample.failures += run.failures
                synced = server.sync_seconds() - synced
                sample.figures[f"{human(size)}: ms"] = run.seconds * 1000
                sample.figures[f"{human(size)}: ms without syncs"] = (run.seconds - synced) * 1000
                bench.check(sample, server, [file])
                sample.peak = max(sample.peak or 0, server.program_usage().peak)
            sample.figures[f"{human(size)}: MiB not on the disk before"] = dirty / MIB
            # The program starts write-back early, so little is left to sync. Two plain syncs are measured for
            # comparison: one of as many bytes as were left, and one of the whole file.
            sample.figures[f"{human(size)}: ms of a plain fsync of as many"] = plain_sync(bench, dirty) * 1000
            plain = plain_sync(bench, size)
            sample.figures[f"{human(size)}: ms of a plain fsync of the whole"] = plain * 1000
            sample.figures[f"{human(size)}: of a plain fsync of the whole"] = run.seconds / plain
        return sample


def plain_sync(bench: Bench, count: int) -> float:
    """The seconds of an fsync of a new file to which `count` bytes were just written."""
    bench.settle()
    path = bench.work / "plain"
    with open(path, "wb", buffering=0) as file, memoryview(bench.pool.bytes) as view:
        while count > 0:
            count -= file.write(view[: min(count, MIB)])
        began = time.perf_counter()
        os.fsync(file.fileno())
        took = time.perf_counter() - began
    path.unlink()
    return took


class SlowClients(Workload):
    """One client with a fast connection: alone, beside many slow clients, and alone again."""

    name = "W8"
    estimate = 45
    sides = ("ours", "dav")
    CONNECTIONS = 3
    RATE = 10 * KIB
    # The slow clients connect in waves, and the fast one after the last wave.
    WAVES, WAVE_MILLISECONDS = 20, 50

    def __init__(self, clients: int, seconds: int, size: int):
        self.title = f"{clients:,} clients with 10 KiB/s beside a fast one"
        chunks = size // MIB
        *self.alone, self.fast = plan.files(3, size, MIB, "fast")
        self.slow = [
            plan.File(f"slow-{number}.bin", seconds * self.RATE, MIB, 3 * chunks + number) for number in range(clients)]

    def run(self, bench: Bench, side: type[Side]) -> Sample:
        sample = Sample(bytes=self.fast.size)
        with bench.start(side) as server:
            alone = [bench.load.run([self.fast_group(server, bench, self.alone[0])], server.port)]
            groups = []
            for wave in range(self.WAVES):
                requests = [server.requests(file, bench.pool)[0] for file in self.slow[wave :: self.WAVES]]
                source = SLOW_CLIENTS + wave * 256
                groups.append(plan.Group(
                    requests, len(requests), rate=self.RATE, delay=wave * self.WAVE_MILLISECONDS, source=source))
            groups.append(self.fast_group(server, bench, self.fast, (self.WAVES + 1) * self.WAVE_MILLISECONDS))
            run = bench.measured(sample, server, groups)
            fast = run.groups[-1]
            alone.append(bench.load.run([self.fast_group(server, bench, self.alone[1])], server.port))
            sample.failures += sum(each.failures for each in alone)
            sample.seconds = plan.duration(fast)
            sample.requests = len(fast)
            sample.latencies = [answer.ended - answer.began for answer in fast]
            # These include the slow clients, so they cannot be related to the bytes of the fast one.
            sample.program_cpu = sample.nginx_cpu = sample.written = None
            # nginx holds what the slow clients have sent so far.
            sample.figures["nginx: peak MiB"] = server.nginx_usage().peak / MIB
            slow = [answer for group in run.groups[:-1] for answer in group]
            sample.figures["the fast one's speed, of that alone"] = (
                sum(each.seconds for each in alone) / 2 / sample.seconds)
            sample.figures["slow ones without success"] = sum(not 200 <= answer.status < 300 for answer in slow)
            sample.figures["the slowest one's seconds"] = max(answer.ended - answer.began for answer in slow)
            sample.figures["slow ones at work when the fast one ended"] = sum(
                answer.ended > max(each.ended for each in fast) for answer in slow)
            bench.check(sample, server, [*self.alone, self.fast, *self.slow])
        return sample

    def fast_group(self, server: Side, bench: Bench, file: plan.File, delay: int = 0) -> plan.Group:
        return plan.Group(server.requests(file, bench.pool), self.CONNECTIONS, delay=delay)


def human(size: int) -> str:
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"


def _uploads(big: int, few: int, many: int, chunk: int) -> list[Workload]:
    both_ways = ("dav", "ours", "streaming", "flask")
    return [
        Upload("W1", f"{human(big)}, chunks of 1 MiB, 4 connections",
               count=1, size=big, chunk_size=MIB, connections=4, sides=both_ways),
        Upload("W2", f"8 files of {human(few)}, chunks of 1 MiB, 3 connections each",
               count=8, size=few, chunk_size=MIB, connections=3, apart=True, sides=both_ways),
        Upload("W3", f"{many:,} files of 64 KiB, 8 connections",
               count=many, size=64 * KIB, chunk_size=MIB, connections=8, speed="requests",
               sides=("dav", "ours", "unsynced", "floor", "unsynced-floor", "flask")),
        Upload("W4", f"{human(chunk)}, chunks of 8 MiB, 4 connections",
               count=1, size=chunk, chunk_size=8 * MIB, connections=4, sides=both_ways),
    ]


def full() -> list[Workload]:
    """The workloads with the sizes that are measured."""
    return [
        *_uploads(GIB, 128 * MIB, 2000, GIB),
        Tests(1024, turns=10), Resume(10_000), Completion(10 * MIB, GIB, 10 * GIB),
        SlowClients(1000, seconds=10, size=GIB),
    ]


def small() -> list[Workload]:
    """The workloads with small sizes, which check the tool and say nothing about speed."""
    return [
        *_uploads(16 * MIB, 2 * MIB, 64, 32 * MIB),
        Tests(64, turns=2), Resume(200), Completion(3 * MIB, 16 * MIB),
        SlowClients(100, seconds=1, size=8 * MIB),
    ]
