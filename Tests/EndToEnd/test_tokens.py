"""Upload tokens: made by independent libraries, checked by the program behind nginx, and never logged."""

import json
import re
import subprocess
import time

import jwt
import pytest

from support.client import layout, parameters, query, random_bytes
from support.server import REPOSITORY, Server, run_program

SECRET = "a secret that nobody else knows, of some length"
README = (REPOSITORY / "deploy/README.md").read_text()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "secret"
    path.write_text(SECRET + "\n")
    return path


@pytest.fixture(scope="module")
def token_server(tmp_path_factory, key_file):
    options = ("--token-key", str(key_file), "--log-level", "trace")
    with Server(tmp_path_factory.mktemp("tokens") / "root", options=options) as server:
        yield server


def minted(secret=SECRET, algorithm="HS256", headers=None, **claims) -> str:
    return jwt.encode({"exp": int(time.time()) + 60} | claims, secret, algorithm=algorithm, headers=headers)


def upload(server, name: str, data: bytes, token, chunk_size: int = 1000, header: bool = False):
    """Sends a whole file as Resumable.js does; `token` is called for each request. Returns the last answer."""
    with server.client() as client:
        for chunk in layout(len(data), chunk_size, False):
            more = {} if header else {"upload_token": token()}
            fields = parameters(
                chunk, identifier=name, filename=name, size=len(data), chunk_size=chunk_size, **more)
            target = f"{client.route}?{query(fields)}"
            if header:
                headers = {"Content-Type": "application/octet-stream", "Authorization": f"Bearer {token()}"}
                answer = client.request("POST", target, data[chunk.start : chunk.end], headers)
            else:
                answer = client.send(fields, data[chunk.start : chunk.end], target=target)
            if answer.status != 200:
                return answer
        return answer


def test_a_file_needs_a_token_and_one_from_another_library_is_accepted(token_server):
    data = random_bytes(3500)
    refused = upload(token_server, "none", data, lambda: "")
    assert (refused.status, refused.outcome) == (415, "refused")
    assert upload(token_server, "one", data, minted).outcome == "stored"
    assert (token_server.root / "one").read_bytes() == data
    assert upload(token_server, "two", data, minted, header=True).outcome == "stored"
    assert not (token_server.root / "none").exists()


@pytest.mark.parametrize(
    "token",
    [
        lambda: minted(secret="another secret, of the same length or more"),
        lambda: minted(exp=int(time.time()) - 60),
        lambda: minted(nbf=int(time.time()) + 60),
        lambda: minted(aud="somebody else"),
        lambda: jwt.encode({"sub": "x"}, SECRET, algorithm="HS256"),
        lambda: minted(secret="", algorithm="none"),
        lambda: minted(algorithm="HS512"),
        lambda: minted()[:-3],
        lambda: "nonsense",
    ],
    ids=["other key", "expired", "too early", "audience", "no end", "none", "HS512", "cut", "nonsense"],
)
def test_an_invalid_token_is_refused(token_server, token):
    answer = upload(token_server, "bad", random_bytes(1000), token)
    assert (answer.status, answer.outcome) == (415, "refused")
    assert b"token" in answer.body


def test_a_token_may_be_renewed_in_the_middle_and_uploads_of_two_subjects_are_separate(token_server):
    data, other = random_bytes(5000, 1), random_bytes(5000, 2)
    tokens = iter(minted(sub="anna", jti=str(number)) for number in range(100))
    assert upload(token_server, "same", data, lambda: next(tokens)).outcome == "stored"
    assert upload(token_server, "same", other, lambda: minted(sub="berta")).outcome == "stored"
    assert (token_server.root / "same").read_bytes() == data
    assert (token_server.root / "same (1)").read_bytes() == other


