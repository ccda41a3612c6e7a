"""The unit files: systemd accepts them, they allow all that the program needs, and the program notifies systemd."""

import os
import re
import socket
import subprocess

import pytest

from support.client import layout, parameters, query, random_bytes
from support.fastcgi import Request, upload_params
from support.object_store import ACCESS_KEY, BUCKET, SECRET_KEY, ObjectStore
from support.server import PROGRAM, REPOSITORY, run_program
from support.strace import traced, traced_server, used

UNITS = REPOSITORY / "deploy/systemd"
README = (REPOSITORY / "deploy/README.md").read_text()
DATA = random_bytes(100_000)


@pytest.mark.parametrize("drop_ins", [(), ("bucket.conf",)], ids=str)
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path, drop_ins):
    for name in ("resumabled.service", "resumabled.socket"):
        # The unit needs a program where it names one.
        text = (UNITS / name).read_text().replace("/usr/bin/resumabled", PROGRAM)
        (tmp_path / name).write_text(text)
    (tmp_path / "resumabled.service.d").mkdir()
    for name in drop_ins:
        (tmp_path / "resumabled.service.d" / name).write_text((UNITS / name).read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / "resumabled.service", tmp_path / "resumabled.socket"],
        capture_output=True, text=True)
    # The output also covers other units of the machine.
    assert done.returncode == 0 and "resumabled" not in done.stderr, done.stderr


def test_the_exposure_of_the_service_is_as_documented():
    # A threshold of 15 is an exposure of 1.5.
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", "--no-pager", UNITS / "resumabled.service"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    exposure = re.search(r"Overall exposure level for resumabled.service: ([\d.]+)", done.stdout)[1]
    assert float(exposure) <= 1.5
    assert f"exposure level of {exposure} " in README


def settings(text: str) -> dict[str, list[str]]:
    """The settings of a unit, each with its values."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", text, re.M):
        found.setdefault(name, []).extend(value.split())
    return found


def test_the_service_waits_for_the_disk_of_its_root_and_for_the_clock():
    unit = settings((UNITS / "resumabled.service").read_text())
    (root,) = [value.removeprefix("RESUMABLED_ROOT=") for value in unit["Environment"]]
    assert unit["RequiresMountsFor"] == [root] and root == "/var/lib/" + unit["StateDirectory"][0]
    assert "time-sync.target" in unit["After"]
    # The services that synchronize the clock pull the target in, see systemd.special(7).
    assert "time-sync.target" not in unit.get("Wants", []) + unit["Requires"]


def test_the_comment_says_what_another_root_needs():
    comment = re.sub(r"^#( {5})?", "", (UNITS / "resumabled.service").read_text(), flags=re.M)
    named = settings(comment.partition("[Unit]")[2].partition("A TCP socket")[0])
    assert named == {"RequiresMountsFor": ["/srv/uploads"], "ReadWritePaths": ["/srv/uploads"]}


def test_the_drop_in_for_a_bucket_takes_the_root_away_and_opens_the_network():
    unit, drop_in = (settings((UNITS / name).read_text()) for name in ("resumabled.service", "bucket.conf"))
    assert unit["PrivateNetwork"] == ["yes"] and unit["IPAddressDeny"] == ["any"]
    assert drop_in["PrivateNetwork"] == ["no"] and drop_in["IPAddressDeny"] == []
    assert drop_in["RestrictAddressFamilies"] == ["AF_INET", "AF_INET6"]
    assert "RESUMABLED_ROOT=" in drop_in["Environment"]
    assert drop_in["LoadCredential"][0].partition(":")[0] == "s3"
    # What the comments of the unit name for a TCP socket is the same.
    comment = (UNITS / "resumabled.service").read_text().partition("events\n# to a URL need")[2].partition("\n[Unit]")[0]
    named = settings(re.sub(r"^#( {5})?", "", comment, flags=re.M))
    assert named == {name: drop_in[name] for name in ("PrivateNetwork", "IPAddressDeny", "RestrictAddressFamilies")}


@pytest.mark.objects
def test_the_unit_with_the_drop_in_allows_all_system_calls_of_a_program_with_a_bucket(tmp_path):
    (tmp_path / "s3").write_text(
        f"[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n")
    environment = dict(
        value.replace("%d", str(tmp_path)).split("=", 1)
        for name in ("resumabled.service", "bucket.conf") for value in settings((UNITS / name).read_text())["Environment"])
    trace = tmp_path / "trace"
    with ObjectStore() as objects:
        assert environment["RESUMABLED_BUCKET"] == BUCKET
        environment["RESUMABLED_ENDPOINT"] = objects.endpoint
        arguments = [PROGRAM, "serve", "--socket", tmp_path / "s"]
        with traced(arguments, tmp_path / "s", trace, tmp_path / "log", environment, seconds=60):
            for chunk in layout(len(DATA), 30_000, False):
                fields = parameters(chunk, identifier="one", filename="one", size=len(DATA), chunk_size=30_000)
                content = DATA[chunk.start : chunk.end]
                request = Request(tmp_path / "s", upload_params(
                    "POST", query(fields), "application/octet-stream", len(content)))
                request.write(content)
                assert request.answer()[0] == 200
        assert "one" in objects.keys()
    names = used(trace.read_text())
    assert {"connect", "pread64", "pwrite64", "getsockopt"} <= names and names & {"accept", "accept4"}, names
    assert names <= allowed_calls(), names - allowed_calls()
    # No other family of sockets is needed.
    families = set(re.findall(r"socket\((AF_\w+)", trace.read_text()))
    assert families <= {"AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"}, families


def allowed_calls() -> set[str]:
    """The system calls that the unit's filter allows, by systemd's own lists."""

    def expand(group: str) -> set[str]:
        lines = subprocess.run(
            ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True).stdout.split("\n")
        names = {line.strip() for line in lines[1:] if line.strip() and not line.strip().startswith("#")}
        return set().union(*(expand(name) if name.startswith("@") else {name} for name in names))

    calls: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.+)$", (UNITS / "resumabled.service").read_text(), re.M):
        groups = set().union(*map(expand, line.removeprefix("~").split()))
        calls = calls - groups if line.startswith("~") else calls | groups
    return calls


def test_the_filter_of_system_calls_allows_all_calls_of_the_program(server, client, tmp_path):
    trace = tmp_path / "trace"
    with traced_server(server, trace, "--durability", "chunk"):
        for name in ("one", "two"):
            assert {answer.status for answer in client.upload(DATA, filename="name", identifier=name, chunk_size=30_000)
                    } == {200}
    names = used(trace.read_text())
    # The trace is complete.
    assert {"pwrite64", "renameat2", "fdatasync", "epoll_wait"} <= names and names & {"accept", "accept4"}, names
    # Reading the limit is prlimit64. Raising it fails under the filter without harm: the unit has raised it already.
    assert names <= allowed_calls(), names - allowed_calls()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_sysusers_and_tmpfiles_make_the_user_and_the_folders(tmp_path):
    (tmp_path / "etc").mkdir()
    for tool in (["systemd-sysusers"], ["systemd-tmpfiles", "--create"]):
        path = UNITS / ("resumabled." + tool[0].removeprefix("systemd-"))
        done = subprocess.run([*tool, f"--root={tmp_path}", path], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    (entry,) = [line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()
                if line.startswith("resumabled:")]
    assert entry[5] == "/var/lib/resumabled" and entry[6] == "/usr/sbin/nologin"
    for folder, mode in (("run/resumabled", 0o755), ("var/lib/resumabled", 0o750)):
        status = (tmp_path / folder).stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, int(entry[2]), int(entry[3]))


@pytest.fixture(params=["path", "abstract"])
def notices(request, tmp_path):
    """A socket in the place of systemd's, and its name as systemd writes it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = f"resumabled-test.{os.getpid()}"
        receiver.bind(f"\0{name}" if request.param == "abstract" else str(tmp_path / "n"))
        receiver.settimeout(20)
        yield receiver, f"@{name}" if request.param == "abstract" else str(tmp_path / "n")


