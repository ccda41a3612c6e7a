"""Three hosts that share a bucket, behind two gateways, are killed in turns under load, and keep every promise
(PROTOCOL.md, Promises).

`BUCKET_FILES=500 BUCKET_SECONDS=300 Tests/run objects -k bucket_kills` uploads more files. `SEED=n` repeats the files
and the moments of a run, but not the decisions of the machine's scheduler.
"""

import concurrent.futures
import contextlib
import hashlib
import os
import random
import re
import subprocess
import time

import pytest

from support.client import MIB
from support.hosts import Host, Hosts, expect_nothing_left_after_expiry
from support.load import Load, Upload
from support.object_store import OPEN_BUCKET, ObjectStore, credentials
from support.server import PROGRAM, wait_until
from support.webhook_receiver import WebhookReceiver

pytestmark = pytest.mark.objects
HOSTS = 3
FILES = int(os.environ.get("BUCKET_FILES", "200"))
SECONDS = float(os.environ.get("BUCKET_SECONDS", "20"))
SEED = int(os.environ.get("SEED", random.randrange(1 << 32)))
# A host tests the engine when it starts, which takes seconds, so for a while no host may answer.
PATIENCE = 60
PREFIX = "kills"


class BucketUpload(Upload):
    """Files in one chunk, in chunks that are gathered, and in chunks that become parts."""

    some_without_sizes = False

    def measures(self) -> tuple[int, int]:
        chunk_size = self.random.choice([100_000, MIB // 4, MIB, MIB, 5 * MIB])
        most = 3 if chunk_size > MIB else 12
        size = self.random.choice([0, 1, 65_536, chunk_size, self.random.randrange(chunk_size),
                                   *[self.random.randrange(chunk_size, most * chunk_size) for _ in range(4)]])
        return size, chunk_size


def kill_again_and_again(hosts: list[Host], load: Load) -> dict[str, int]:
    """Kills a host every two seconds, until there are enough files or the time is over. A host is killed also while it
    starts, but never the last one that listens."""
    moments = random.Random(SEED)
    kills = {"serving": 0, "starting": 0}
    deadline = time.monotonic() + SECONDS
    while len(load.completed) < FILES and time.monotonic() < deadline:
        time.sleep(2)
        load.check()
        listening = [host for host in hosts if host.listens()]
        victim = moments.choice(hosts)
        if listening != [victim]:
            kills["serving" if victim in listening else "starting"] += 1
            victim.kill_program()
            victim.start()
    return kills


def finished(log: str) -> list[str]:
    """The names of the files that hosts have told of."""
    return re.findall(r"upload finished .*?\bpath=(\S+)", log)


def test_files_are_whole_although_hosts_are_killed_again_and_again(key, tmp_path):
    # A failure shows it; `pytest -s` always does.
    print(f"SEED={SEED} BUCKET_FILES={FILES} BUCKET_SECONDS={SECONDS}")
    began = time.monotonic()
    with ObjectStore(gateways=2) as objects, WebhookReceiver() as site:
        options = ("--on-complete-url", site.url, "--event-key", str(key), "--event-timeout", "2s")
        # This bucket needs no signatures, so that a host with another clock can use it.
        hosts = [Host(objects, number % 2, PREFIX, tmp_path, options, bucket=OPEN_BUCKET) for number in range(HOSTS)]
        with Hosts(hosts, gateways=2, nginx_options=("--chunk-size", "5M")) as together:
            try:
                wait_until(lambda: all(host.listens() for host in hosts), 60, "the hosts listen")
                with Load(together, SEED, upload=BucketUpload, patience=PATIENCE) as load:
                    kills = kill_again_and_again(hosts, load)
                wait_until(lambda: all(host.listens() for host in hosts), 60, "the hosts listen")
                expect_event_of_each(objects, hosts[0], site, load.digests)
            except BaseException:
                print(together.logs()[-8000:])
                raise
            log = together.logs()
            repeated = sum(", " in line.partition(" program=")[2] for gateway in together.gateways
                           for line in gateway.access_log())
        print(f"{len(load.digests)} files, killed {kills}, {load.counts}, {repeated} requests repeated by nginx, "
              f"{time.monotonic() - began:.0f} s")
        expect_files_whole(objects, load.digests)
        expect_one_outcome_each(objects, load.digests, log)
        # Requests were cut off. nginx repeats them at another host.
        assert kills["serving"] == 0 or repeated + load.counts["cut off"] > 0
        expect_nothing_left_after_expiry(objects, PREFIX, tmp_path)
        assert files(objects) == sorted(load.digests)


def files(objects: ObjectStore) -> list[str]:
    keys = objects.keys(OPEN_BUCKET, f"{PREFIX}/")
    return sorted(key.removeprefix(f"{PREFIX}/") for key in keys if not key.startswith(f"{PREFIX}/.resumabled/"))


def expect_files_whole(objects: ObjectStore, digests: dict[str, bytes]) -> None:
    """Each file once, whole, and no other file."""
    assert files(objects) == sorted(digests)

    def digest(name: str) -> bytes:
        return hashlib.sha256(objects.get(f"{PREFIX}/{name}", OPEN_BUCKET)).digest()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for name, found in zip(digests, pool.map(digest, digests)):
            assert found == digests[name], name


def expect_event_of_each(
    objects: ObjectStore, host: Host, site: WebhookReceiver, digests: dict[str, bytes]
) -> None:
    """Each file has one event, which is delivered at least once."""
    def owed() -> list[str]:
        state = f"{PREFIX}/.resumabled/owed/"
        return objects.keys(OPEN_BUCKET, f"{state}note/") + objects.keys(OPEN_BUCKET, f"{state}to/")

    deadline = time.monotonic() + 240
    while owed():
        assert time.monotonic() < deadline, owed()[:50]
        # Leases of dead hosts end after a minute, and notes of dead hosts count then. Without this the hosts would look
        # for both ten minutes after they started.
        retried = subprocess.run(
            [PROGRAM, "events", "retry", *host.place()], capture_output=True, text=True, timeout=120,
            env=os.environ | credentials())
        assert retried.returncode == 0, retried.stderr
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not owed(), 20, "all events are delivered")
    subjects = {received.id: received.event["subject"] for received in site.received}
    assert sorted(subjects.values()) == sorted(digests)
    print(f"{len(site.received)} deliveries of {len(subjects)} events")


def expect_one_outcome_each(objects: ObjectStore, digests: dict[str, bytes], log: str) -> None:
    keys = objects.keys(OPEN_BUCKET, f"{PREFIX}/.resumabled/")
    done = [re.search(r"/up/(\w+)/a/\w+\.done$", key) for key in keys]
    uploads = [found[1] for found in done if found]
    # One generation of each upload, and an outcome of each.
    assert len(uploads) == len(set(uploads)) == len(digests)
    # A host that was killed between the outcome and the line in its log has not told of it, and no other one has.
    told = finished(log)
    assert len(told) == len(set(told)) and set(told) <= set(digests)
    needed = r"/up/\w+/(a/\w+\.(claim|target|end|done|digests|choice|touch\.\d+)|l/.*)$|/owed/changes$"
    remains = [key for key in keys if not re.search(needed, key)]
    print(f"{len(told)} told, {len(remains)} objects of dead hosts, "
          f"{len(objects.open_multiparts(OPEN_BUCKET))} multipart uploads of dead hosts")
