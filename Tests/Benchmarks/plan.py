"""The files that are sent, which consist of slices of a pool of random bytes, the requests for them, and the run of the
load generator (load.c)."""

import dataclasses
import functools
import hashlib
import itertools
import mmap
import os
import pathlib
import re
import struct
import subprocess

from support.client import ROUTE, Chunk, layout, multipart, parameters, query, random_bytes

MIB = 1024 * 1024
# The formats that load.c reads and writes.
GROUP = struct.Struct("<4IQ")
REQUEST = struct.Struct("<2I2Q")
RESULT = struct.Struct("<I2Q")


class Pool:
    """Random bytes, more than the processors' caches hold. Each slice starts at another place, so all chunks differ and
    a chunk in the wrong place is noticed."""

    SIZE = 64 * MIB
    # A prime, so that the places repeat as late as possible.
    STEP = 1_000_003

    def __init__(self, path: pathlib.Path):
        self.path = path
        if not path.exists() or path.stat().st_size != self.SIZE:
            path.write_bytes(random_bytes(self.SIZE))
        with open(path, "rb") as file:
            self.bytes = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)

    def offset(self, number: int, length: int) -> int:
        return number * self.STEP % (self.SIZE - length)


@dataclasses.dataclass(frozen=True)
class File:
    name: str
    size: int
    chunk_size: int
    # The number of its first slice in the pool. Its other slices follow.
    first: int

    @functools.cached_property
    def chunks(self) -> list[Chunk]:
        return layout(self.size, self.chunk_size, False)

    def fields(self, chunk: Chunk) -> dict[str, str | bytes]:
        # As Resumable.js does it.
        identifier = f"{self.size}-{re.sub('[^0-9a-zA-Z_-]', '', self.name)}"
        return parameters(
            chunk, identifier=identifier, filename=self.name, size=self.size, chunk_size=self.chunk_size)

    def place(self, pool: Pool, chunk: Chunk) -> tuple[int, int]:
        """The chunk's slice of the pool: offset and length."""
        length = chunk.end - chunk.start
        return pool.offset(self.first + chunk.number - 1, length), length

    def sha256(self, pool: Pool) -> str:
        sha256 = hashlib.sha256()
        for chunk in self.chunks:
            offset, length = self.place(pool, chunk)
            with memoryview(pool.bytes) as view:
                sha256.update(view[offset : offset + length])
        return sha256.hexdigest()


def files(count: int, size: int, chunk_size: int, name: str = "file") -> list[File]:
    chunks = len(layout(size, chunk_size, False))
    return [File(f"{name}-{number}.bin", size, chunk_size, number * chunks) for number in range(count)]


@dataclasses.dataclass(frozen=True)
class Request:
    head: bytes
    # The slice of the pool that follows the head.
    offset: int = 0
    length: int = 0
    tail: bytes = b""


def _head(method: str, target: str, length: int = 0, content_type: str = "") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    if content_type:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def form_post(file: File, chunk: Chunk, pool: Pool) -> Request:
    """The upload of a chunk as by Resumable.js, with all parameters in the query string and in the form."""
    fields = file.fields(chunk)
    mark = b"the content"
    content_type, body = multipart(fields, mark)
    before, _, after = body.partition(mark)
    offset, length = file.place(pool, chunk)
    target = f"{ROUTE}?{query(fields)}"
    head = _head("POST", target, len(before) + length + len(after), content_type)
    return Request(head + before, offset, length, after)


def put(file: File, chunk: Chunk, pool: Pool) -> Request:
    """A PUT that stores the chunk as a separate file."""
    offset, length = file.place(pool, chunk)
    head = _head("PUT", f"{ROUTE}/{piece(file, chunk)}", length, "application/octet-stream")
    return Request(head, offset, length)


def piece(file: File, chunk: Chunk) -> str:
    """The name of the separate file of a chunk."""
    return f"{file.name}.{chunk.number}"


def test(file: File, chunk: Chunk) -> Request:
    """A test: is this chunk held?"""
    return Request(_head("GET", f"{ROUTE}?{query(file.fields(chunk))}"))


@dataclasses.dataclass(frozen=True)
class Group:
    """Requests in order, each of which is sent by the next of some connections that is idle."""

    requests: list[Request]
    connections: int
    # Bytes a second of one connection; 0: unlimited.
    rate: int = 0
    # Milliseconds before the group begins.
    delay: int = 0
    # The local address of the first connection as a number, the others count up from it; 0: 127.0.0.1.
    source: int = 0


@dataclasses.dataclass(frozen=True)
class Answer:
    # 0 if the connection broke.
    status: int
    # Seconds on a monotonic clock.
    began: float
    ended: float


@dataclasses.dataclass(frozen=True)
class Run:
    """A run of the load generator."""

    # The answers to each group's requests, in their order.
    groups: list[list[Answer]]
    # The processor time of the generator itself in seconds.
    cpu: float

    @property
    def answers(self) -> list[Answer]:
        return [answer for group in self.groups for answer in group]

    @property
    def seconds(self) -> float:
        return duration(self.answers)

    @property
    def failures(self) -> int:
        """The number of requests without a 2xx answer."""
        return sum(not 200 <= answer.status < 300 for answer in self.answers)


def duration(answers: list[Answer]) -> float:
    """The seconds from the first beginning to the last end."""
    return max(answer.ended for answer in answers) - min(answer.began for answer in answers)


class Load:
    """The compiled load generator."""

    def __init__(self, program: pathlib.Path, pool: Pool, folder: pathlib.Path):
        self.program = program
        self.pool = pool
        self.folder = folder

    def run(self, groups: list[Group], port: int, seconds: int = 900) -> Run:
        plan, answered = self.folder / "plan", self.folder / "answers"
        with open(plan, "wb") as file:
            for group in groups:
                file.write(GROUP.pack(
                    group.connections, len(group.requests), group.source, group.delay, group.rate))
                for request in group.requests:
                    file.write(REQUEST.pack(len(request.head), len(request.tail), request.offset, request.length))
                    file.write(request.head)
                    file.write(request.tail)
        process = subprocess.Popen([self.program, plan, self.pool.path, str(port), str(seconds), answered])
        try:
            _, status, spent = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"the load generator ended with {process.returncode}")
        found = RESULT.iter_unpack(answered.read_bytes())
        answers = [
            [Answer(status, began / 1e9, ended / 1e9) for status, began, ended in itertools.islice(found, count)]
            for count in (len(group.requests) for group in groups)]
        return Run(answers, spent.ru_utime + spent.ru_stime)
