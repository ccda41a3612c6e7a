"""SeaweedFS, a real engine for object stores that checks signatures, on loopback addresses.

    python3 Tests/EndToEnd/support/object_store.py COMMAND...

starts an engine and a fault proxy, runs the command with the variables OBJECTS_ENDPOINT, OBJECTS_FAULTS (the proxy),
OBJECTS_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and stops both.
"""

import contextlib
import html
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.fault_proxy import FaultProxy  # noqa: E402
from support.server import free_port  # noqa: E402

ACCESS_KEY = "AKIDTESTS"
SECRET_KEY = "secret/of+the=tests"
# The engine has a second pair, by which an operator can replace the first one.
OTHER_ACCESS_KEY, OTHER_SECRET_KEY = "AKIDOTHER", "other/secret+of=tests"
# Nobody has to sign for this one, so that a proxy may change requests.
OPEN_BUCKET = "open"
# One bucket for all tests, each of which has a prefix of its own: every further bucket takes volumes, and about ten
# buckets take all of them.
BUCKET = "uploads"


def credentials(secret: str = SECRET_KEY) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": secret}


def free_ports(count: int) -> list[int]:
    """Free loopback ports. SeaweedFS also takes the one that is 10,000 higher than each of its own for gRPC."""
    found: set[int] = set()
    while len(found) < count:
        found.add(free_port(10_000))
    return list(found)


def sockets_of_the_engine(ports: list[int]) -> list[pathlib.Path]:
    """Sockets that SeaweedFS makes in /tmp, whatever it is told."""
    return [path for port in ports for path in pathlib.Path("/tmp").glob(f"seaweedfs-*-grpc-{port + 10000}.sock")]


class ObjectStore:
    """One engine with the bucket in it, reached through several gateways."""

    def __init__(self, gateways: int = 1, identities: dict | None = None):
        """`identities`: a configuration with roles and providers of web identities, for the first gateway."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="resumabled-test."))
        self.taken = free_ports(3 + gateways)
        master, volume, filer, *self.ports = self.taken
        (self.folder / "s3.json").write_text(json.dumps({"identities": [{
            "name": "tests", "credentials": [
                {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY},
                {"accessKey": OTHER_ACCESS_KEY, "secretKey": OTHER_SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        }, {
            "name": "anonymous",
            "actions": [f"{action}:{OPEN_BUCKET}" for action in ("Admin", "Read", "Write", "List")],
        }]}))
        local = ["-ip.bind=127.0.0.1"]
        options = ["-master.telemetry=false", f"-dir={self.folder}", "-ip=127.0.0.1", *local,
                   f"-master.port={master}", f"-volume.port={volume}", "-volume.max=0",
                   "-master.volumeSizeLimitMB=1024", "-filer", f"-filer.port={filer}",
                   f"-filer.localSocket={self.folder}/filer", "-s3", f"-s3.localSocket={self.folder}/s3",
                   f"-s3.port={self.ports[0]}", "-s3.port.iceberg=0", "-s3.port.lance=0",
                   f"-s3.config={self.folder}/s3.json", "-s3.ip.bind=127.0.0.1"]
        if identities:
            (self.folder / "identities.json").write_text(json.dumps(identities))
            options.append(f"-s3.iam.config={self.folder}/identities.json")
        self.processes = []
        try:
            self.start("server", *options)
            self.wait(self.ports[0])
            for port in self.ports[1:]:
                self.start("s3", f"-filer=127.0.0.1:{filer}", f"-port={port}", "-port.iceberg=0", "-port.lance=0", f"-localSocket={self.folder}/s3.{port}",
                           f"-config={self.folder}/s3.json", *local)
                self.wait(port)
            self.make_bucket(BUCKET)
            self.make_bucket(OPEN_BUCKET)
        except BaseException:
            self.close()
            raise

    def start(self, *arguments: str) -> None:
        weed = pathlib.Path(sys.executable).with_name("weed")
        with open(self.folder / f"log.{len(self.processes)}", "wb") as log:
            self.processes.append(subprocess.Popen(
                [weed, f"-logdir={self.folder}", *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log))

    def wait(self, port: int) -> None:
        """Waits until the gateway at this port answers."""
        deadline = time.monotonic() + 60
        while True:
            assert self.processes[-1].poll() is None, self.log()
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                connection.request("GET", "/")
                # Before its parts have found each other, the engine answers with 503.
                if connection.getresponse().status < 500:
                    return
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def make_bucket(self, name: str) -> None:
        self.curl(name, "-X", "PUT", "--retry", "20", "--retry-delay", "1", "--retry-all-errors")

    def curl(self, target: str, *options: str) -> str:
        return self.run_curl(target, *options).decode()

    def run_curl(self, target: str, *options: str) -> bytes:
        """Makes a request with curl, which signs simple requests right."""
        return subprocess.run(
            ["curl", "-sSf", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{ACCESS_KEY}:{SECRET_KEY}", *options,
             f"{self.endpoint}/{target}"], check=True, capture_output=True).stdout

    def keys(self, bucket: str = BUCKET, prefix: str = "") -> list[str]:
        """The keys of all objects that begin with the prefix."""
        found: list[str] = []
        query = f"list-type=2&prefix={urllib.parse.quote(prefix, safe='')}"
        while True:
            # curl signs the parameters of a query in the order in which they come.
            after = f"&start-after={urllib.parse.quote(found[-1], safe='')}" if found else ""
            page = self.curl(f"{bucket}?{query}{after}")
            found += [html.unescape(key) for key in re.findall(r"<Key>(.*?)</Key>", page)]
            if "<IsTruncated>true</IsTruncated>" not in page:
                return found

    def open_multiparts(self, bucket: str = BUCKET, prefix: str = "") -> list[str]:
        """The keys of the multipart uploads below the prefix that are neither completed nor aborted."""
        keys = re.findall(r"<Key>(.*?)</Key>", self.curl(f"{bucket}?uploads="))
        return [key for key in map(html.unescape, keys) if key.startswith(prefix)]

    def get(self, key: str, bucket: str = BUCKET) -> bytes:
        return self.run_curl(f"{bucket}/{urllib.parse.quote(key)}")

    @property
    def endpoint(self) -> str:
        return self.endpoints[0]

    @property
    def endpoints(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    def log(self) -> str:
        return "".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("log.*")))

    def close(self) -> None:
        # It has nothing to keep, and takes seconds to stop in order.
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        for path in sockets_of_the_engine(self.taken):
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> "ObjectStore":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def main() -> int:
    # The engine must not outlive this process if that is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with ObjectStore() as engine, FaultProxy(engine.ports[0]) as proxy:
        variables = {"OBJECTS_ENDPOINT": engine.endpoint, "OBJECTS_FAULTS": proxy.endpoint, "OBJECTS_BUCKET": BUCKET}
        with subprocess.Popen(sys.argv[1:], env=os.environ | variables | credentials()) as command:
            try:
                return command.wait()
            finally:
                command.terminate()


if __name__ == "__main__":
    sys.exit(main())