def test_a_key_pair_and_a_key_set_work_as_well(tmp_path):
    subprocess.run(
        ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", tmp_path / "private"], check=True)
    public = subprocess.run(
        ["openssl", "ec", "-in", tmp_path / "private", "-pubout"], check=True, capture_output=True).stdout
    (tmp_path / "public").write_bytes(public)
    private = (tmp_path / "private").read_text()
    with Server(tmp_path / "pem", options=("--token-key", str(tmp_path / "public"))) as server:
        assert upload(server, "a", b"x" * 1000, lambda: minted(private, "ES256")).outcome == "stored"
        assert upload(server, "b", b"x" * 1000, minted).outcome == "refused"
    numbers = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(
        jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).prepare_key(public)))
    secret = jwt.utils.base64url_encode(SECRET.encode()).decode()
    keys = {"keys": [numbers | {"kid": "new"}, {"kty": "oct", "k": secret, "kid": "old"}]}
    (tmp_path / "set").write_text(json.dumps(keys))
    with Server(tmp_path / "jwks", options=("--token-key", str(tmp_path / "set"))) as server:
        new = minted(private, "ES256", headers={"kid": "new"})
        assert upload(server, "a", b"x" * 1000, lambda: new).outcome == "stored"
        assert upload(server, "b", b"x" * 1000, lambda: minted(headers={"kid": "old"})).outcome == "stored"
        assert upload(server, "c", b"x" * 1000, lambda: minted(headers={"kid": "new"})).outcome == "refused"


def test_the_programs_own_tokens_have_the_requested_claims(key_file):
    done = run_program(
        "token", "--token-key", key_file, "--subject", "anna", "--max-size", "1K", "--types", ".pdf,video/*",
        "--directory", "a/b", "--uploads", "2", "--delete", "--expires", "5m", "--audience", "us",
    )  # fmt: skip
    claims = jwt.decode(done.stdout.strip(), SECRET, algorithms=["HS256"], audience="us")
    assert claims.pop("jti")
    assert abs(claims.pop("exp") - time.time() - 300) < 60
    assert claims == {
        "sub": "anna", "max_size": 1024, "types": ".pdf,video/*", "dir": "a/b", "uploads": 2, "delete": True, "aud": "us",
    }  # fmt: skip


@pytest.mark.parametrize("content", ["short", "", "{}", "-----BEGIN PUBLIC KEY-----\n"])
def test_a_file_without_a_usable_key_ends_the_program_with_a_reason(tmp_path, content):
    (tmp_path / "key").write_text(content)
    done = run_program("serve", "--socket", tmp_path / "s", "--root", tmp_path / "r", "--token-key", tmp_path / "key")
    assert done.returncode != 0 and "key" in done.stderr or "secret" in done.stderr


# The command that runs the documented snippet of each language and prints the token for a user.
RUNNERS = {
    "python": ["python3", "-c", "SECRET = {secret!r}\n{code}\nprint(upload_token('anna'))"],
    "js": ["node", "-e", "const SECRET = {secret!r};\n{code}\nconsole.log(uploadToken('anna'));"],
    "php": ["php", "-r", "const SECRET = {secret!r};\n{code}\necho upload_token('anna');"],
}


@pytest.mark.parametrize("language", RUNNERS)
def test_the_documented_snippets_make_valid_tokens(token_server, language):
    section = README.partition("## Upload tokens")[2].partition("\n## ")[0]
    code = re.search(rf"```{language}\n(.*?)```", section, re.S)[1]
    program, flag, template = RUNNERS[language]
    import sys

    program = sys.executable if program == "python3" else program
    done = subprocess.run(
        [program, flag, template.format(secret=SECRET, code=code)], capture_output=True, text=True, check=True)
    token = done.stdout.strip()
    assert upload(token_server, f"by-{language}", random_bytes(2500), lambda: token).outcome == "stored"
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["max_size"]) == ("anna", 10**9)


def test_no_log_contains_a_token_in_any_case(tmp_path, key_file):
    """Valid and invalid ones, in the query, in fields and in headers, while the program serves and while it is down."""
    tokens = [minted(sub="hush"), minted(exp=1), "a-token-that-is-none-at-all", minted(secret="x" * 40)]
    options = ("--token-key", str(key_file), "--log-level", "trace")
    with Server(tmp_path / "root", options=options) as server:
        for down in (False, True):
            if down:
                server.stop_program()
            for number, token in enumerate(tokens):
                upload(server, f"q{number}", b"x" * 1000, lambda: token)
                upload(server, f"h{number}", b"x" * 1000, lambda: token, header=True)
                with server.client() as client:
                    client.request("GET", f"{client.route}?upload_token={token}&" + "x" * 70_000)
                    client.request("POST", f"{client.route}?upload_token={token}", bytes(5 << 20))
        server.start_program()
        logs = server.program_log() + server.nginx_log() + "\n".join(server.access_log())
        assert "upload finished" in server.program_log() and "502" in "\n".join(server.access_log())
    for token in tokens:
        for part in token.split("."):
            assert part not in logs, "a log contains a token"
