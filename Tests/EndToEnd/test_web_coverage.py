"""Every line of the page's scripts has run in some test: in Chromium, or in Node.js (Tests/Web/uploader-*).

This file is the last in the alphabet, because it counts the lines that ran in Chromium in the tests before it. The
libraries below the page are counted separately in Tests/Web, in Node.js only.
"""

import pathlib

import pytest

from support.line_coverage import COVERAGE

pytestmark = pytest.mark.browser

SCRIPTS = ["resumable-uploader.js", "page.js", "pending.js", "status.js"]


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory):
    COVERAGE.run_node(tmp_path_factory.mktemp("node"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_line_has_run(request, script):
    wanted = {path.name for path in pathlib.Path(__file__).parent.glob("test_browser_*.py")}
    ran = {item.path.name for item in request.session.items if "[chromium" in item.name or "-chromium" in item.name}
    if request.config.option.keyword or not wanted <= ran:
        pytest.skip("only some of the browser tests were selected")
    missed = COVERAGE.missed(script)
    print(f"{script}: {COVERAGE.share(script):.2%} of the lines")
    assert missed == []
