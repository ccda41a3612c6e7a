"""The documents: their commands run, their tables match the code, and their links resolve."""

import gzip
import json
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

import pytest

from support.server import PROGRAM, REPOSITORY, Server, free_port, wait_until
from support.webhook_receiver import KEY, all_delivered

sys.path.insert(0, str(REPOSITORY / "Tests/Benchmarks"))
import readme  # noqa: E402

README = (REPOSITORY / "README.md").read_text()
FOLDERS = ("Sources", "Tests", "deploy")
# Every document of the repository, by its path.
DOCUMENTS = {"README.md": README} | {
    str(path.relative_to(REPOSITORY)): path.read_text()
    for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.md"))
}
PROTOCOL = DOCUMENTS["Sources/PROTOCOL.md"]
OPERATING = DOCUMENTS["deploy/README.md"]
TESTING = DOCUMENTS["Tests/README.md"]
FIGURES = DOCUMENTS["Tests/Benchmarks/README.md"]

# Comments and tests cite these by name.
PROTOCOL_SECTIONS = [
    "Requests", "Parameters", "Dialects", "Status codes", "How bytes are matched to files", "The JSON of a test",
    "Upload tokens", "Promises", "Glossary",
]
# Commands that other tests run, with the words by which they do.
TESTED_ELSEWHERE = {
    "deploy/run": ("test_deploy_run.py", '"deploy/run"'),
    "deploy/run --bucket": ("test_deploy_run.py", '"--bucket"'),
    "deploy/package": ("test_package.py", '"deploy/package"'),
    "sudo apt install ./.build-package/resumabled_*.deb": ("test_package.py", '"apt-get", "-qq", "install"'),
    "sudo ln -s ../sites-available/resumabled /etc/nginx/sites-enabled/": ("test_package.py", '"resumabled").write_text'),
    "sudo rm /etc/nginx/sites-enabled/default": ("test_package.py", "site.unlink()"),
    "sudo nginx -t && sudo systemctl reload nginx": ("test_package.py", '"nginx", "-t"'),
}


def table(heading: str, text: str) -> list[list[str]]:
    """The cells of the table in `text` whose first heading starts so, without back-quotes."""
    block = re.search(rf"^\| {heading}.*\n\| --- .*\n((?:\|.*\n)+)", text, re.M)
    assert block, heading
    return [[cell.strip().strip("`") for cell in row[1:-1].split("|")] for row in block[1].splitlines()]


def prose(text: str) -> str:
    """A document without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def printed(*command: str) -> str:
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- the documents themselves


def test_the_front_page_is_short():
    assert len(README.split()) <= 1300


def test_the_protocol_has_the_sections_that_are_cited():
    assert re.findall(r"^## (.*)$", PROTOCOL, re.M) == PROTOCOL_SECTIONS


def anchors(text: str) -> set[str]:
    """The fragments of a document's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", prose(text), re.M)
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_between_documents_resolves(name):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(DOCUMENTS[name])):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        file = (REPOSITORY / name).parent / path if path else REPOSITORY / name
        assert file.exists(), target
        if fragment:
            assert fragment in anchors(file.read_text()), target


