"""Fixtures: a running server, and a client with a connection to it."""

import os
import signal

import pytest

from support.browser import open_browser
from support.engines import CANNOT, ENGINES
from support.server import Server
from support.webhook_receiver import KEY

# A background job of a shell starts with SIGINT ignored, and children would inherit that. Tests press Ctrl-C.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def server(tmp_path):
    """A server for this test only, with an empty root. Closing it checks its behaviour."""
    with Server(tmp_path / "root") as server:
        yield server


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def key(tmp_path):
    """A file with the key that the tests' webhook receiver knows."""
    path = tmp_path / "key"
    path.write_text(KEY + "\n")
    return path


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One server for all tests of a module, for tests that leave nothing behind that could affect others."""
    with Server(tmp_path_factory.mktemp("shared") / "root") as server:
        yield server


@pytest.fixture
def shared_client(shared_server):
    with shared_server.client() as client:
        yield client


def pytest_generate_tests(metafunc):
    """Runs each browser test in Chromium, and the core of them in every engine. BROWSERS=webkit,... names the engines
    that run all tests instead."""
    if "engine" not in metafunc.fixturenames:
        return
    usual = ENGINES if metafunc.definition.get_closest_marker("core") else ENGINES[:1]
    chosen = os.environ["BROWSERS"].split(",") if "BROWSERS" in os.environ else usual
    needed = [action for mark in metafunc.definition.iter_markers("needs") for action in mark.args]
    engines = []
    for name in chosen:
        reasons = [f"{name}, {action}: {CANNOT[action][name]}" for action in needed if name in CANNOT[action]]
        engines.append(pytest.param(name, marks=[pytest.mark.skip(reason=reasons[0])] if reasons else []))
    metafunc.parametrize("engine", engines, indirect=True)


@pytest.fixture
def engine(request) -> str:
    """The name of the engine that the test runs in."""
    return request.param


@pytest.fixture
def browser(server, tmp_path, engine, request):
    """A browser for this test only, without a page. A picture of its state at the end is kept."""
    with open_browser(server, tmp_path / "profile", engine) as browser:
        yield browser
        browser.screenshot(f"end-of-{request.node.name}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the logs of the program and of nginx to the report of a failure."""
    report = (yield).get_result()
    if report.failed:
        for name in ("server", "shared_server"):
            server = getattr(item, "funcargs", {}).get(name)
            if isinstance(server, Server) and server.state.exists():
                report.sections.append((f"{name}: program", server.program_log()[-4000:]))
                report.sections.append((f"{name}: nginx", server.nginx_log()[-4000:]))
