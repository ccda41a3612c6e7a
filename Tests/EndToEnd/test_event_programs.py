"""A program runs for every finished file: the data it gets, and the server's behaviour if it misbehaves."""

import json
import pathlib
import stat

import pytest

from support.client import layout, parameters
from support.server import Server, run_program, wait_until
from support.webhook_receiver import all_delivered, pending, send

# Records everything that it was given, in one file a run.
WITNESS = """#!/usr/bin/python3
import json, os, sys
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
facts = {
    "environment": {os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()},
    "arguments": sys.argv,
    "input": sys.stdin.read(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
    "signals": [int(status[name], 16) for name in ("SigBlk", "SigIgn")],
}
path = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.environ["RESUMABLED_EVENT_ID"] + ".json")
with open(path + ".part", "w") as file:
    json.dump(facts, file)
os.rename(path + ".part", path)
"""


def script(folder: pathlib.Path, text: str) -> pathlib.Path:
    path = folder / "told"
    path.write_text(text)
    path.chmod(stat.S_IRWXU)
    return path


def server_with(program: pathlib.Path, root: pathlib.Path, *options: str, **more) -> Server:
    return Server(root, options=("--on-complete-exec", str(program), *options), **more)


def test_a_program_gets_the_facts_and_nothing_else(tmp_path):
    program = script(tmp_path, WITNESS)
    # The program must not see the server's settings.
    environment = {"RESUMABLED_THREADS": "4", "LANG": "C.UTF-8"}
    with server_with(program, tmp_path / "root", environment=environment) as server:
        send(server, "a.bin", title="t", resumableType="image/png")
        wait_until(lambda: list(tmp_path.glob("*.json")), 10, "the program has run")
        wait_until(lambda: all_delivered(server), 10, "the delivery is recorded")
    [path] = tmp_path.glob("*.json")
    facts = json.loads(path.read_text())
    event = json.loads(facts["input"])
    assert event["type"] == "resumabled.upload.finished" and event["id"] == path.stem
    assert event["data"]["metadata"] == {"title": "t"}
    ours = {name: value for name, value in facts["environment"].items() if name.startswith("RESUMABLED_")}
    assert ours == {
        "RESUMABLED_EVENT": "finished", "RESUMABLED_EVENT_ID": path.stem, "RESUMABLED_IDENTIFIER": "id of a.bin",
        "RESUMABLED_FILENAME": "a.bin", "RESUMABLED_PATH": "a.bin",
        "RESUMABLED_FILE": str((tmp_path / "root").resolve() / "a.bin"), "RESUMABLED_SIZE": "50000",
        "RESUMABLED_TYPE": "image/png", "RESUMABLED_BEGUN": str(event["data"]["begun"]),
        "RESUMABLED_FINISHED": str(event["data"]["finished"]),
    }
    assert facts["environment"]["LANG"] == "C.UTF-8"
    assert facts["arguments"] == [str(program)]
    # The fourth descriptor belongs to the listing itself. The server's sockets and files are not inherited.
    assert facts["descriptors"][:3] == [0, 1, 2] and len(facts["descriptors"]) == 4
    blocked, ignored = facts["signals"]
    # Python itself ignores SIGPIPE (13) and SIGXFSZ (25). 32 and 33 belong to the C library.
    assert blocked == 0 and ignored & ~(1 << 12 | 1 << 24 | 3 << 31) == 0


@pytest.mark.parametrize(
    "identifier, filename", [
        ("a\nRESUMABLED_SIZE=0\nLD_PRELOAD=/tmp/x.so", "plain.bin"),
        ("$(touch pwned)", "$(touch pwned);`touch pwned`&|<>.bin"),
        ("'\"\\", "-rf *.bin"),
        ("\x1b]0;x\x07", "=RESUMABLED_FILE=x"),
        ("i" * 1024, "ü" * 127),
    ])
