"""nginx.conf.example itself: the files it serves, their headers, and its access log."""

import os
import re
import subprocess

import pytest

from support.client import Chunk, parameters, random_bytes
from support.server import REPOSITORY, Server


@pytest.fixture(scope="module")
def static_server(tmp_path_factory):
    """A server with a web folder made for these tests, so that they don't depend on the page."""
    web = tmp_path_factory.mktemp("web")
    (web / "graphics").mkdir()
    for name in ("resumable.html", "a.js", "b.mjs", "c.css", "d.d.ts", "graphics/e.svg", "graphics/f.png", ".g.js"):
        (web / name).write_text(f"contents of {name}")
    with Server(tmp_path_factory.mktemp("nginx") / "root", web) as server:
        yield server


@pytest.fixture
def visitor(static_server):
    with static_server.client() as client:
        yield client


@pytest.mark.skipif(os.geteuid() != 0, reason="the example's paths belong to root")
def test_nginx_accepts_the_example_as_it_is():
    done = subprocess.run(["nginx", "-t", "-c", REPOSITORY / "nginx.conf.example"], capture_output=True, text=True)
    assert done.returncode == 0 and "[warn]" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    "path, kind",
    [
        ("/resumable", "text/html; charset=utf-8"),
        ("/resources/um/script/a.js", "text/javascript; charset=utf-8"),
        ("/resources/um/script/b.mjs", "text/javascript; charset=utf-8"),
        ("/resources/um/style/c.css", "text/css; charset=utf-8"),
        ("/resources/um/graphics/uploader/e.svg", "image/svg+xml"),
        ("/resources/um/graphics/uploader/f.png", "image/png"),
    ],
)
def test_a_file_has_its_type_and_is_cached(visitor, path, kind):
    answer = visitor.request("GET", path)
    assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
    assert answer.body.startswith(b"contents of ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    # The page's own requests carry its origin, so that the program can recognise them.
    assert answer.headers["Referrer-Policy"] == ("same-origin" if path == "/resumable" else "no-referrer")
    assert answer.headers["Cache-Control"] == "no-cache"
    again = visitor.request("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


def test_the_page_may_load_from_this_server_only(visitor):
    policy = visitor.request("GET", "/resumable").headers.get_all("Content-Security-Policy")
    assert len(policy) == 1
    directives = dict(directive.strip().split(" ", 1) for directive in policy[0].split(";"))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "media-src": "blob:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


def test_the_root_redirects_to_the_page(visitor):
    answer = visitor.request("GET", "/")
    # A path only: behind another proxy nginx knows neither its public host nor its port.
    assert (answer.status, answer.headers["Location"]) == (302, "/resumable")


@pytest.mark.parametrize(
    "path",
    [
        "/resumable.html", "/resumable/", "/resumable_upload/", "/resumable_upload.php", "/a.js", "/graphics/e.svg",
        "/resources/um/script/d.d.ts", "/resources/um/script/.g.js", "/resources/um/script/../style/c.css",
        "/resources/um/script/c.css", "/resources/um/script/", "/resources/um/script/%2e%2e/a.js",
        "/resources/um/script/graphics/e.svg", "/-/refused", "/-/malformed", "/-/unsupported", "/-/retry", "/.git/HEAD",
        "/favicon.ico", "/nowhere",
    ],
)  # fmt: skip
def test_no_other_path_exists(visitor, path):
    # `..` is resolved before the location is chosen, so a path that ends in a style sheet's is that style sheet's.
    expected = 200 if path == "/resources/um/script/../style/c.css" else 404
    assert visitor.request("GET", path).status == expected


def test_no_query_string_is_written_to_the_access_log(static_server, visitor):
    chunk = Chunk(1, 0, 10, 1)
    fields = parameters(
        chunk, identifier="secret-id", filename="secret-name", size=10, chunk_size=10, upload_token="secret-token"
    )
    visitor.test(fields, headers={"Referer": "http://h/?upload_token=secret-token"})
    visitor.send_raw(fields, random_bytes(10))
    visitor.request("GET", "/resumable?upload_token=secret-token")
    log = static_server.access_log()[-3:]
    assert [re.search(r'"(\S+) (\S+) HTTP/1.1" (\d+)', line).groups() for line in log] == [
        ("GET", "/resumable_upload", "404"),
        ("POST", "/resumable_upload", "200"),
        ("GET", "/resumable", "200"),
    ]
    assert not any("secret" in line or "?" in line for line in log)


def test_the_version_of_nginx_is_not_sent(visitor):
    assert visitor.request("GET", "/nowhere").headers["Server"] == "nginx"


@pytest.mark.parametrize("line", ["listen 80;", "server unix:/run/resumabled/resumabled.sock;", "pid /run/nginx.pid;"])
def test_nginx_conf_fails_if_the_example_lacks_a_line_that_it_replaces(tmp_path, line):
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "deploy/nginx-conf"
    script.write_bytes((REPOSITORY / "deploy/nginx-conf").read_bytes())
    script.chmod(0o755)
    example = (REPOSITORY / "nginx.conf.example").read_text()
    (tmp_path / "nginx.conf.example").write_text(example.replace(line, ""))
    done = subprocess.run(
        [script, "--port", "1", "--socket", "/s", "--web", "/w", "--state", "/t"], capture_output=True, text=True
    )
    assert done.returncode == 1 and line in done.stderr and done.stdout == ""


def test_nginx_conf_has_a_line_for_each_of_several_programs(tmp_path):
    options = [word for name in ("one", "the other") for word in ("--socket", f"{tmp_path}/{name}")]
    command = [REPOSITORY / "deploy/nginx-conf", "--port", "1", *options, "--web", tmp_path, "--state", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert re.search(r"^    upstream resumabled \{\n((?: {8}.*\n)*)    \}$", done.stdout, re.M)[1] == (
        f'        server "unix:{tmp_path}/one";\n        server "unix:{tmp_path}/the other";\n')
    (tmp_path / "nginx.conf").write_text(done.stdout)
    tested = subprocess.run(["nginx", "-t", "-c", tmp_path / "nginx.conf"], capture_output=True, text=True)
    assert tested.returncode == 0, tested.stderr


def test_nginx_conf_refuses_a_socket_that_nginx_cannot_name():
    for socket in ("relative", "/a$b", '/a"b'):
        done = subprocess.run(
            [REPOSITORY / "deploy/nginx-conf", "--port", "1", "--socket", "/s", "--socket", socket, "--web", "/w",
             "--state", "/t"], capture_output=True, text=True)
        assert done.returncode == 1 and done.stdout == ""
