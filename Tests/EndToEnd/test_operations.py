"""The program as operators see it: health, metrics and logs."""

import errno
import http.client
import json
import os
import re
import subprocess
import time

import pytest

from support.client import MIB, Chunk, layout, multipart, parameters, random_bytes
from support.fastcgi import Request, upload_params
from support.faults import Faults
from support.metrics import Metrics, scrape
from support.server import PROGRAM, Server, replace, wait_until

DATA = random_bytes(5 * 64 * 1024, seed=5)
CHUNK = 64 * 1024
CHUNKS = layout(len(DATA), CHUNK, False)


def fields_of(chunk: Chunk, name: str, data: bytes = DATA, **more):
    return parameters(chunk, identifier=f"id {name}", filename=name, size=len(data), chunk_size=CHUNK, **more)


def plain(client, path: str) -> tuple[int, str]:
    answer = client.request("GET", path)
    return answer.status, answer.body.decode()


# --- health


def test_an_idle_server_is_alive_and_ready(client):
    assert plain(client, "/healthz") == (200, "alive\n")
    assert plain(client, "/readyz") == (200, "ready\n")
    assert client.request("HEAD", "/readyz").status == 200


def test_the_paths_for_operators_are_read_only(client):
    for path in ("/healthz", "/readyz", "/metrics", "/resumable/status.json"):
        assert client.request("POST", path, b"x").status == 501


def test_the_paths_for_operators_are_for_this_machine_only(server):
    for path in ("/healthz", "/readyz", "/metrics", "/resumable/status.json", "/resumable/status"):
        for source, status in (("127.0.0.1", 200), ("127.0.0.2", 403)):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, source_address=(source, 0))
            connection.request("GET", path)
            assert connection.getresponse().status == status, (path, source)
            connection.close()


class NamedServer(Server):
    """The operator has added the server's name to those of the loopback interface."""

    def configuration(self, text: str) -> str:
        line = "# upload.example.org 1;"
        return replace(text, line, line[2:])


OPERATORS_PATHS = ("/healthz", "/readyz", "/metrics", "/resumable/status.json", "/resumable/status")
OWN_NAMES = ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:8080", "upload.example.org"]
# A name whose owner lets it resolve to this server, and names that look like own ones.
FOREIGN_NAMES = [
    "rebound.example.com", "localhost.example.com", "127.0.0.1.example.com", "upload.example.org.example.com",
    "127.0.0.2", "[::2]",
]


@pytest.fixture(scope="module")
def named_server(tmp_path_factory):
    with NamedServer(tmp_path_factory.mktemp("named") / "root") as server:
        yield server


@pytest.mark.parametrize("name, status", [(name, 200) for name in OWN_NAMES] + [(name, 403) for name in FOREIGN_NAMES])
def test_the_operators_paths_answer_only_under_the_servers_own_names(named_server, name, status):
    with named_server.client() as client:
        for path in OPERATORS_PATHS:
            answer = client.request("GET", path, headers={"Host": name})
            assert answer.status == status, path
            # The page itself has all names.
            assert client.request("GET", "/resumable", headers={"Host": name}).status == 200


def test_the_name_in_an_absolute_target_counts_before_that_in_the_header(named_server):
    with named_server.client() as client:
        for name, status in (("localhost", 200), ("rebound.example.com", 403)):
            answer = client.request("GET", f"http://{name}/healthz", headers={"Host": "localhost"})
            assert answer.status == status


def test_the_servers_own_name_has_to_be_added(client):
    assert client.request("GET", "/healthz", headers={"Host": "upload.example.org"}).status == 403


def test_a_store_that_cannot_be_written_is_alive_but_not_ready(tmp_path):
    faults = Faults(tmp_path)
    with Server(tmp_path / "root", environment=faults.environment) as server, server.client() as client:
        with faults.armed("pwrite", "(deleted)", errno.EIO):
            assert plain(client, "/readyz") == (503, "not ready: the store cannot be written\n")
            assert plain(client, "/healthz") == (200, "alive\n")
        assert plain(client, "/readyz") == (200, "ready\n")


def test_a_disk_below_min_free_is_not_ready(tmp_path):
    with Server(tmp_path / "root", options=("--min-free", "1000T")) as server, server.client() as client:
        assert plain(client, "/readyz") == (503, "not ready: there is too little free space\n")


def test_a_server_without_a_free_worker_is_not_ready(tmp_path):
    with Server(tmp_path / "root", options=("--threads", "2")) as server, server.client() as client:
        fields = fields_of(CHUNKS[0], "slow")
        query = "&".join(f"{name}={value}".replace(" ", "+") for name, value in fields.items())
        slow = Request(server.socket, upload_params("POST", query, "application/octet-stream", CHUNK))
        slow.write(DATA[:10])
        wait_until(lambda: Metrics(client)("workers_busy") == 2, 5, "the other one is busy")
        assert plain(client, "/readyz") == (503, "not ready: all workers are busy\n")
        slow.write(DATA[10:CHUNK])
        assert slow.answer()[0] == 200
        assert plain(client, "/readyz") == (200, "ready\n")
        assert Metrics(client)("workers") == 2


