"""The calls of hosts that share a bucket fail, each in every way, and hosts die there. Uploads go on, and nothing is lost.

`BUCKET_FAULTS=1000 Tests/run objects -k bucket_faults` makes more uploads. Each upload has a number, and what happens to
it follows from the number and from `SEED=n`. `BUCKET_FAULT=17` makes only the upload of that number, with the log.
"""

import collections
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import threading
import time
import urllib.parse

import pytest

from support.client import MIB, Chunk, layout, parameters, query, random_bytes
from support.fault_proxy import KINDS, FaultProxy, Handler
from support.hosts import Host, Hosts, expect_nothing_left_after_expiry
from support.object_store import OPEN_BUCKET, ObjectStore
from support.server import wait_until

pytestmark = pytest.mark.objects
UPLOADS = int(os.environ.get("BUCKET_FAULTS", "40"))
ONLY = os.environ.get("BUCKET_FAULT")
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
# Each has hosts and a prefix of its own, and makes one upload after the other.
LANES = 4
TOKEN = "a-token-for-removing-uploads"
# Within this many seconds a chunk must be taken, whatever fails.
PATIENCE = 150

# Where hosts die: before the engine gets the call, and after it has answered.
DEATHS = {"death before": "before", "death after": "after"}
# Ways to fail that only some calls have: an answer of 200 that is an error; a call that takes 20 seconds is too slow for
# the short run.
ONLY_AT = {"late": {"complete", "delete many"}, "empty": {"complete", "delete many", "DELETE name", "abort", "PUT name"}}
# The shapes of uploads in which a call happens.
SHAPES = {
    "list": "whole small parts gathered", "list records": "small parts gathered", "PUT claim": "whole small parts",
    "PUT target": "small parts", "PUT end": "small parts gathered", "PUT done": "whole small parts",
    "GET claim": "small parts", "GET target": "parts gathered", "GET done": "whole small", "PUT record":
    "small parts gathered", "GET record": "small gathered", "PUT fold": "gathered", "PUT name": "whole small parts",
    "GET name": "whole small parts", "DELETE name": "whole small parts", "HEAD file": "whole small parts",
    "HEAD name": "conflict", "PUT file": "whole small", "GET file": "small parts", "create multipart": "parts gathered",
    "PUT part": "parts gathered", "complete": "parts gathered", "abort": "removed", "delete many": "small parts gathered",
}  # fmt: skip
WAYS = [(step, kind) for step in SHAPES for kind in [*KINDS, *DEATHS] if step in ONLY_AT.get(kind, SHAPES)]


def step_of(method: str, target: str, prefix: str) -> str | None:
    """The name of a call; None for the calls of sweeps and of the engine's test."""
    path, _, parameters = target.partition("?")
    key = urllib.parse.unquote(path).removeprefix(f"/{OPEN_BUCKET}").removeprefix(f"/{prefix}/")
    asked = urllib.parse.parse_qs(parameters, keep_blank_values=True)
    if "/probe/" in key or "/trial/" in key:
        return None
    if "list-type" in asked:
        listed = asked.get("prefix", [""])[0]
        return "list records" if "/c/" in listed else "list" if re.search(r"/up/\w{64}/$", listed) else None
    if "uploads" in asked:
        return "create multipart" if method == "POST" else None
    if "uploadId" in asked:
        return {"PUT": "PUT part", "POST": "complete", "DELETE": "abort", "GET": "list parts"}[method]
    if "delete" in asked:
        return "delete many"
    if not key.startswith(".resumabled/"):
        return f"{method} file"
    if mark := re.search(r"/a/\w+\.(\w+)", key):
        return f"{method} {mark[1]}"
    kinds = {"/c/": "fold" if "/fold." in key else "record", "/b/": "confirmed", "/name/": "name"}
    return next((f"{method} {kind}" for part, kind in kinds.items() if part in key), None)


class Plan:
    """What happens to the calls of one upload: the first calls of one kind fail in one way."""

    def __init__(self, number: int):
        self.number = number
        self.random = random.Random(f"{SEED} {number}")
        ways = WAYS if UPLOADS > len(WAYS) or ONLY else [way for way in WAYS if way[1] != "hang"]
        # Each way in its turn, in an order that the seed decides.
        turns = random.Random(f"{SEED} {number // len(ways)}").sample(ways, len(ways))
        self.step, self.kind = turns[number % len(ways)]
        # The program tries a call again a few times before it gives up.
        self.count = 1 if self.kind in ("hang", *DEATHS) else self.random.choice([1, 1, 2, 6])
        self.shape = self.random.choice(SHAPES[self.step].split())
        self.met = 0

    @property
    def names(self) -> list[str]:
        """The names that the file may have. The name of an upload that was removed may stay reserved for an hour."""
        added = {"conflict": [" (1)"], "removed": ["", " (1)"]}.get(self.shape, [""])
        return [f"{self.number:05}{each}.bin" for each in added]

    def __str__(self) -> str:
        return f"SEED={SEED} BUCKET_FAULT={self.number}: {self.count} {self.kind} at {self.step}, {self.shape}"


