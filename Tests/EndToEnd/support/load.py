"""Sixteen clients that upload one file after the other, and check that the server keeps every promise it made."""

import concurrent.futures
import hashlib
import json
import random
import threading
import time

from support.client import Chunk, Client, layout, parameters, random_bytes
from support.server import Server, wait_until

SENDERS = 16
# In seconds. A restart takes a few hundredths of a second.
LONGEST_OUTAGE = 20
# A file that is incomplete after this many rounds of tests and chunks will never be complete.
MOST_ROUNDS = 1000
# Sizes around every edge of a layout. Most files have many chunks, so interruptions find them half uploaded.
SIZES = [0, 1, 4095, 4096, 50_000, 200_000, 555_555, 1_000_000, 2_000_000]
CHUNK_SIZES = [10_000, 16_384, 65_536, 100_001]


class Upload:
    """One file that one or more senders upload, and the chunks of it that the server has acknowledged so far."""

    # Whether some clients send only the parameters that the Flask backend needs.
    some_without_sizes = True

    def __init__(self, seed: int, number: int):
        self.random = random.Random(f"{seed} {number}")
        self.name = f"{number:05}.bin"
        size, self.chunk_size = self.measures()
        self.data = random_bytes(size, seed=seed + number)
        self.digest = hashlib.sha256(self.data).digest()
        self.chunks = layout(len(self.data), self.chunk_size, force=self.random.random() < 0.5)
        self.senders = self.random.choice([1, 1, 1, 2])
        self.sizes = self.random.random() < 0.8 or not self.some_without_sizes
        # Numbers of the chunks that were answered with 200. A set's `add` is atomic.
        self.acknowledged: set[int] = set()

    def measures(self) -> tuple[int, int]:
        """The size of the file and that of its chunks."""
        return self.random.choice(SIZES), self.random.choice(CHUNK_SIZES)

    def fields(self, chunk: Chunk):
        fields = parameters(
            chunk, identifier=f"id of {self.name}", filename=self.name, size=len(self.data),
            chunk_size=self.chunk_size)
        if not self.sizes:
            for name in ("resumableTotalSize", "resumableChunkSize", "resumableCurrentChunkSize"):
                del fields[name]
        return fields

    def content(self, chunk: Chunk) -> bytes:
        return self.data[chunk.start : chunk.end]


class Load:
    """The work of the senders: new files until `enough` is set.

    Used as a context, the senders run until its end, when each finishes its current file.
    """

    def __init__(
        self, server: Server, seed: int, *, forgetful: bool = False, gapless: bool = False, upload: type[Upload] = Upload,
        patience: float = LONGEST_OUTAGE
    ):
        """`forgetful`: the power may fail, so the server may ask again for chunks of incomplete files. `gapless`: a
        program always answers, so no client may get `retry`. `upload`: the kind of files. `patience`: the seconds that
        no test may be answered."""
        self.server = server
        self.seed = seed
        self.forgetful = forgetful
        self.excuses = () if gapless else (502, 503)
        self.upload = upload
        self.patience = patience
        self.enough = threading.Event()
        # The SHA-256 of every file that was begun, by its name. (The files themselves would fill the memory.)
        self.digests: dict[str, bytes] = {}
        # The names of the files that the server has reported complete.
        self.completed: set[str] = set()
        self.queue: list[Upload] = []
        self.lock = threading.Lock()
        self.counts = {"acknowledged": 0, "cut off": 0, "sent again": 0, "tests": 0}

    def __enter__(self) -> "Load":
        self.pool = concurrent.futures.ThreadPoolExecutor(SENDERS)
        self.senders = [self.pool.submit(self.run, number) for number in range(SENDERS)]
        return self

    def __exit__(self, *_) -> None:
        self.enough.set()
        self.pool.shutdown()
        self.check()

    def check(self) -> None:
        """Raises the error that ended a sender, if there is one."""
        for sender in self.senders:
            if sender.done():
                sender.result()

    def wait_for_progress(self) -> None:
        """Returns when one more chunk was acknowledged."""
        before = self.counts["acknowledged"]

        def progressed() -> bool:
            self.check()
            return self.counts["acknowledged"] > before

        wait_until(progressed, self.patience, "a chunk is accepted")

    def expect_files_whole(self, names) -> None:
        for name in names:
            with open(self.server.root / name, "rb") as file:
                assert hashlib.file_digest(file, "sha256").digest() == self.digests[name], name

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def next_upload(self) -> Upload | None:
        with self.lock:
            if not self.queue:
                if self.enough.is_set():
                    return None
                upload = self.upload(self.seed, len(self.digests))
                self.digests[upload.name] = upload.digest
                self.queue += [upload] * upload.senders
            return self.queue.pop()

    def run(self, number: int) -> None:
        with self.server.client(timeout=max(30, self.patience)) as client:
            while upload := self.next_upload():
                Sender(self, client, upload, random.Random(f"{self.seed} {number} {upload.name}")).run()


