"""Settings from the environment: every option of `serve` has a variable, and the command line wins."""

import json
import os
import re
import shutil
import subprocess
import tempfile

import pytest

from support.server import PROGRAM, Server, run_program, wait_until


def definitions(command: str = "serve") -> list[dict]:
    """The options of a command, in ArgumentParser's own description."""
    told = subprocess.run([PROGRAM, command, "--experimental-dump-help"], capture_output=True, text=True, check=True)
    return [
        argument | {"name": argument["preferredName"]["name"]}
        for argument in json.loads(told.stdout)["command"]["arguments"]
        if argument["preferredName"]["name"] not in ("help", "version")
    ]


def variable(name: str) -> str:
    return "RESUMABLED_" + name.upper().replace("-", "_")


OPTIONS = definitions()
# Any value is a valid path until it is used.
PATHS = {"root", "socket", "s3-credentials", "s3-ca"}


def serve(*arguments, **variables) -> subprocess.CompletedProcess:
    """A start that cannot succeed: descriptor 0 is not a socket."""
    return subprocess.run(
        [PROGRAM, "serve", *map(str, arguments)], env=os.environ | {k: str(v) for k, v in variables.items()},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)


def test_every_option_has_a_definition():
    assert {"root", "socket", "max-file-size", "allow-origin", "sniff"} <= {option["name"] for option in OPTIONS}


@pytest.mark.parametrize("name", [option["name"] for option in OPTIONS if option["name"] not in PATHS])
def test_an_invalid_value_of_a_variable_is_refused_by_the_variables_name(name, tmp_path):
    wrong = "/no/such/file" if name.endswith(("-token", "-key", "-keys", "-file")) else "\x01"
    done = serve("--root", tmp_path / "root", **{variable(name): wrong})
    assert done.returncode not in (0, -5)
    assert variable(name) in done.stderr or "/no/such/file" in done.stderr, done.stderr


def test_a_program_starts_with_variables_only(tmp_path):
    address = tmp_path / "socket"
    variables = {"RESUMABLED_ROOT": tmp_path / "root", "RESUMABLED_SOCKET": address, "RESUMABLED_LOG_LEVEL": "debug"}
    process = subprocess.Popen(
        [PROGRAM, "serve"], env=os.environ | {name: str(value) for name, value in variables.items()},
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(address.exists, 10, "it listens")
        assert (tmp_path / "root").is_dir()
    finally:
        process.terminate()
        _, log = process.communicate(timeout=10)
    assert process.returncode == 0, log


def origins_of(server: Server, *origins: str) -> list[str | None]:
    with server.client() as client:
        return [
            client.request("GET", "/resumable_upload", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"]
            for origin in origins
        ]


BOTH = ("https://a.example", "https://b.example")


def test_a_repeatable_option_takes_several_values(tmp_path):
    with Server(tmp_path / "root", environment={"RESUMABLED_ALLOW_ORIGIN": "  ".join(BOTH)}) as server:
        assert origins_of(server, *BOTH) == list(BOTH)


@pytest.mark.parametrize("typed", [("--allow-origin", BOTH[1]), (f"--allow-origin={BOTH[1]}",)])
def test_the_command_line_wins_over_the_variable(tmp_path, typed):
    with Server(tmp_path / "root", options=typed, environment={"RESUMABLED_ALLOW_ORIGIN": BOTH[0]}) as server:
        assert origins_of(server, *BOTH) == [None, BOTH[1]]


@pytest.mark.parametrize("value, refused", [("yes", True), ("1", True), ("no", False), ("0", False), ("", False)])
def test_a_switch_takes_yes_or_no(tmp_path, value, refused):
    # Alone it is an error, which shows that the program has read it.
    done = serve("--root", tmp_path / "root", RESUMABLED_SNIFF=value)
    assert ("--sniff was set by RESUMABLED_SNIFF" in done.stderr) == refused, done.stderr


def test_an_error_on_the_command_line_does_not_name_a_variable(tmp_path):
    done = serve("--root", tmp_path / "root", "--threads", "0", RESUMABLED_THREADS=8)
    assert "--threads must be" in done.stderr and "RESUMABLED" not in done.stderr
    done = serve("--root", tmp_path / "root", RESUMABLED_THREADS=0)
    assert "--threads was set by RESUMABLED_THREADS" in done.stderr
    # Only this variable is named: the others are valid.
    assert "RESUMABLED_MIN_FREE" not in serve(
        "--root", tmp_path / "root", RESUMABLED_THREADS=0, RESUMABLED_MIN_FREE="1M").stderr


@pytest.mark.parametrize("command", ["serve", "check", "status", "sweep", "verify", "events list", "token"])
def test_an_error_on_the_command_line_shows_how_to_use_that_command(command):
    done = subprocess.run([PROGRAM, *command.split()], capture_output=True, text=True, timeout=10)
    assert done.returncode == 64
    assert f"Usage: resumabled {command} " in done.stderr, done.stderr
    assert f"See 'resumabled {command} --help'" in done.stderr, done.stderr


def test_an_empty_variable_sets_nothing(server):
    server.stop_program()
    server.environment = {variable(option["name"]): "" for option in OPTIONS}
    server.start_program()
    assert "unknown variable" not in server.program_log()


def test_an_unknown_variable_is_reported(tmp_path):
    with Server(tmp_path / "root", environment={"RESUMABLED_MAX_FILESIZE": "1K"}) as server:
        assert "RESUMABLED_MAX_FILESIZE" in server.program_log()


def test_other_commands_use_the_variables_of_shared_options(server):
    environment = os.environ | {"RESUMABLED_ROOT": str(server.root), "RESUMABLED_THREADS": "0"}
    done = subprocess.run([PROGRAM, "verify"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "uploads: 0, bytes compared: 0, findings: 0\n")
    elsewhere = subprocess.run(
        [PROGRAM, "verify", "--root", server.root / "nowhere"], env=environment, capture_output=True, text=True)
    assert elsewhere.returncode != 0


def test_help_works_whatever_the_environment_has():
    assert serve("--help", RESUMABLED_THREADS="many").returncode == 0


# --- resumabled check


def check(*arguments, user=(), **variables) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*user, PROGRAM, "check", *map(str, arguments)], env=os.environ | variables, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=20)


def to_mend(done: subprocess.CompletedProcess) -> list[str]:
    lines = [line.removeprefix("FAIL  ") for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == (1 if lines else 0), done.stdout + done.stderr
    return lines


def test_a_check_beside_a_running_server_finds_nothing_and_leaves_nothing(server):
    state = server.root / ".resumabled"
    before = sorted(state.iterdir())
    done = check("--root", server.root, "--socket", server.socket)
    assert to_mend(done) == []
    assert f"ok    folder: {server.root}" in done.stdout and "another process listens" in done.stdout
    assert sorted(state.iterdir()) == before and server.finished_files() == []


def test_a_check_creates_neither_root_nor_socket(tmp_path):
    done = check("--root", tmp_path / "a/b", "--socket", tmp_path / "socket")
    assert to_mend(done) == [] and "the server will make it" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments, words", [
    (["--root", "/dev/null"], "is not a folder"),
    (["--root", "/proc"], "its file system must be writable"),
    (["--min-free", "1000T"], "free some space"),
    (["--delete-token", "/no/such/file"], "/no/such/file"),
    (["--on-complete-exec", "/nonexist"], "--on-complete-exec must be"),
    (["--on-complete-exec", "/tmp"], "--on-complete-exec must be"),
    (["--on-complete-exec", "true"], "--on-complete-exec must be"),
    (["--on-complete-url", "ftp://127.0.0.1/"], "--on-complete-url must be"),
    (["--on-begin-url", "127.0.0.1:1"], "--on-begin-url must be"),
    (["--on-begin-url", "http://127.0.0.1:1/", "--event-key", "/no/such/file"], "/no/such/file"),
    (["--on-complete-url", "http://127.0.0.1:1/", "--event-key", "/dev/null"], "needs one to"),
    (["--socket", "/nowhere/at/all/socket"], "make the folder"),
    (["--socket", "/dev/null"], "is not a socket"),
    (["--socket", "/tmp/" + 200 * "x"], "must have 1 to 107 bytes"),
    (["--listen", "192.0.2.1:1"], "192.0.2.1"),
])
def test_a_check_reports_each_problem(tmp_path, arguments, words):
    root = [] if "--root" in arguments else ["--root", tmp_path]
    assert any(words in line for line in to_mend(check(*root, *arguments)))


