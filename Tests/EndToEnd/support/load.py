"""A load of sixteen clients that upload one file after the other, and hold the server to everything it has said."""

import concurrent.futures
import hashlib
import json
import random
import threading
import time

from support.client import Chunk, Client, layout, parameters, random_bytes
from support.server import Server, wait_until

SENDERS = 16
# In seconds. A restart takes a few hundredths.
LONGEST_OUTAGE = 20
# A file that is not whole after so many rounds of asking and sending never will be.
MOST_ROUNDS = 1000
# Sizes around every edge of a layout; most files have many chunks, so that what happens finds them half way.
SIZES = [0, 1, 4095, 4096, 50_000, 200_000, 555_555, 1_000_000, 2_000_000]
CHUNK_SIZES = [10_000, 16_384, 65_536, 100_001]


class Upload:
    """One file on its way, sent by one or more senders, and what the server has acknowledged of it so far."""

    def __init__(self, seed: int, number: int):
        self.random = random.Random(f"{seed} {number}")
        self.name = f"{number:05}.bin"
        self.data = random_bytes(self.random.choice(SIZES), seed=seed + number)
        self.digest = hashlib.sha256(self.data).digest()
        self.chunk_size = self.random.choice(CHUNK_SIZES)
        self.chunks = layout(len(self.data), self.chunk_size, force=self.random.random() < 0.5)
        self.senders = self.random.choice([1, 1, 1, 2])
        # Some clients know only what the Flask backend asked for.
        self.sizes = self.random.random() < 0.8
        # Numbers of chunks that were answered with 200. A set's `add` is atomic.
        self.acknowledged: set[int] = set()

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
    """The senders' work: new files until it is enough.

    Used as a context the senders run until its end, when each finishes the file it is at.
    """

    def __init__(self, server: Server, seed: int, *, forgetful: bool = False, gapless: bool = False):
        """`forgetful`: power may fail, so chunks of files that are not complete may be asked for again. `gapless`: there
        is always a program to answer, so nobody may be told to come again."""
        self.server = server
        self.seed = seed
        self.forgetful = forgetful
        self.excuses = () if gapless else (502, 503)
        self.enough = threading.Event()
        # The SHA-256 of every file that was begun, by its name. (The files themselves would fill the memory.)
        self.digests: dict[str, bytes] = {}
        # The names of those of which the server has said that they are complete.
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
        """Raises what a sender has died of."""
        for sender in self.senders:
            if sender.done():
                sender.result()

    def wait_for_progress(self) -> None:
        """Returns when a chunk more was acknowledged."""
        before = self.counts["acknowledged"]

        def progressed() -> bool:
            self.check()
            return self.counts["acknowledged"] > before

        wait_until(progressed, LONGEST_OUTAGE, "a chunk is accepted")

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
                upload = Upload(self.seed, len(self.digests))
                self.digests[upload.name] = upload.digest
                self.queue += [upload] * upload.senders
            return self.queue.pop()

    def run(self, number: int) -> None:
        with self.server.client() as client:
            while upload := self.next_upload():
                Sender(self, client, upload, random.Random(f"{self.seed} {number} {upload.name}")).run()


class Sender:
    """Uploads one file as a browser does: what fails is asked for and sent again, what was acknowledged is not."""

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
                    # Its answer might have got lost: the same again is safe.
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
        # nginx's answer while the program is down, or the program's that it could not finish.
        assert answer.status in self.load.excuses and answer.outcome == "retry", (answer.status, answer.body)
        self.load.count("cut off")
        return False

    def ask(self) -> list[Chunk]:
        """Which chunks are missing, by one request for all or by one for each. No acknowledged one may be."""
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
        # An empty file has one empty chunk, which no range can show.
        return [
            chunk for chunk in self.upload.chunks
            if not any(chunk.start in each and chunk.end <= each.stop for each in held)
        ]

    def is_held(self, chunk: Chunk) -> bool:
        return self.test(chunk).status == 200

    def test(self, chunk: Chunk, headers=None):
        """Asks until the program is there to answer."""
        deadline = time.monotonic() + LONGEST_OUTAGE
        while True:
            self.load.count("tests")
            answer = self.client.test(self.upload.fields(chunk), headers=headers)
            if answer.status in (200, 404):
                return answer
            assert answer.status in self.load.excuses and answer.outcome == "retry", (answer.status, answer.body)
            assert time.monotonic() < deadline, f"no answer for {LONGEST_OUTAGE} s: {answer.body}"
            time.sleep(0.02)
