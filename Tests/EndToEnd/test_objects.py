"""`resumabled check --bucket` on a real engine, on engines that lack an ability, and over a network with faults."""

import os
import re
import ssl
import subprocess

import pytest

from support.fault_proxy import KINDS, FaultProxy
from support.object_store import ACCESS_KEY, BUCKET, OPEN_BUCKET, SECRET_KEY, ObjectStore, credentials
from support.server import PROGRAM, REPOSITORY
from support.weak_engine import WeakEngine

pytestmark = pytest.mark.objects
ABILITIES = len(re.findall(r"^    case ", (REPOSITORY / "Sources/S3/EngineAbility.swift").read_text(), re.M))


@pytest.fixture(scope="module")
def objects():
    with ObjectStore(gateways=2) as objects:
        yield objects


def start(*arguments, bucket: str = BUCKET, **variables) -> subprocess.Popen:
    """`resumabled check` of a bucket, with the right credentials unless `variables` has others."""
    return subprocess.Popen(
        [PROGRAM, "check", "--bucket", bucket, *map(str, arguments)], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true"} | credentials() | variables)


def finish(process: subprocess.Popen) -> str:
    output = process.communicate(timeout=120)[0]
    assert SECRET_KEY not in output and "Signature=" not in output
    failures = [line for line in output.splitlines() if line.startswith("FAIL")]
    # 64: the options are wrong.
    assert process.returncode == 64 and not failures or process.returncode == (1 if failures else 0), output
    return output


def check(*arguments, **variables) -> str:
    return finish(start(*arguments, **variables))


def failures(output: str) -> list[str]:
    return [line.removeprefix("FAIL  bucket") for line in output.splitlines() if line.startswith("FAIL")]


def passed(output: str) -> int:
    return sum(line.startswith("ok    bucket: ") for line in output.splitlines())


def test_a_check_of_a_good_engine_finds_nothing_and_leaves_nothing(objects):
    output = check("--endpoint", objects.endpoint, "--prefix", "some/folder")
    assert passed(output) == ABILITIES and failures(output) == [], output
    assert objects.keys() == []


def test_a_check_of_several_endpoints_uses_all_of_them(objects):
    proxies = [FaultProxy(port) for port in objects.ports]
    try:
        output = check(*[word for proxy in proxies for word in ("--endpoint", proxy.endpoint)])
    finally:
        for proxy in proxies:
            proxy.close()
    # Each is reached.
    assert passed(output) == ABILITIES + 1 and failures(output) == [], output
    for proxy in proxies:
        # Its contenders in five races, an object that all others look at, and a refused creation.
        assert proxy.calls["PUT"] > 5 * 4 + 3
    # The front page of the check says how many calls it makes.
    assert sum(proxy.calls.total() for proxy in proxies) < 250
    assert objects.keys() == []


# --- faults

# After these, a call that is tried again succeeds.
PASSING = sorted(set(KINDS) - {"403", "hang"})


@pytest.fixture(scope="module")
def faulty(objects):
    """The outputs of a check by kind of fault. All run at the same time."""
    with FaultProxy(objects.ports[0]) as proxy:
        checks = {kind: start("--endpoint", proxy.endpoint, "--prefix", f"fault-{kind}-1/") for kind in PASSING}
        outputs = {kind: finish(each) for kind, each in checks.items()}
        yield outputs, proxy.faults


@pytest.mark.parametrize("kind", PASSING)
def test_a_check_succeeds_if_each_of_its_calls_meets_a_fault_once(faulty, kind):
    outputs, faults = faulty
    assert failures(outputs[kind]) == [] and passed(outputs[kind]) == ABILITIES, outputs[kind]
    assert faults[kind] > 50


def test_trouble_that_lasts_is_reported_as_the_engines(objects):
    with FaultProxy(objects.ports[0]) as proxy:
        [line] = failures(check("--endpoint", proxy.endpoint, "--prefix", "fault-503-99/"))
    assert "503 SlowDown By the proxy, tried 4 times: the engine has trouble or is overloaded" in line
    assert proxy.faults["503"] == 4


def test_missing_permissions_are_reported_as_such(objects):
    with FaultProxy(objects.ports[0]) as proxy:
        [line] = failures(check("--endpoint", proxy.endpoint, "--prefix", "fault-403-1/"))
    assert "403 AccessDenied" in line and "give the credentials the permissions that deploy/README.md lists" in line
    # It is not tried again.
    assert proxy.faults["403"] == 1


# --- engines that lack something

# Each with words of the lines that report it. Those of notes begin with "note".
WEAKNESSES = {
    "creation": ["a PUT with If-None-Match replaces an object: use an engine and a release with conditional writes",
                 "8 of 8 clients created the same object at the same time",
                 "note  bucket: If-None-Match is ignored when a multipart upload is completed"],
    "races": ["clients created the same object at the same time: use an engine and a release whose conditional writes"],
    "completion": ["note  bucket: If-None-Match is ignored when a multipart upload is completed: it works without"],
    "checksum": ["CRC32C: a wrong one is accepted for an object; SHA-256: a wrong one is accepted for an object; "
                 "MD5: a wrong one is accepted for an object: use an engine that checks"],
    "ranges": ["GetObject", "removes the Range header"],
    "abortion": ["an aborted multipart upload takes parts: allow s3:AbortMultipartUpload"],
    "deletion": ["deleted objects are still listed: allow s3:DeleteObject"],
    "multipart": ["CreateMultipartUpload", "501 NotImplemented: use an engine with multipart uploads"],
    "abort rule": ["note  bucket: a rule aborts multipart uploads after 7 days: it works, but"],
    "expiry rule": ["note  bucket: a rule removes objects after 5 days, and with them the state of uploads"],
    "keys": ["the listed key is not the one of the object: reach the engine without a proxy that changes paths"],
    "missing": ["a missing object is answered with 403: allow s3:ListBucket"],
    "clock": ["seconds apart: synchronize the clocks"],
    "versions": ["note  bucket: the bucket keeps old versions of objects: it works with them"],
    "metadata": ["the metadata of an object is not what was stated"],
    "stale list": ["after a PUT, a listing does not have the new object: use an engine with strong consistency"],
    "stale object": ["after a PUT, GET does not return the new object: use an engine with strong consistency"],
    # Works: there are other checksums.
    "crc32c": [],
}
# Abilities that cannot be tested without those that are missing.
FURTHER = {"multipart": 4, "creation": 1}


@pytest.fixture(scope="module")
def weak(objects):
    """The outputs of a check by what the engine lacks. All run at the same time."""
    engines = {name: WeakEngine(objects.ports[0], name) for name in WEAKNESSES}
    try:
        checks = {
            name: start("--endpoint", proxy.endpoint, "--prefix", name.replace(" ", "-") if "rule" not in name else "",
                        bucket=OPEN_BUCKET)
            for name, proxy in engines.items()
        }
        yield {name: finish(each) for name, each in checks.items()}
    finally:
        for proxy in engines.values():
            proxy.close()


@pytest.mark.parametrize("weakness", WEAKNESSES)
def test_a_check_tells_what_an_engine_lacks_and_what_to_do(weak, weakness):
    output, words = weak[weakness], WEAKNESSES[weakness]
    for each in words:
        assert each in output, output
    needed = [each for each in words if not each.startswith("note")]
    assert bool(failures(output)) == bool(needed), output


def test_another_checksum_is_used_if_the_first_is_not_enforced(weak):
    # The hash that belongs to the signature is not checked either, because the requests are not signed.
    assert "damaged bodies are refused (MD5)" in weak["crc32c"]


# --- settings


@pytest.fixture
def secure(objects, tmp_path):
    """A gateway with HTTPS, and the file of the authority that vouches for it."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with FaultProxy(objects.ports[0], tls=context) as proxy:
        yield proxy, certificate


def test_the_certificate_of_an_engine_is_checked(secure):
    proxy, certificate = secure
    [line] = failures(check("--endpoint", proxy.endpoint))
    assert "certificate" in line and "start the engine, or choose another --endpoint" in line
    assert proxy.calls.total() == 0
    assert failures(check("--endpoint", proxy.endpoint, "--s3-ca", certificate)) == []
    assert any("cannot read /no/such/file" in line
               for line in failures(check("--endpoint", proxy.endpoint, "--s3-ca", "/no/such/file")))


def test_wrong_settings_are_told_from_a_failing_engine(objects):
    at = ("--endpoint", objects.endpoint)
    [line] = failures(check(*at, AWS_SECRET_ACCESS_KEY="wrong"))
    assert "SignatureDoesNotMatch" in line and "the engine does not know these credentials" in line
    [line] = failures(check(*at, AWS_ACCESS_KEY_ID="wrong"))
    assert "InvalidAccessKeyId" in line and "the engine does not know these credentials" in line
    [line] = failures(check(*at, bucket="missing"))
    assert "NoSuchBucket" in line and "make the bucket" in line
    [line] = failures(check("--endpoint", "http://127.0.0.1:1"))
    assert "(http://127.0.0.1:1)" in line and "start the engine" in line
    [line] = failures(check(*at, "--endpoint", "http://127.0.0.1:1"))
    assert "(http://127.0.0.1:1)" in line


def test_credentials_come_from_a_file_or_the_environment(objects, tmp_path):
    at = ("--endpoint", objects.endpoint)
    none = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    [line] = failures(check(*at, **none))
    assert "there are no credentials" in line and "deploy/README.md" in line
    [line] = failures(check(*at, AWS_SECRET_ACCESS_KEY=""))
    assert "AWS_ACCESS_KEY_ID is set in the environment, but AWS_SECRET_ACCESS_KEY is not" in line
    file = tmp_path / "credentials"
    file.write_text(f"[default]\naws_access_key_id={ACCESS_KEY}\naws_secret_access_key={SECRET_KEY}\n")
    file.chmod(0o600)
    # Credentials that the engine accepts lead to the next fault, which is found at once.
    at = (*at, "--bucket", "missing")
    output = check(*at, "--s3-credentials", file, AWS_SECRET_ACCESS_KEY="wrong")
    assert "NoSuchBucket" in output and "chmod" not in output
    file.chmod(0o644)
    output = check(*at, **none, RESUMABLED_S3_CREDENTIALS=str(file))
    assert "NoSuchBucket" in output and f"all users can use the credentials: chmod o= {file}" in output
    assert "NoSuchBucket" in check(*at, **none, AWS_SHARED_CREDENTIALS_FILE=str(file))
    [line] = failures(check(*at, "--s3-credentials", "/no/such/file"))
    assert "cannot read /no/such/file" in line


def test_options_of_a_bucket_have_variables(objects):
    output = subprocess.run(
        [PROGRAM, "check"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        env=os.environ | credentials() | {"RESUMABLED_BUCKET": BUCKET, "RESUMABLED_ENDPOINT": " ".join(objects.endpoints)}
    ).stdout
    assert passed(output) == ABILITIES + 1 and "no such setting" not in output, output


@pytest.mark.parametrize("arguments, message", [
    (["--root", "/tmp"], "Give --root or --bucket, not both."),
    (["--endpoint", "127.0.0.1:8333"], "127.0.0.1:8333"),
    (["--endpoint", "http://127.0.0.1/path"], "http://127.0.0.1/path"),
    (["--region", "us east"], "--region must have"),
    (["--prefix", "/a"], "--prefix must have"),
    (["--prefix", "a//b"], "--prefix must have"),
    (["--prefix", "a/../b"], "--prefix must have"),
    (["--prefix", "a\nb"], "--prefix must have"),
    (["--prefix", "x" * 513], "--prefix must have"),
    (["--bucket", "Uploads"], "--bucket must have"),
    (["--bucket", "up"], "--bucket must have"),
    (["--bucket", "uploads/"], "--bucket must have"),
    (["--bucket=-uploads"], "--bucket must have"),
    (["--s3-path-style", "perhaps"], "perhaps"),
])
def test_invalid_options_are_refused(arguments, message):
    output = check(*arguments)
    assert output.startswith("Error: ") and message in output


def test_a_place_is_needed_and_the_variable_that_set_another_one_is_named():
    done = subprocess.run([PROGRAM, "check"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 64 and "Give --root or --bucket." in done.stderr
    done = subprocess.run(
        [PROGRAM, "check", "--region", "x", "--root", "/tmp"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 64 and "need --bucket" in done.stderr
    output = check(RESUMABLED_ROOT="/tmp")
    assert "Give --root or --bucket, not both." in output and "--root was set by RESUMABLED_ROOT" in output
