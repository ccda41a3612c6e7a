"""Every line of the page's scripts has run in some test: in Chromium, or in node (Tests/Web/uploader-*).

Comes last in the alphabet, because it counts what the tests before it have run in Chromium. The libraries below the
page have their own count in Tests/Web, by node alone.
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
    ran = {item.path.name for item in request.session.items}
    if request.config.option.keyword or not wanted <= ran:
        pytest.skip("only some of the browser's tests were chosen")
    missed = COVERAGE.missed(script)
    print(f"{script}: {COVERAGE.share(script):.2%} of the lines")
    assert missed == []