def test_systemd_is_notified_of_the_start_the_end_and_regularly_between(server, notices):
    receiver, name = notices
    server.stop_program()
    server.environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "2000000"}
    server.start_program()
    assert [receiver.recv(100) for _ in range(4)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1"]
    server.program.terminate()
    heard = {receiver.recv(100)}
    while b"STOPPING=1" not in heard:
        heard.add(receiver.recv(100))
    assert heard <= {b"WATCHDOG=1", b"STOPPING=1"}
    server.expect_clean_end()
    server.start_program()


@pytest.mark.parametrize("notices", ["path"], indirect=True)
def test_the_watchdog_is_not_notified_while_all_threads_are_stuck(server, notices):
    receiver, name = notices
    server.stop_program()
    server.environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"}
    server.start_program("--threads", "1")
    (only,) = layout(len(DATA), len(DATA), False)
    fields = parameters(only, identifier="stuck", filename="stuck", size=len(DATA), chunk_size=len(DATA))
    # The only thread waits for the rest of this request.
    request = Request(server.socket, upload_params("POST", query(fields), "application/octet-stream", len(DATA)))
    request.write(DATA[:10])
    receiver.settimeout(3.5)
    with pytest.raises(TimeoutError):
        while True:
            receiver.recv(100)
    assert "no thread has finished" in server.program_log()
    request.write(DATA[10:])
    assert request.answer()[0] == 200
    receiver.settimeout(20)
    assert receiver.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("name", ["", "nonsense", "/nowhere/at/all", "/" + 200 * "x"])
def test_a_service_manager_that_cannot_be_reached_does_no_harm(server, client, name):
    server.stop_program()
    server.environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "x"}
    server.start_program()
    assert client.test(parameters(
        layout(1, 1, False)[0], identifier="a", filename="a", size=1, chunk_size=1)).status == 404
    assert run_program("verify", "--root", server.root).returncode == 0