# --- metrics


def test_the_counters_match_the_requests(tmp_path):
    with Server(tmp_path / "root", options=("--max-file-size", "1M", "--allow-type", ".bin")) as server:
        with server.client() as client:
            sent = 0

            def send(fields, content, method="POST"):
                nonlocal sent
                # Built as the client builds it.
                sent += len(multipart(fields, content)[1])
                return client.send(fields, content, method)

            before = Metrics(client)
            assert before.above_zero("requests_total", "method", "outcome") == {}
            for chunk in CHUNKS:
                assert client.test(fields_of(chunk, "a.bin")).status == 404
                assert send(fields_of(chunk, "a.bin"), DATA[chunk.start : chunk.end]).status == 200
            # Twice more, when the file is complete.
            for method in ("PUT", "PATCH"):
                assert send(fields_of(CHUNKS[0], "a.bin"), DATA[:CHUNK], method).status == 200
            assert client.test(fields_of(CHUNKS[0], "a.bin"), "HEAD").status == 200
            # Another one is begun, and tested.
            assert send(fields_of(CHUNKS[1], "b.bin"), DATA[CHUNK : 2 * CHUNK]).status == 200
            assert client.test(fields_of(CHUNKS[1], "b.bin")).status == 200
            # Refused by its type, three times, and by its size. Then malformed and unsupported requests.
            for _ in range(3):
                assert client.test(fields_of(CHUNKS[0], "c.exe")).status == 415
            assert client.test(fields_of(CHUNKS[0], "d.bin", resumableTotalSize=2 * MIB)).status == 415
            assert client.test(fields_of(CHUNKS[0], "e.bin", resumableChunkNumber="x")).status == 500
            assert client.request("DELETE", client.route).status == 501
            assert client.request("OPTIONS", client.route).status == 204
            after = Metrics(client)

        assert after.above_zero("requests_total", "method", "outcome") == {
            ("GET", "missing"): len(CHUNKS),
            ("POST", "stored"): len(CHUNKS) + 1,
            ("PUT", "stored"): 1,
            ("PATCH", "stored"): 1,
            ("HEAD", "held"): 1,
            ("GET", "held"): 1,
            ("GET", "refused"): 4,
            ("GET", "malformed"): 1,
            ("DELETE", "unsupported"): 1,
            ("OPTIONS", "allowed"): 1,
        }
        assert after.above_zero("refusals_total", "reason") == {("type",): 3, ("size",): 1}
        assert after("received_bytes_total") == sent
        # The last one completed the file.
        assert after.above_zero("chunks_total", "effect") == {
            ("stored",): len(CHUNKS) - 1 + 1,
            ("completed",): 1,
            ("duplicate",): 2,
        }
        assert after("chunk_duration_seconds_count") == len(CHUNKS) + 3
        assert after("chunk_duration_seconds_sum") > 0
        assert after("completion_duration_seconds_count") == 1
        assert after("uploads_begun_total") == 2
        assert after("uploads_finished_total") == 1
        assert after("finished_bytes_total") == len(DATA)
        assert after("upload_duration_seconds_count") == 1
        assert (before("uploads_under_way"), after("uploads_under_way")) == (0, 1)
        assert after.above_zero("store_errors_total", "cause") == {}
        disk = os.statvfs(server.root)
        assert after("store_size_bytes") == disk.f_blocks * disk.f_frsize
        assert 64 * MIB < after("store_free_bytes") <= after("store_size_bytes")
        assert after("store_floor_bytes") == 64 * MIB


