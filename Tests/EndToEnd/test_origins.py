"""Pages of other origins, through nginx: which may upload, and the answers to preflight requests. test_outcomes.py
shows that such a page can read every answer.
"""

import pytest

from support.client import Chunk, parameters, query
from support.cors import APP, OpenServer, expect_readable

CHUNK = 1000


def fields(name: str, **more):
    chunk = Chunk(1, 0, CHUNK, 3)
    return parameters(chunk, identifier=name, filename=name, size=3 * CHUNK, chunk_size=CHUNK, **more)


@pytest.fixture(scope="module")
def open_server(tmp_path_factory):
    with OpenServer(tmp_path_factory.mktemp("open") / "root", options=("--allow-origin", APP)) as server:
        yield server


@pytest.fixture
def visitor(open_server):
    with open_server.client() as client:
        yield client


def test_a_preflight_allows_everything_that_the_clients_send(visitor):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-digest"}
    answer = visitor.request("OPTIONS", visitor.route, headers={"Origin": APP, **asked})
    assert answer.status == 204
    expect_readable(answer.headers, "allowed")
    assert {"GET", "POST", "PUT"} <= set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-digest"


@pytest.mark.parametrize("origin", ["https://evil.example.org", "null", "http://127.0.0.1:1", "capacitor://localhost"])
def test_any_other_page_is_refused_and_can_read_nothing(visitor, origin):
    for method in ("GET", "POST", "OPTIONS"):
        answer = visitor.request(method, f"{visitor.route}?{query(fields('evil'))}", headers={"Origin": origin})
        assert (answer.status, answer.outcome) == (415, "refused")
        assert answer.headers["Access-Control-Allow-Origin"] is None


def test_the_servers_own_page_needs_no_permission(shared_server, shared_client):
    own = {"Origin": f"http://127.0.0.1:{shared_server.port}"}
    answer = shared_client.test(fields("own"), headers=own)
    assert (answer.status, answer.outcome) == (404, "missing")
    assert answer.headers["Access-Control-Allow-Origin"] is None
    # nginx sends no header about origins either.
    answer = shared_client.request("POST", shared_client.route, bytes(5 << 20), {"Origin": APP})
    assert answer.status == 415 and answer.headers["Access-Control-Allow-Origin"] is None