def test_names_are_data_to_the_program_and_never_code(identifier, filename, tmp_path):
    program = script(tmp_path, WITNESS)
    with server_with(program, tmp_path / "root") as server, server.client() as client:
        [chunk] = layout(10, 10, force=True)
        fields = parameters(chunk, identifier=identifier, filename=filename, size=10, chunk_size=10)
        assert client.send(fields, b"0123456789").status == 200
        wait_until(lambda: list(tmp_path.glob("*.json")), 10, "the program has run")
    [path] = tmp_path.glob("*.json")
    facts = json.loads(path.read_text())
    assert facts["environment"]["RESUMABLED_IDENTIFIER"] == identifier
    assert facts["environment"]["RESUMABLED_FILENAME"] == filename
    assert facts["environment"]["RESUMABLED_SIZE"] == "10"
    assert "LD_PRELOAD" not in facts["environment"]
    assert json.loads(facts["input"])["data"]["identifier"] == identifier
    assert not list(tmp_path.rglob("pwned")) and not pathlib.Path("pwned").exists()


def error(server: Server) -> str:
    events = pending(server)
    return events[0]["receivers"][0]["error"] or "" if events else ""


def test_a_program_that_fails_is_run_again_until_it_succeeds(tmp_path):
    program = script(tmp_path, f"#!/bin/sh\necho again >> {tmp_path}/runs\n[ -e {tmp_path}/mended ] || exit 3\n")
    with server_with(program, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: error(server) == "ended with status 3", 10, "it has failed")
        (tmp_path / "mended").touch()
        wait_until(lambda: all_delivered(server), 20, "it has run again")
        assert len((tmp_path / "runs").read_text().splitlines()) >= 2


def test_a_program_that_hangs_is_killed_with_all_its_children(tmp_path):
    text = f"#!/bin/sh\ntrap '' TERM\nsleep 1000 &\necho $$ $! > {tmp_path}/pids.part\n" \
        f"mv {tmp_path}/pids.part {tmp_path}/pids\nwhile :; do sleep 1; done\n"
    program = script(tmp_path, text)
    with server_with(program, tmp_path / "root", "--event-timeout", "1s") as server:
        send(server, "a.bin")
        wait_until(lambda: (tmp_path / "pids").exists(), 10, "it has started")
        pids = (tmp_path / "pids").read_text().split()
        wait_until(lambda: error(server) == "took longer than 1 s", 20, "its time is over")

        def is_gone(pid: str) -> bool:
            # A zombie, which its parent has not collected yet, counts as gone.
            try:
                return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
            except OSError:
                return True

        wait_until(lambda: all(map(is_gone, pids)), 10, "all are gone")


def test_a_program_that_hangs_does_not_delay_the_end_of_the_server(tmp_path):
    program = script(tmp_path, f"#!/bin/sh\ntouch {tmp_path}/run\nexec sleep 1000\n")
    with server_with(program, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: (tmp_path / "run").exists(), 10, "it has started")
        assert server.stop_program(seconds=10) < 8
        assert len(pending(server)) == 1
        server.start_program()


def test_the_output_of_a_program_is_logged_up_to_a_limit(tmp_path):
    program = script(tmp_path, "#!/bin/sh\nprintf 'hello \\033[31m\\nworld'\nhead -c 10000000 /dev/zero | tr '\\0' x\n")
    with server_with(program, tmp_path / "root") as server:
        send(server, "a.bin")
        wait_until(lambda: all_delivered(server), 20, "it has run")
        log = server.program_log()
        assert "hello \ufffd[31m | world" in log and "\x1b" not in log
        assert len(log) < 20_000


def test_a_program_need_not_read_its_input(tmp_path):
    program = script(tmp_path, "#!/bin/sh\nexec <&- >&- 2>&-\nexit 0\n")
    with server_with(program, tmp_path / "root") as server:
        # More than a pipe holds.
        send(server, "a.bin", **{f"field{n}": "x" * 5000 for n in range(12)})
        wait_until(lambda: all_delivered(server), 10, "it has run")


def test_deliveries_to_a_program_and_to_a_url_are_independent(tmp_path):
    program = script(tmp_path, "#!/bin/sh\nexit 0\n")
    options = ("--on-complete-exec", str(program), "--on-complete-url", "http://127.0.0.1:9/")
    with Server(tmp_path / "root", options=options) as server:
        send(server, "a.bin")
        wait_until(
            lambda: [each["receiver"] for each in pending(server)[0]["receivers"]] == ["url"], 10,
            "the program has got it")
        table = run_program("events", "list", "--root", server.root).stdout
        assert " url " in table and " exec " not in table