def test_the_counters_include_removed_and_lost_uploads(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    options = ("--delete-token", str(token), "--expire", "2s")
    with Server(tmp_path / "root", options=options) as server, server.client() as client:
        for name in ("given up", "expired"):
            assert client.send(fields_of(CHUNKS[0], name), DATA[:CHUNK]).status == 200
        fields = fields_of(CHUNKS[0], "given up", upload_token="0123456789abcdef")
        assert client.test(fields, "DELETE").status == 200
        expected = {("given_up",): 1, ("expired",): 1}
        wait_until(
            lambda: Metrics(client).above_zero("uploads_removed_total", "cause") == expected, 20, "the other expires"
        )
        assert Metrics(client)("uploads_under_way") == 0


def test_the_counters_include_errors_of_the_disk(tmp_path):
    faults = Faults(tmp_path)
    with Server(tmp_path / "root", environment=faults.environment) as server, server.client() as client:
        for code, times in ((errno.ENOSPC, 2), (errno.EIO, 3)):
            with faults.armed("pwrite", ".data", code):
                for _ in range(times):
                    assert client.send(fields_of(CHUNKS[0], "a"), DATA[:CHUNK]).status == 503
        metrics = Metrics(client)
        assert metrics.above_zero("store_errors_total", "cause") == {("full",): 2, ("failed",): 3}
        assert metrics("requests_total", method="POST", outcome="retry") == 5


def test_a_restart_after_a_kill_shows_in_the_metrics(server, client):
    before = Metrics(client).samples["process_start_time_seconds", frozenset()]
    assert abs(before - time.time()) < 60
    server.kill_program()
    server.start_program()
    after = Metrics(client)
    assert after.samples["process_start_time_seconds", frozenset()] > before
    assert after.above_zero("requests_total", "method", "outcome") == {}
    # The kernel's figure.
    assert 1 < after.samples["process_open_fds", frozenset()] < after.samples["process_max_fds", frozenset()]
    assert 1 * MIB < after.samples["process_resident_memory_bytes", frozenset()] <= server.peak_memory()


def test_promtool_accepts_the_metrics(client):
    assert client.upload(DATA, filename="a", identifier="a", chunk_size=CHUNK)
    done = subprocess.run(["promtool", "check", "metrics"], input=scrape(client), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_version_is_the_programs(client):
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert Metrics(client)("build_info", version=version) == 1


# --- logs

HOSTILE = 'a "quoted"\u0301 \\ name=x level=error \u202eexe.\u2028 会议 🙂.bin'


def test_json_logs_have_a_line_for_each_upload_and_none_for_a_chunk(tmp_path):
    with Server(tmp_path / "root", options=("--log-format", "json", "--max-file-size", "1M")) as server:
        with server.client() as client:
            assert client.upload(DATA, filename=HOSTILE, identifier="a\n{}\x1b[31m", chunk_size=CHUNK)
            large = fields_of(CHUNKS[0], "large", resumableTotalSize=2 * MIB)
            for _ in range(20):
                assert client.test(large).status == 415
        # Every line that was written is JSON.
        lines = [json.loads(line) for line in server.program_log().splitlines()]
        uploads = [line for line in lines if line["message"].startswith("upload ")]
        assert [line["message"] for line in uploads] == ["upload begun", "upload finished", "upload refused"]
        begun, finished, refused = uploads
        assert begun["name"] == finished["name"] == HOSTILE
        assert (begun["size"], begun["held"]) == (len(DATA), 0)
        assert (finished["size"], finished["held"], finished["path"]) == (len(DATA), len(DATA), HOSTILE)
        assert finished["rate"] > 0 and finished["seconds"] >= 0
        assert (refused["name"], refused["size"], refused["reason"]) == ("large", 2 * MIB, "size")
        assert refused["client"] == "127.0.0.1"
        for line in lines:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        # nginx's log has the same requests.
        known = {re.search(r" id=(\w+)$", line)[1]: line for line in server.access_log()}
        assert "POST" in known[begun["request"]] and "POST" in known[finished["request"]]
        assert "GET" in known[refused["request"]]
        assert begun["request"] != finished["request"]


def test_text_logs_have_one_line_for_an_entry_and_no_control_characters(tmp_path):
    with Server(tmp_path / "root") as server, server.client() as client:
        assert client.upload(DATA, filename=HOSTILE, identifier="a", chunk_size=CHUNK)
        lines = [line for line in server.program_log().splitlines() if " upload " in line]
        assert len(lines) == 2
        begun = lines[0]
        assert re.match(r"\d{4}-\d\d-\d\dT[0-9:.]{12}Z info upload begun held=0 name=\"", begun)
        assert r'name="a \"quoted\"'"\u0301"r' \\ name=x level=error \u{202e}exe.\u{2028} 会议 🙂.bin" request=' in begun
        # A name cannot forge the fields behind it.
        assert re.search(rf' request=[0-9a-f]{{32}} size={len(DATA)}$', begun)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", server.program_log())


def test_a_refused_client_cannot_fill_the_log_with_long_names(server, client):
    for number in range(20):
        fields = fields_of(CHUNKS[0], "x" * 9000 + str(number))
        answer = client.test(fields, headers={"Origin": "https://elsewhere.example"})
        assert (answer.status, answer.outcome) == (415, "refused")
    lines = [line for line in server.program_log().splitlines() if "upload refused" in line]
    assert len(lines) == 1 and "reason=origin" in lines[0] and len(lines[0]) < 400


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_log_contains_a_token(tmp_path, form):
    secret = "s3cr3t-t0k3n-0123456789"
    token = tmp_path / "token"
    token.write_text(secret)
    token.chmod(0o600)
    options = ("--delete-token", str(token), "--log-format", form, "--log-level", "trace", "--max-file-size", "1M")
    with Server(tmp_path / "root", options=options) as server, server.client() as client:
        for chunk in CHUNKS:
            fields = fields_of(chunk, "a", upload_token=secret)
            client.test(fields)
            client.send(fields, DATA[chunk.start : chunk.end], target=f"{client.route}?upload_token={secret}")
        client.test(fields_of(CHUNKS[0], "b", resumableTotalSize=2 * MIB, upload_token=secret))
        client.test(fields_of(CHUNKS[0], "c", resumableChunkNumber="x", upload_token=secret))
        client.test(fields_of(CHUNKS[0], "d", upload_token=secret + "x"), "DELETE")
        client.test(fields_of(CHUNKS[0], "e", upload_token=secret), "DELETE")
        client.request("DELETE", client.route, headers={"Authorization": f"Bearer {secret}"})
        assert "upload finished" in server.program_log() and "upload refused" in server.program_log()
        assert secret not in server.program_log()
        assert secret not in "\n".join(server.access_log())
