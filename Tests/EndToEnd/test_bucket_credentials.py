"""Credentials of a cloud that end while files are uploaded: a real engine gives them and refuses them when they end."""

import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import subprocess
import time

import pytest

from support.client import MIB, layout, parameters, random_bytes
from support.cloud import ROLE, Cloud
from support.fault_proxy import FaultProxy, Handler
from support.hosts import BucketServer
from support.object_store import ACCESS_KEY, BUCKET, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY, ObjectStore
from support.server import PROGRAM, free_port, wait_until

pytestmark = pytest.mark.objects
# For how long the engine accepts credentials, in seconds. The program asks for others every five seconds at most.
LIFETIME = 10
# The program has no credentials but those of the cloud.
NONE = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "HOME": "/nonexistent"}
SOURCES = {"container": "the container endpoint", "machine": "the metadata service"}


@pytest.fixture(scope="module")
def cloud():
    with Cloud(LIFETIME) as cloud, ObjectStore(identities=cloud.identities()) as objects:
        cloud.objects, cloud.engine = objects, objects.ports[0]
        yield cloud


@pytest.fixture(autouse=True)
def fresh(cloud):
    cloud.fails, cloud.stated = False, None


@contextlib.contextmanager
def serve(cloud: Cloud, prefix: str, folder: pathlib.Path, variables: dict[str, str], endpoint: str | None = None,
          options: tuple[str, ...] = ()):
    """A server with the credentials that the variables lead to. At its end, no log has a secret."""
    with BucketServer(cloud.objects, 0, prefix, folder, options, endpoint=endpoint,
                      environment=NONE | variables) as server:
        yield server
        log = server.program_log() + server.nginx_log()
        for secret in [*cloud.secrets, SECRET_KEY, OTHER_SECRET_KEY]:
            assert secret not in log


def send(server: BucketServer, name: str, chunk, content: bytes, chunk_size: int):
    fields = parameters(chunk, size=len(content), identifier=name, filename=name, chunk_size=chunk_size)
    with server.client() as client:
        return client.send(fields, content[chunk.start:chunk.end])