class CrashHandler(Handler):
    def hang_up(self) -> None:
        if self.proxy.dies:
            self.proxy.dies = False
            self.proxy.host.die()
        super().hang_up()


class CrashProxy(FaultProxy):
    """The way of one host to the engine."""

    handler = CrashHandler
    host = None
    dies = False


class MortalHost(Host):
    dead = False

    def die(self) -> None:
        """Called by a thread of the proxy."""
        self.dead = True
        os.kill(self.program.pid, signal.SIGKILL)

    def revive(self) -> None:
        if self.dead:
            self.program.wait(5)
            self.dead = False
            self.start()

    def close(self) -> None:
        self.revive()
        super().close()


class Lane:
    """Two hosts, whose calls the current plan spoils, behind one nginx."""

    def __init__(self, objects: ObjectStore, number: int, folder: pathlib.Path):
        self.objects, self.prefix = objects, f"lane{number}"
        self.lock = threading.Lock()
        self.plan: Plan | None = None
        self.log: list[str] = []
        self.token = folder / f"token{number}"
        self.token.write_text(TOKEN + "\n")
        self.proxies = [CrashProxy(port, choose=None) for port in objects.ports]
        self.hosts = []
        for proxy in self.proxies:
            proxy.host = MortalHost(
                objects, 0, self.prefix, folder, ("--delete-token", str(self.token), "--threads", "4"),
                bucket=OPEN_BUCKET, endpoint=proxy.endpoint)
            proxy.choose = lambda method, target, proxy=proxy: self.choose(proxy, method, target)
            self.hosts.append(proxy.host)
        self.together = Hosts(self.hosts, gateways=1, nginx_options=("--chunk-size", "5M"))

    def choose(self, proxy: CrashProxy, method: str, target: str) -> str | None:
        step = step_of(method, target, self.prefix)
        with self.lock:
            plan = self.plan
            kind = None
            if plan and step == plan.step and plan.met < plan.count:
                plan.met += 1
                kind = plan.kind
            if ONLY:
                self.log.append(f"{time.monotonic():.3f} {proxy.host.socket} {method} {target} {step} {kind}")
            if kind in DEATHS:
                proxy.dies = True
                return DEATHS[kind]
        return kind

    def __enter__(self) -> "Lane":
        self.together.__enter__()
        return self

    def __exit__(self, *error) -> None:
        try:
            self.together.__exit__(*error)
        finally:
            for proxy in self.proxies:
                proxy.close()

    def files(self, names: list[str] | None = None) -> list[str]:
        """The keys of the finished files, or of those with these names."""
        keys = self.objects.keys(OPEN_BUCKET, f"{self.prefix}/")
        return [key for key in keys if not key.startswith(f"{self.prefix}/.resumabled/")
                and (names is None or key.removeprefix(f"{self.prefix}/") in names)]

    # --- requests

    def until_answered(self, request, expected: set[int]):
        """Repeats a request while the answer is "try again"."""
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), self.together.client(timeout=70) as client:
                answer = request(client)
                if answer.status in expected:
                    return answer
                assert answer.status in (502, 503, 504) and answer.outcome == "retry", (answer.status, answer.body)
            for host in self.hosts:
                host.revive()
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)

    def make(self, plan: Plan) -> None:
        """Makes an upload, and checks it."""
        name = f"{plan.number:05}.bin"
        if plan.shape == "conflict":
            # Another file has the name.
            Upload(self, plan, name, f"first {name}", "whole").send_all()
        with self.lock:
            self.plan = plan
        upload = Upload(self, plan, name, name, plan.shape)
        if plan.shape == "removed":
            upload.send(upload.chunks[:1])
            upload.remove()
        upload.send_all()
        with self.lock:
            self.plan = None
        upload.expect_whole(plan.names)