def test_every_document_is_linked_from_the_front_page():
    links = re.findall(r"\]\(([^)#\s]+)", README)
    assert set(DOCUMENTS) - {"README.md"} <= set(links)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_a_document_names_is_there(name):
    named = set(re.findall(r"`([\w./-]+\.(?:swift|py|js|mjs|css|c|dict|example))`", DOCUMENTS[name]))
    named |= set(re.findall(r"`((?:Sources|Tests|deploy)/[\w./-]+)`", DOCUMENTS[name]))
    there = [str(path.relative_to(REPOSITORY)) for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*")]
    there += ["Package.swift", "nginx.conf.example"]
    assert [each for each in named if not any(f"/{path}".endswith(f"/{each}") for path in there)] == []


def test_the_map_of_folders_is_complete():
    named = {name.strip("`") for row in table("folder", README) for name in row[0].split(", ")}
    folders = {f"Sources/{path.name}" for path in (REPOSITORY / "Sources").iterdir() if path.is_dir()}
    libraries = {folder for folder in folders if re.match(r"Sources/C[A-Z]", folder)}
    assert named == folders - libraries | {"Sources/C*", "Tests", "deploy"}


def test_the_threat_model_names_tests_that_are_there():
    named = re.findall(r"`((?:Tests/)?\w+(?:\.py|\.swift|Tests|/\w+))`", DOCUMENTS["Sources/THREATS.md"])
    assert len(named) > 10
    there = {path.name for path in (REPOSITORY / "Tests").rglob("*")}
    assert [name for name in named if name.removeprefix("Tests/") not in there] == []


def test_nothing_cites_a_document_that_a_clone_does_not_have():
    """In code, `seed` is also that of a random generator."""
    citation = re.compile(r"""\(contract\b|\(seed, [`"]|//.*\(seed\b|\b(?:seed|contract)\.md\b""")
    files = [path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    files += [REPOSITORY / name for name in ("README.md", "Package.swift", "nginx.conf.example")]
    found = []
    for path in files:
        # Inputs of fuzzers and stores of earlier releases are not text.
        is_data = {"Corpus", "stores"} & set(path.parts) and path.suffix != ".py"
        if path.suffix in (".png", ".pyc") or is_data or path == pathlib.Path(__file__):
            continue
        lines = path.read_text().splitlines()
        found += [f"{path.name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if citation.search(line)]
    assert found == []


# --- commands


def commands() -> list[str]:
    return [
        line for text in DOCUMENTS.values() for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        for line in block.splitlines()
    ]


def test_every_command_is_one_that_a_test_runs():
    ours = re.compile(r"(?:[A-Z_]+=\S+ )*Tests/(?:run|fuzz|bench)\b")
    assert {line for line in commands() if not ours.match(line)} == set(TESTED_ELSEWHERE)
    for path, words in TESTED_ELSEWHERE.values():
        assert words in (REPOSITORY / "Tests/EndToEnd" / path).read_text(), path


def test_commands_for_tests_name_what_there_is():
    parts = {line.split()[0] for line in printed("Tests/run", "--list").splitlines()}
    fuzzers = set(printed("Tests/fuzz", "--list").split())
    options = set(re.findall(r"--[a-z]+", printed("Tests/bench", "--help")))
    variables = {row[0] for row in table("variable", TESTING)}
    tests = [path for path in (REPOSITORY / "Tests").rglob("*") if path.suffix in (".swift", ".py", ".js")]
    for line in commands():
        words = line.split()
        while "=" in words[0]:
            assert words.pop(0).partition("=")[0] in variables, line
        program, *arguments = words
        if program == "Tests/run" and arguments != ["--list"]:
            if "-k" in arguments:
                *arguments, flag, word = arguments
                assert flag == "-k" and any(word in path.stem for path in tests), line
            assert set(arguments) <= parts, line
        elif program == "Tests/fuzz" and arguments != ["--list"]:
            assert set(arguments) <= fuzzers, line
        elif program == "Tests/bench":
            assert {each for each in arguments if each.startswith("--")} <= options, line


def test_the_parts_are_those_of_the_script():
    named = [row[0].replace("`", "") for row in table("part", TESTING)]
    assert named == printed("Tests/run", "--list").splitlines()


def test_the_variables_for_tests_are_those_that_tests_read():
    files = [path for path in (REPOSITORY / "Tests").rglob("*") if path.suffix in (".py", ".swift")]
    texts = {path.name: path.read_text() for path in [*files, *(REPOSITORY / "Tests" / name for name in ("run", "fuzz"))]}
    rows = table("variable", TESTING)
    for name, default, _, where in rows:
        readers = [text for text in texts.values() if re.search(rf"\b{name}\b", text)]
        assert readers, name
        if where.endswith((".py", ".swift")):
            assert re.search(rf"\b{name}\b", texts[where]), name
        if default.isdigit() and where.endswith(".py"):
            assert re.search(rf"""get\("{name}", "?{default}""", texts[where]), name
    read = {name for text in texts.values() for name in re.findall(r'os\.environ\.get\("([A-Z_]+)", ', text)}
    assert read <= {row[0] for row in rows}


# --- tables and examples of what the program does


def test_the_settings_are_those_of_the_program():
    text = printed(PROGRAM, "serve", "--help")
    options = set(re.findall(r"^  (--[a-z0-9-]+)", text, re.M)) - {"--version"}
    rows = table("setting", OPERATING) + table("option of a bucket", OPERATING)
    assert {row[0] for row in rows} == options
    flowing = " ".join(text.split())
    for name, default, _ in rows:
        if default not in ("", "required", "the system's", "AWS") and "_" not in default:
            described = re.search(rf"{name} <[^>]*>(.*?)(?: --[a-z]|$)", flowing.partition("OPTIONS OF A BUCKET:")[2])
            assert described and f"default: {default})" in described[1], name


def test_the_commands_are_those_of_the_program():
    def subcommands(command: dict) -> set[str]:
        children = [each for each in command.get("subcommands", []) if each["commandName"] != "help"]
        if not children:
            return {command["commandName"]}
        return {" ".join([command["commandName"], name]) for child in children for name in subcommands(child)}

    told = json.loads(printed(PROGRAM, "--experimental-dump-help"))["command"]
    named = {re.match(r"[a-z ]+[a-z]", row[0])[0] for row in table("command", OPERATING)}
    assert named == subcommands(told)


def test_the_outcomes_are_those_of_the_program():
    source = (REPOSITORY / "Sources/UploadService/Outcome.swift").read_text()
    rows = {name: status for name, status in re.findall(r'case \.\w+(?:\([^)]*\))?: \(\.(\w+), (\d+),', source)}
    assert len(rows) == 9
    # The pages for operators are not about an upload.
    assert {row[0]: row[1] for row in table("outcome", PROTOCOL)} == rows | {"served": "200"}


def test_the_parameters_are_those_of_the_dialects():
    source = (REPOSITORY / "Sources/UploadModel/Dialect.swift").read_text()
    derived = {"resumable" + words for words in re.findall(r'name\("(\w+)"\)', source)}
    assert len(derived) == 11
    named = {row[0] for row in table("parameter", PROTOCOL)}
    assert named == derived | {"upload_token", "any other"}
    for name in re.findall(r"\bdz\w+|fullPath", PROTOCOL):
        assert f'"{name}"' in source, name


def test_the_claims_are_those_of_the_program():
    source = "".join(path.read_text() for path in (REPOSITORY / "Sources/Tokens").glob("*.swift"))
    claims = {row[0] for row in table("claim", PROTOCOL)}
    assert [claim for claim in claims if f'"{claim}"' not in source] == []
    explained = set(re.findall(r"\(([a-z_]{3,})\)", printed(PROGRAM, "token", "--help")))
    assert explained and explained <= claims


def test_a_test_is_answered_with_the_json_that_is_shown(tmp_path):
    [shown] = re.findall(r"^```json\n(.*?)\n```", PROTOCOL, re.M | re.S)
    size, held = json.loads(shown)["size"], json.loads(shown)["held"]
    chunk_size = held[0][1]
    with Server(tmp_path / "root") as server, server.client() as client:
        for start, end in held:
            told = urllib.parse.urlencode({
                "resumableIdentifier": "i", "resumableFilename": "f", "resumableTotalSize": size,
                "resumableChunkSize": chunk_size, "resumableChunkNumber": start // chunk_size + 1,
            })
            kind = {"Content-Type": "application/octet-stream"}
            assert client.request("POST", f"{client.route}?{told}", bytes(end - start), kind).status == 200
        answer = client.request("GET", f"{client.route}?{told}", headers={"Accept": "application/json"})
    assert answer.body.decode() == shown.replace("\n", "")


def test_the_event_and_its_receiver_are_as_shown(tmp_path):
    blocks = re.findall(r"^```python\n(.*?)^```", OPERATING, re.M | re.S)
    [receiver] = [block for block in blocks if "class Receiver" in block]
    [shown] = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", OPERATING, re.M | re.S)]
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
            wait_until(lambda: all_delivered(server), 20, "both are delivered")
            log = server.program_log()
        assert "tour.mp4 is there" in (tmp_path / "output").read_text()
        # With a wrong signature it would have been delivered a second time.
        assert "event not delivered" not in log or "403" not in log
        event = json.loads((tmp_path / "event.json").read_text())
        assert list(event) == list(shown) and list(event["data"]) == list(shown["data"])
        # The example agrees with itself.
        finished = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(shown["data"]["finished"]))
        assert shown["time"] == finished
    finally:
        process.terminate()
        process.wait(10)


def test_the_newest_release_of_the_changelog_is_the_programs_version():
    version = printed(PROGRAM, "--version").strip()
    assert re.findall(r"^## (\S+) \(", DOCUMENTS["deploy/CHANGELOG.md"], re.M)[0] == version
    assert printed("deploy/debian-changelog").startswith(f"resumabled ({version}) unstable; urgency=medium\n\n  * ")
    assert printed("deploy/debian-changelog", "9.9").startswith("resumabled (9.9) unstable; urgency=medium\n\n  * ")


# --- figures


def test_the_workloads_and_targets_are_those_of_the_benchmark():
    """The figures are those of the last measurement; the rest of both tables comes from the tool."""
    uploads, others = readme.tables({})
    for rows, names, heading in ((uploads, 1, uploads[0][1]), (others, 2, others[0][1])):
        found = table(rf"workload \| {re.escape(heading)} ", FIGURES)
        assert [row[:names] for row in found] == [row[:names] for row in rows[1:]]
        assert [[readme.target(cell) for cell in row[names:]] for row in found] == [row[names:] for row in rows[1:]]
        assert f"| {' | '.join(rows[0])} |" in FIGURES


def test_the_front_pages_figures_are_those_of_the_tables():
    lines = readme.front_page_lines(FIGURES)
    assert len(lines) == 5
    assert [line for line in lines if line not in README.splitlines()] == []


def test_the_libraries_have_the_stated_size():
    text = DOCUMENTS["Sources/Web/README.md"]
    stated = re.findall(r"`(resumable[\w-]*\.js)` (?:has )?(\d+\.\d) kB", text)
    assert len(stated) == 3
    for name, size in stated:
        compressed = gzip.compress((REPOSITORY / "Sources/Web" / name).read_bytes(), 9)
        assert abs(len(compressed) / 1000 - float(size)) < 0.4, (name, len(compressed))