def upload_for(server: BucketServer, seconds: float, client: str = "") -> int:
    """Uploads one file after the other, chunk by chunk, and compares what is stored. Each chunk is taken at once.

    Returns the number of files."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        # Small parts are gathered, large ones are passed on, and a file of one chunk is put at once.
        chunk_size, size = [(MIB, 11 * MIB), (5 * MIB, 11 * MIB), (5 * MIB, 3 * MIB)][count % 3]
        content, name = random_bytes(size + count, seed=count), f"{client}{count}.bin"
        for chunk in layout(len(content), chunk_size, force=True):
            answer = send(server, name, chunk, content, chunk_size)
            if answer.status != 200:
                pytest.fail(f"{answer.status} {answer.body}\n{server.program_log()[-4000:]}")
        stored = server.objects.get(server.prefix + name)
        assert hashlib.sha256(stored).digest() == hashlib.sha256(content).digest()
        count += 1
    return count


@pytest.mark.parametrize("source, stated", [("container", None), ("machine", 3600)])
def test_uploads_go_on_while_credentials_end(cloud, source, stated, tmp_path):
    """If their end is known, they are renewed before it. Else the engine refuses a call, which is repeated with others."""
    cloud.stated = stated
    before = cloud.issued
    with serve(cloud, f"{source}-{stated}", tmp_path, getattr(cloud, source)()) as server:
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            files = pool.map(lambda client: upload_for(server, 3 * LIFETIME, client), "abc")
            assert min(files) > 1
        assert cloud.issued - before >= 3
        log = server.program_log()
        assert f'credentials found source="{SOURCES[source]} at {cloud.url}"' in log
        # Nothing has failed.
        assert "credentials cannot" not in log and "credentials have ended" not in log
        assert " error " not in log and " warning " not in log


def test_a_web_identity_is_read_again_for_each_renewal(cloud, tmp_path):
    token = tmp_path / "token"
    token.write_text(cloud.web_identity(LIFETIME) + "\n")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": ROLE,
                 "AWS_ENDPOINT_URL_STS": cloud.objects.endpoint}
    with serve(cloud, "web", tmp_path, variables) as server:
        for _ in range(5):
            token.write_text(cloud.web_identity(LIFETIME + 4) + "\n")
            upload_for(server, 4)
        log = server.program_log()
        assert f'source="the token service at {cloud.objects.endpoint}"' in log
        assert " error " not in log


def test_without_its_service_a_server_says_retry_and_goes_on_later(cloud, tmp_path):
    content = random_bytes(11 * MIB)
    chunks = layout(len(content), 5 * MIB, force=True)
    with serve(cloud, "outage", tmp_path, cloud.machine()) as server:
        assert send(server, "a.bin", chunks[0], content, 5 * MIB).status == 200
        cloud.fails = True
        # The last credentials are used until they end.
        wait_until(lambda: send(server, "a.bin", chunks[0], content, 5 * MIB).status != 200, 30, "they end")
        for _ in range(3):
            answer = send(server, "a.bin", chunks[1], content, 5 * MIB)
            assert (answer.status, answer.outcome) == (503, "retry")
        ready = server.client().request("GET", "/readyz")
        assert (ready.status, ready.body) == (503, b"not ready: the object store does not answer\n")
        cloud.fails = False
        for chunk in chunks[1:]:
            wait_until(lambda: send(server, "a.bin", chunk, content, 5 * MIB).status == 200, 30, "it goes on")
        assert server.objects.get(server.prefix + "a.bin") == content
        log = server.program_log()
    # Whatever the number of requests, each is logged once.
    cause = f'cause="the metadata service at {cloud.url} gave no credentials: it answered 500"'
    assert log.count("the credentials cannot be renewed") == 1
    assert log.count("the credentials have ended, and there are no new ones") == 1
    assert log.count(f"the credentials have ended, and there are no new ones {cause}") == 1
    assert log.count("the credentials are renewed") == 1


class KeyProxy(FaultProxy):
    """An engine that does not know some access keys, and answers with a code to them."""

    class Handler(Handler):
        def handle_any(self) -> None:
            if any(f"Credential={key}/" in self.headers["Authorization"] for key in self.proxy.gone):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with self.proxy.lock:
                    self.proxy.faults[self.proxy.code] += 1
                self.answer_with_error(self.proxy.status, self.proxy.code)
            else:
                super().handle_any()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    handler = Handler

    def __init__(self, engine: int, status: int, code: str):
        self.gone: set[str] = set()
        self.status, self.code = status, code
        super().__init__(engine)


def write_credentials(file: pathlib.Path, access_key: str, secret_key: str) -> None:
    file.write_text(f"[default]\naws_access_key_id={access_key}\naws_secret_access_key={secret_key}\n")


@pytest.mark.parametrize("status, code", [(400, "ExpiredToken"), (403, "InvalidAccessKeyId")])
def test_a_file_is_read_again_after_its_credentials_are_refused(cloud, tmp_path, status, code):
    file = tmp_path / "credentials"
    write_credentials(file, ACCESS_KEY, SECRET_KEY)
    with KeyProxy(cloud.objects.ports[0], status, code) as proxy:
        with serve(cloud, f"file-{code}", tmp_path, {}, proxy.endpoint, ("--s3-credentials", str(file))) as server:
            upload_for(server, 1)
            write_credentials(file, OTHER_ACCESS_KEY, OTHER_SECRET_KEY)
            proxy.gone.add(ACCESS_KEY)
            upload_for(server, 1)
            assert 1 <= proxy.faults[code] <= 8
            # There are no others.
            proxy.gone.add(OTHER_ACCESS_KEY)
            content = random_bytes(100)
            [chunk] = layout(len(content), MIB, force=True)
            answer = send(server, "none.bin", chunk, content, MIB)
            assert (answer.status, answer.outcome) == (503, "retry")
            assert code in server.program_log()


# --- the start


def run(command: str, *options: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [PROGRAM, command, "--bucket", BUCKET, *options], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=120, env=os.environ | NONE | variables)


def test_a_check_says_where_credentials_are_from(cloud):
    for source, name in SOURCES.items():
        output = run("check", "--endpoint", cloud.objects.endpoint, **getattr(cloud, source)()).stdout
        assert f"ok    credentials: from {name} at {cloud.url}\n" in output
        assert "FAIL" not in output
        assert not any(secret in output for secret in cloud.secrets)


def test_no_proxy_learns_of_credentials(cloud):
    # Nothing listens there. The engine has another name, for which no proxy is used.
    proxies = {name: f"http://127.0.0.1:{free_port()}" for name in ("http_proxy", "all_proxy", "ALL_PROXY")}
    engine = f"http://localhost:{cloud.objects.ports[0]}"
    for source in SOURCES:
        output = run("check", "--endpoint", engine, no_proxy="localhost", **proxies, **getattr(cloud, source)()).stdout
        assert "ok    credentials:" in output and "FAIL" not in output
    # The variables are in effect.
    output = run("check", "--endpoint", cloud.objects.endpoint, no_proxy="localhost", **proxies, **cloud.machine()).stdout
    assert "ok    credentials:" in output and "FAIL  bucket (http://127.0.0.1" in output


@pytest.mark.parametrize("command", ["serve", "check", "status"])
def test_without_credentials_one_sentence_says_what_was_tried(command):
    place = ["--endpoint", "http://127.0.0.1:9"] + (["--listen", "127.0.0.1:1"] if command == "serve" else [])
    began = time.monotonic()
    result = run(command, *place, AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9")
    assert time.monotonic() - began < 10 and result.returncode == 1
    sentence = (
        "there are no credentials: neither AWS_ACCESS_KEY_ID nor AWS_WEB_IDENTITY_TOKEN_FILE is set, there is no "
        "/nonexistent/.aws/credentials, neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
        "AWS_CONTAINER_CREDENTIALS_FULL_URI is set, and the metadata service at http://127.0.0.1:9 gave no credentials: ")
    [line] = [line for line in (result.stdout + result.stderr).splitlines() if sentence in line]
    assert "deploy/README.md says where credentials may be" in line


@pytest.mark.parametrize("variables, words", [
    ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "URL/nothing"},
     "the container endpoint at URL gave no credentials: it answered 401"),
    ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1/"},
     "AWS_CONTAINER_CREDENTIALS_FULL_URI in the environment has another host"),
    ({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "credentials"}, "does not begin with a slash"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/file"}, "but AWS_ROLE_ARN is not"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/file", "AWS_ROLE_ARN": ROLE},
     "cannot read /no/such/file: No such file or directory"),
    ({"AWS_WEB_IDENTITY_TOKEN_FILE": __file__, "AWS_ROLE_ARN": ROLE}, "it is not a token in one line"),
    ({"AWS_PROFILE": "uploads"}, "cannot read /nonexistent/.aws/credentials"),
])
def test_a_source_that_is_named_and_fails_is_reported(cloud, variables, words):
    variables = {name: value.replace("URL", cloud.url) for name, value in variables.items()}
    result = run("check", "--endpoint", "http://127.0.0.1:9", **variables, **cloud.machine())
    [line] = [line for line in result.stdout.splitlines() if line.startswith("FAIL  bucket: ")]
    assert words.replace("URL", cloud.url) in line