@pytest.mark.parametrize("arguments", [
    ["--on-complete-exec", "/nonexist"],
    ["--on-complete-exec", "/tmp"],
    ["--on-begin-url", "127.0.0.1:1"],
    ["--on-begin-url", "http://127.0.0.1:1/", "--event-key", "/no/such/file"],
    ["--token-key", "/no/such/file"],
    ["--delete-token", "/no/such/file"],
])
def test_the_server_does_not_start_with_what_a_check_refuses(tmp_path, arguments):
    serve = run_program("serve", "--root", tmp_path / "root", "--socket", tmp_path / "socket", *arguments)
    failures = to_mend(check("--root", tmp_path, *arguments))
    reason = serve.stderr.splitlines()[0].removeprefix("Error: ")
    assert serve.returncode != 0 and any(reason in line for line in failures), (serve.stderr, failures)


def test_a_check_counts_descriptors(tmp_path):
    done = check("--root", tmp_path, "--threads", "100", user=["prlimit", "--nofile=256:256"])
    [line] = to_mend(done)
    told = re.fullmatch(r"limits: 256 open files, 100 threads need (\d+); raise LimitNOFILE or lower --threads", line)
    # The number that it asks for is enough.
    enough = f"--nofile={told[1]}:{told[1]}"
    assert to_mend(check("--root", tmp_path, "--threads", "100", user=["prlimit", enough])) == []
    assert to_mend(check("--root", tmp_path, "--threads", "20", user=["prlimit", "--nofile=256:256"])) == []


@pytest.mark.parametrize("command", ["serve", "check"])
def test_too_few_descriptors_are_refused_at_the_start(tmp_path, command):
    done = subprocess.run(
        ["prlimit", "--nofile=20:20", PROGRAM, command, "--root", tmp_path, "--socket", tmp_path / "socket"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert done.returncode not in (0, -5) and "20 open files" in done.stdout + done.stderr
    assert not (tmp_path / "socket").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_check_by_the_servers_user_reports_a_folder_of_another_user():
    # Not a folder of pytest's, which other users cannot enter.
    with tempfile.TemporaryDirectory(prefix="resumabled-test.") as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(PROGRAM, folder)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "check", "--root", folder],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert any("give the folder to the server's user" in line for line in to_mend(done))


def test_a_check_reports_a_typo_in_a_variables_name(tmp_path):
    done = check("--root", tmp_path, RESUMABLED_MAX_FILESIZE="1K")
    assert to_mend(done) == [] and "RESUMABLED_MAX_FILESIZE is set, but there is no such setting" in done.stdout