class Sender:
    """Uploads one file as a browser does: failed chunks are tested and sent again, acknowledged chunks are not."""

    def __init__(self, load: Load, client: Client, upload: Upload, choice: random.Random):
        self.load = load
        self.client = client
        self.upload = upload
        self.choice = choice

    def run(self) -> None:
        missing = list(self.upload.chunks)
        for _ in range(MOST_ROUNDS):
            self.choice.shuffle(missing)
            for chunk in missing:
                if not self.send(chunk):
                    break
                if self.choice.random() < 0.1:
                    # The answer may have been lost: sending the same chunk again is safe.
                    self.load.count("sent again")
                    self.send(chunk)
            missing = self.ask()
            if not missing and self.is_complete():
                self.load.completed.add(self.upload.name)
                return
        raise AssertionError(f"{self.upload.name} is still incomplete after {MOST_ROUNDS} rounds")

    def send(self, chunk: Chunk) -> bool:
        fields, content = self.upload.fields(chunk), self.upload.content(chunk)
        send = self.choice.choice([self.client.send, self.client.send_raw])
        answer = send(fields, content)
        if answer.status == 200:
            self.upload.acknowledged.add(chunk.number)
            self.load.count("acknowledged")
            return True
        # nginx's answer while the program is down, or the program's answer that it could not finish.
        assert answer.status in self.load.excuses and answer.outcome == "retry", (answer.status, answer.body)
        self.load.count("cut off")
        return False

    def ask(self) -> list[Chunk]:
        """The missing chunks, by one test for all or by one for each. No acknowledged chunk may be missing."""
        in_one = self.upload.sizes and self.choice.random() < 0.5
        acknowledged = set(self.upload.acknowledged)
        missing = self.ask_for_all() if in_one else [chunk for chunk in self.upload.chunks if not self.is_held(chunk)]
        lost = acknowledged & {chunk.number for chunk in missing}
        assert self.load.forgetful or not lost, f"{self.upload.name}: {sorted(lost)} got 200 and are asked for again"
        self.upload.acknowledged -= lost
        return missing

    def is_complete(self) -> bool:
        return json.loads(self.test(self.upload.chunks[0], {"Accept": "application/json"}).body)["complete"]

    def ask_for_all(self) -> list[Chunk]:
        answer = self.test(self.upload.chunks[0], {"Accept": "application/json"})
        told = json.loads(answer.body)
        if told["complete"]:
            return []
        assert told["size"] == len(self.upload.data)
        held = [range(*each) for each in told["held"]]
        # An empty file has one empty chunk, which no range shows.
        return [
            chunk for chunk in self.upload.chunks
            if not any(chunk.start in each and chunk.end <= each.stop for each in held)
        ]

    def is_held(self, chunk: Chunk) -> bool:
        return self.test(chunk).status == 200

    def test(self, chunk: Chunk, headers=None):
        """Repeats the test until the program answers."""
        deadline = time.monotonic() + self.load.patience
        while True:
            self.load.count("tests")
            answer = self.client.test(self.upload.fields(chunk), headers=headers)
            if answer.status in (200, 404):
                return answer
            assert answer.status in self.load.excuses and answer.outcome == "retry", (answer.status, answer.body)
            assert time.monotonic() < deadline, f"no answer for {self.load.patience} s: {answer.body}"
            time.sleep(0.02)
