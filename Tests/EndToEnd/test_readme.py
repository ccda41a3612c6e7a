"""The README: its commands run, and its tables are those of the code."""

import json
import re
import subprocess
import sys
import time

from event_site import KEY, all_delivered
from server import PROGRAM, REPOSITORY, Server, free_port, wait_until

sys.path.insert(0, str(REPOSITORY / "Tests/Benchmarks"))
import readme  # noqa: E402

README = (REPOSITORY / "README.md").read_text()

# Commands that other tests run, with the words by which they do.
TESTED_ELSEWHERE = {
    "deploy/run": ("test_deploy_run.py", '"deploy/run"'),
    "Tests/run": ("../run", "run_pytest"),
    "deploy/package": ("test_package.py", '"deploy/package"'),
    "sudo apt install ./.build-package/resumabled_*.deb": ("test_package.py", '"dpkg", "-i"'),
    "sudo ln -s ../sites-available/resumabled /etc/nginx/sites-enabled/": ("test_package.py", '"resumabled").write_text'),
    "sudo rm /etc/nginx/sites-enabled/default": ("test_package.py", "site.unlink()"),
    "sudo nginx -t && sudo systemctl reload nginx": ("test_package.py", '"nginx", "-t"'),
}


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first heading starts so, without back-quotes."""
    block = re.search(rf"^\| {heading}.*\n\| --- .*\n((?:\|.*\n)+)", README, re.M)
    assert block, heading
    return [[cell.strip().strip("`") for cell in row[1:-1].split("|")] for row in block[1].splitlines()]


def test_the_settings_are_those_of_the_program():
    text = subprocess.run([PROGRAM, "serve", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^  (--[a-z-]+)", text, re.M)) - {"--version"}
    assert {row[0] for row in table("setting")} == options
    flowing = " ".join(text.split())
    for name, default, _ in table("setting"):
        if default not in ("", "required"):
            described = re.search(rf"{name} <[^>]*>(.*?)(?: --[a-z]|$)", flowing.partition("OPTIONS:")[2])
            assert described and f"default: {default})" in described[1], name


def test_the_outcomes_are_those_of_the_program():
    source = (REPOSITORY / "Sources/UploadService/Outcome.swift").read_text()
    rows = {name: status for name, status in re.findall(r'case \.\w+(?:\([^)]*\))?: \(\.(\w+), (\d+),', source)}
    assert len(rows) == 9
    assert {row[0]: row[1] for row in table("outcome")} == rows


def test_the_workloads_and_targets_are_those_of_the_benchmark():
    """The figures are those of whoever measured last, the rest of both tables is the tool's."""
    uploads, others = readme.tables({})
    for rows, names, heading in ((uploads, 1, uploads[0][1]), (others, 2, others[0][1])):
        found = table(rf"workload \| {re.escape(heading)} ")
        assert [row[:names] for row in found] == [row[:names] for row in rows[1:]]
        assert [[readme.target(cell) for cell in row[names:]] for row in found] == [row[names:] for row in rows[1:]]
        assert f"| {' | '.join(rows[0])} |" in README


def test_the_event_and_its_receiver_are_as_shown(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    [receiver] = [block for block in blocks if "class Receiver" in block]
    [shown] = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", README, re.M | re.S) if "specversion" in text]
    port = free_port()
    (tmp_path / "receiver.py").write_text(receiver.replace("8900", str(port)))
    (tmp_path / "event.key").write_text(KEY + "\n")
    (tmp_path / "program").write_text(f"#!/bin/sh\ncat >{tmp_path}/event.json\n")
    (tmp_path / "program").chmod(0o700)
    with open(tmp_path / "output", "wb") as output:
        process = subprocess.Popen([sys.executable, "receiver.py"], cwd=tmp_path, stdout=output, stderr=output)
    try:
        options = ["--on-complete-url", f"http://127.0.0.1:{port}/", "--event-key", str(tmp_path / "event.key")]
        options += ["--on-complete-exec", str(tmp_path / "program")]
        with Server(tmp_path / "root", options=tuple(options)) as server, server.client() as client:
            client.upload(b"x" * 100, identifier="i", filename="tour.mp4", chunk_size=100)
            wait_until(lambda: all_delivered(server), 20, "both are told")
            log = server.program_log()
        assert "tour.mp4 is there" in (tmp_path / "output").read_text()
        # Had its signature not fitted, it would have been told a second time.
        assert "event not delivered" not in log or "403" not in log
        event = json.loads((tmp_path / "event.json").read_text())
        assert list(event) == list(shown) and list(event["data"]) == list(shown["data"])
        # The example is true to itself.
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(shown["data"]["finished"]))
        assert shown["time"] == finished
    finally:
        process.terminate()
        process.wait(10)


def test_the_threat_model_names_tests_that_are_there():
    assert "(Sources/THREATS.md)" in README
    text = (REPOSITORY / "Sources/THREATS.md").read_text()
    named = re.findall(r"`((?:Tests/)?\w+(?:\.py|\.swift|Tests|/\w+))`", text)
    assert len(named) > 10
    there = {path.name for path in (REPOSITORY / "Tests").rglob("*")}
    assert [name for name in named if name.removeprefix("Tests/") not in there] == []


def test_every_command_is_one_that_a_test_runs():
    commands = [line for block in re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S) for line in block.splitlines()]
    assert set(commands) == set(TESTED_ELSEWHERE)
    for path, words in TESTED_ELSEWHERE.values():
        assert words in (REPOSITORY / "Tests/EndToEnd" / path).read_text(), path