class Upload:
    def __init__(self, lane: Lane, plan: Plan, name: str, identifier: str, shape: str):
        choice = plan.random
        self.lane, self.choice = lane, choice
        chunk_size, size = {
            "whole": (MIB, choice.choice([0, 1, 70_000, 400_000])),
            "conflict": (MIB, choice.choice([1, 70_000])),
            "small": (100_000, choice.randrange(100_001, 500_000)),
            "parts": (5 * MIB, choice.randrange(5 * MIB + 1, 6 * MIB)),
            "removed": (5 * MIB, choice.randrange(5 * MIB + 1, 6 * MIB)),
            "gathered": (MIB, choice.randrange(8 * MIB + 1, 9 * MIB)),
        }[shape]
        self.data = random_bytes(size, seed=choice.randrange(1 << 32))
        self.facts = dict(identifier=identifier, filename=name, size=size, chunk_size=chunk_size)
        self.chunks = layout(size, chunk_size, force=True)

    def fields(self, chunk: Chunk):
        return parameters(chunk, **self.facts)

    def send(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            content = self.data[chunk.start : chunk.end]
            self.lane.until_answered(lambda client: client.send_raw(self.fields(chunk), content), {200})

    def send_all(self) -> None:
        chunks = self.choice.sample(self.chunks, len(self.chunks))
        # Some come twice.
        chunks += self.choice.choices(chunks, k=self.choice.choice([0, 0, 1]))
        for number, chunk in enumerate(chunks):
            self.send([chunk])
            # The server does not ask again for a chunk that it has answered with 200.
            if self.choice.random() < 0.2:
                self.expect_held(self.choice.choice(chunks[: number + 1]))

    def expect_held(self, chunk: Chunk) -> None:
        self.lane.until_answered(lambda client: client.test(self.fields(chunk)), {200})

    def remove(self) -> None:
        target = f"?{query(self.fields(self.chunks[0]))}"
        self.lane.until_answered(
            lambda client: client.request(
                "DELETE", client.route + target, headers={"Authorization": f"Bearer {TOKEN}"}), {200})

    def expect_whole(self, names: list[str]) -> None:
        answer = self.lane.until_answered(
            lambda client: client.test(self.fields(self.chunks[0]), headers={"Accept": "application/json"}), {200})
        assert json.loads(answer.body)["complete"]
        assert self.data in [self.lane.objects.get(key, OPEN_BUCKET) for key in self.lane.files(names)]


def test_what_fails_is_tried_again_and_nothing_is_lost(tmp_path):
    print(f"SEED={SEED} BUCKET_FAULTS={UPLOADS}")
    plans = [Plan(number) for number in ([int(ONLY)] if ONLY else range(UPLOADS))]
    began = time.monotonic()
    failures: list[str] = []

    def run(lane: Lane, own: list[Plan]) -> None:
        for plan in own:
            try:
                lane.make(plan)
            except Exception as failure:
                failures.append(f"{plan}: {failure!r}")
                print(failures[-1], flush=True)
                with lane.lock:
                    lane.plan = None

    with ObjectStore(gateways=2) as objects:
        with contextlib.ExitStack() as stack:
            lanes = [stack.enter_context(Lane(objects, number, tmp_path)) for number in range(min(LANES, len(plans)))]
            wait_until(lambda: all(host.listens() for lane in lanes for host in lane.hosts), 120, "the hosts listen")
            with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
                # Its result is an error, if there was one.
                for done in [pool.submit(run, lane, plans[number::LANES]) for number, lane in enumerate(lanes)]:
                    done.result()
            # Those that have died last are still starting.
            for lane in lanes:
                for host in lane.hosts:
                    host.revive()
                    wait_until(host.listens, 60, "the host listens")
            if ONLY:
                print("\n".join(lanes[0].log), lanes[0].together.logs(), sep="\n")
        met = collections.Counter((plan.step, plan.kind) for plan in plans if plan.met)
        print(f"{len(plans)} uploads, {len(met)} of {len(WAYS)} ways to fail met, {sum(plan.met for plan in plans)} calls "
              f"failed, {sum(plan.met for plan in plans if plan.kind in DEATHS)} deaths, "
              f"{time.monotonic() - began:.0f} s")
        print("not met:", sorted({str((plan.step, plan.kind)) for plan in plans} - set(map(str, met))))
        assert failures == []
        for number, lane in enumerate(lanes):
            expect_each_file_once(lane, plans[number::LANES])

        def sweep(lane: Lane) -> None:
            folder = tmp_path / lane.prefix
            folder.mkdir()
            expect_nothing_left_after_expiry(objects, lane.prefix, folder)

        with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
            list(pool.map(sweep, lanes))
    assert len(met) >= 0.7 * len({(plan.step, plan.kind) for plan in plans})


def expect_each_file_once(lane: Lane, plans: list[Plan]) -> None:
    """There is no file twice, and no other file."""
    files = [key.removeprefix(f"{lane.prefix}/") for key in lane.files()]
    expected = [[name for name in files if name in plan.names] for plan in plans]
    assert all(len(names) == 1 for names in expected), [names for names in expected if len(names) != 1]
    first = [f"{plan.number:05}.bin" for plan in plans if plan.shape == "conflict"]
    assert sorted(files) == sorted([*first, *(names[0] for names in expected)])
