"""The original Resumable.js in Chromium, against three hosts that share a bucket and take the requests in turns."""

import hashlib
import re

import pytest

from support.client import MIB, random_bytes
from support.fastcgi import Request
from support.hosts import Gateway, Host, Hosts
from support.object_store import ObjectStore
from support.original import ORIGINALS, events, serve_original
from support.server import wait_until

pytestmark = pytest.mark.browser
SLOW = 2 * MIB


@pytest.fixture
def objects():
    with ObjectStore() as objects:
        yield objects


@pytest.fixture
def hosts(objects, tmp_path):
    hosts = [Host(objects, 0, "site", tmp_path) for _ in range(3)]
    with Hosts(hosts, gateways=1) as together:
        wait_until(lambda: all(host.listens() for host in hosts), 60, "the hosts listen")
        yield together


@pytest.fixture
def server(hosts) -> Gateway:
    """The browser's server: the gateway of all hosts."""
    return hosts.gateways[0]


def chunks_of(host: Host) -> int:
    """How many chunks a host has stored, by its own metrics."""
    status, _, body = Request(host.socket, {"REQUEST_METHOD": "GET", "DOCUMENT_URI": "/metrics"}).answer()
    assert status == 200
    return int(re.search(r'^resumabled_requests_total\{method="POST",outcome="stored"\} (\d+)$', body.decode(), re.M)[1])


@pytest.mark.parametrize("package", ORIGINALS)
def test_the_original_client_uploads_reloads_and_resumes_at_other_hosts(
        objects, hosts, server, browser, tmp_path, package):
    serve_original(server, tmp_path, package)
    file = tmp_path / "original.bin"
    file.write_bytes(random_bytes(20 * MIB + 99, seed=5))
    traffic = browser.open("/original").traffic
    assert browser.script("return typeof r.speed") == "undefined" and browser.script("return r.version") == 1

    browser.slow_down(SLOW)
    browser.pick(file)
    wait_until(lambda: len(traffic.read().stored) >= 7, 60, "the first chunks are stored")
    # Without stickiness, each host gets some of them.
    shares = [chunks_of(host) for host in hosts.hosts]
    assert all(share > 0 for share in shares), shares
    browser.reload()
    held = len(traffic.read().stored)
    assert held < 20, "the reload has to come in the middle of the upload"
    # A host that is gone takes nothing with it.
    hosts.hosts[0].kill_program()
    browser.full_speed()
    # A chunk that was on its way is stored or broken off by then. Before that, a test would be told that it is missing.
    browser.wait(3000)
    browser.pick(file)
    wait_until(lambda: events(browser), 60, "it has ended")
    assert events(browser) == [["success", "original.bin", "OK"]]
    assert hashlib.sha256(objects.get("site/original.bin")).digest() == hashlib.sha256(file.read_bytes()).digest()
    # It tests each chunk, and does not send held chunks.
    assert traffic.read().sent_again == [] and len(traffic.stored) <= 20
    assert list(traffic.statuses[test] for test in traffic.tests if test in traffic.statuses).count(200) >= held
    assert traffic.answers_to(traffic.tests) == {200, 404}
    assert traffic.answers_to(traffic.uploads) == {200}
