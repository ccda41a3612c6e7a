"""Events of files in a bucket: any host delivers them, and none is lost with a host."""

import json
import os
import subprocess

import pytest

from support.client import layout, parameters, random_bytes
from support.hosts import BucketServer
from support.object_store import BUCKET, ObjectStore, credentials
from support.server import PROGRAM, wait_until
from support.webhook_receiver import Reply, WebhookReceiver

pytestmark = pytest.mark.objects
CHUNK = 20_000


@pytest.fixture(scope="module")
def objects():
    with ObjectStore(gateways=2) as objects:
        yield objects


@pytest.fixture
def hosts(objects, key, tmp_path, request):
    """Starts hosts that tell a receiver, on a folder of the bucket that no other test has."""
    started = []

    def start(site: WebhookReceiver) -> BucketServer:
        options = ("--on-complete-url", site.url, "--event-key", str(key), "--event-timeout", "2s")
        spool = tmp_path / f"spool{len(started)}"
        spool.mkdir()
        host = BucketServer(objects, len(started) % 2, request.node.name.replace("_", "-"), spool, options)
        started.append(host)
        return host.start()

    yield start
    for host in started:
        host.close()


def send(server: BucketServer, name: str, size: int) -> None:
    data = random_bytes(size)
    with server.client() as client:
        for chunk in layout(size, CHUNK, force=True):
            fields = parameters(
                chunk, identifier=f"id of {name}", filename=name, size=size, chunk_size=CHUNK, title="A title")
            assert client.send(fields, data[chunk.start : chunk.end]).status == 200


def events(server: BucketServer, command: str, *arguments: str) -> str:
    place = ["--bucket", BUCKET, "--endpoint", server.endpoint, "--prefix", server.prefix, "--spool", server.root]
    result = subprocess.run(
        [PROGRAM, "events", command, *place, *arguments], capture_output=True, text=True, timeout=60,
        env=os.environ | credentials())
    assert result.returncode == 0, result.stderr
    return result.stdout


def pending(server: BucketServer) -> list[dict]:
    return json.loads(events(server, "list", "--json"))


def owed(server: BucketServer) -> list[str]:
    """The keys of all that the bucket has about events, but for the mark of changes."""
    keys = server.objects.keys(BUCKET, f"{server.prefix}.resumabled/owed/")
    return [key for key in keys if not key.endswith("/changes")]


def test_each_event_is_delivered_once_by_hosts_that_live(hosts):
    with WebhookReceiver() as site:
        servers = [hosts(site), hosts(site)]
        for number in range(12):
            # In one chunk and in several.
            send(servers[number % 2], f"{number}.bin", 1000 if number % 3 else 50_000)
        wait_until(lambda: not owed(servers[0]), 60, "all events are delivered and nothing is left of them")
        subjects = [received.event["subject"] for received in site.received]
        assert sorted(subjects) == sorted(f"{number}.bin" for number in range(12))
        assert len(set(site.ids())) == 12
        facts = next(each.event.data for each in site.received if each.event["subject"] == "0.bin")
        assert facts["size"] == 50_000 and facts["path"] == "0.bin" and facts["metadata"] == {"title": "A title"}
        assert "events are not delivered" not in servers[0].program_log()


def test_events_of_a_host_that_has_died_are_delivered_by_another(hosts):
    site = WebhookReceiver()
    first = hosts(site)
    for name in ("a", "b", "c"):
        send(first, name, 50_000)
    wait_until(lambda: all(each["receivers"][0]["attempts"] for each in pending(first)), 30, "each was tried")
    waiting = pending(first)
    assert sorted(each["path"] for each in waiting) == ["a", "b", "c"]
    assert all("connect" in each["receivers"][0]["error"].lower() for each in waiting)
    first.kill_program()
    with site:
        # It looks for events of others when it starts. A lease of the host that has died may have to end first.
        second = hosts(site)
        wait_until(lambda: pending(second) == [], 120, "every event is delivered")
        assert {each["id"] for each in waiting} == set(site.ids())


def test_operators_have_events_delivered_and_drop_them_from_any_host(hosts):
    with WebhookReceiver(lambda received: Reply(500, body=b"no")) as site:
        server = hosts(site)
        for name in ("a", "b"):
            send(server, name, 1000)
        # The seventh attempt comes at least 24 seconds after the sixth.
        wait_until(
            lambda: all(each["receivers"][0]["attempts"] >= 6 for each in pending(server)), 120, "both were tried")
        ids = {each["path"]: each["id"] for each in pending(server)}
        assert events(server, "drop", ids["a"]) == "1 dropped\n"
        assert [each["path"] for each in pending(server)] == ["b"]
        site.reply = lambda received: Reply()
        # On a very slow machine, the seventh attempt may come first.
        assert events(server, "retry") in ("1 to be delivered now\n", "0 to be delivered now\n")
        wait_until(lambda: pending(server) == [], 20, "the other one is delivered")
        wait_until(lambda: not owed(server), 60, "nothing is left")
