"""nginx chooses the host by the upload, as nginx.conf.example advises for hosts that share a bucket."""

import collections
import contextlib
import hashlib

import pytest

from support.client import MIB, layout, parameters, query, random_bytes
from support.fault_proxy import FaultProxy
from support.hosts import Gateway, Host
from support.object_store import OPEN_BUCKET, ObjectStore
from support.server import wait_until

pytestmark = pytest.mark.objects
PREFIX = "balance"
UPLOADS = 9


def test_all_chunks_of_an_upload_go_to_one_host(tmp_path):
    hosts_of = collections.defaultdict(set)
    lists = collections.Counter()

    def watch(number: int):
        """Notes which uploads a host puts parts of, and how often it lists objects."""

        def choose(method: str, target: str) -> None:
            if method == "PUT" and "partNumber=" in target:
                hosts_of[target.partition("?")[0].rpartition("/")[2]].add(number)
            lists[number] += "list-type=2" in target and "%2Fup%2F" in target
        return choose

    with contextlib.ExitStack() as stack:
        objects = stack.enter_context(ObjectStore())
        proxies = [stack.enter_context(FaultProxy(objects.ports[0], watch(number))) for number in range(3)]
        hosts = [stack.enter_context(Host(objects, 0, PREFIX, tmp_path, bucket=OPEN_BUCKET, endpoint=proxy.endpoint))
                 for proxy in proxies]
        wait_until(lambda: all(host.listens() for host in hosts), 60, "the hosts listen")
        gateway = stack.enter_context(Gateway(hosts, by_upload=True, nginx_options=("--chunk-size", "5M")))
        # The hosts' tests of the engine do not count.
        hosts_of.clear()
        lists.clear()
        contents = {f"{number}.bin": random_bytes(16 * MIB, number) for number in range(UPLOADS)}
        for name, content in contents.items():
            for chunk in layout(len(content), 5 * MIB, False):
                fields = parameters(
                    chunk, identifier=f"upload {name}", filename=name, size=len(content), chunk_size=5 * MIB)
                client = gateway.client()
                # As Resumable.js does it: the parameters of an upload are in its address, too.
                assert client.test(fields).status != 200
                sent = client.send(fields, content[chunk.start:chunk.end], target=f"{client.route}?{query(fields)}")
                assert sent.status == 200, sent.body

        assert set(hosts_of) == set(contents)
        assert all(len(hosts) == 1 for hosts in hosts_of.values()), hosts_of
        assert len(set.union(*hosts_of.values())) > 1, "all uploads went to one host"
        # One for each test, and one at the beginning of the upload: none for a chunk.
        assert lists.total() <= UPLOADS * (3 + 2), lists
        for name, content in contents.items():
            found = objects.get(f"{PREFIX}/{name}", OPEN_BUCKET)
            assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()
