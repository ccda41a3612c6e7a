"""deploy/monitoring: the rules fire when they should, and the queries use existing metrics."""

import json
import re
import subprocess

import pytest

from support.metrics import scrape
from support.server import REPOSITORY

FOLDER = REPOSITORY / "deploy/monitoring"
# Names that Prometheus makes itself, and keywords of its language.
METRIC = re.compile(r"\b(?:resumabled|process)_\w+")


@pytest.fixture(scope="module")
def names(shared_server) -> set[str]:
    """The names of all samples that the program exports."""
    with shared_server.client() as client:
        return set(re.findall(r"^(\w+)", scrape(client), re.M))


def promtool(*arguments) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def expressions() -> list[str]:
    """The queries of the dashboard, with Grafana's variables filled in."""
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    found = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(found) >= 10
    return [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in found]


def test_prometheus_accepts_the_configuration_and_the_rules():
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "rules.yml")


def test_each_rule_fires_when_it_should():
    promtool("test", "rules", "rules.test.yml")
    alerts = set(re.findall(r"- alert: (\w+)", (FOLDER / "rules.yml").read_text()))
    tests = (FOLDER / "rules.test.yml").read_text()
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", tests))
    quiet = set(re.findall(r"alertname: (\w+)}", tests))
    assert alerts == fired == quiet


def test_prometheus_accepts_the_queries_of_the_dashboard(tmp_path):
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(expressions())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


def test_every_queried_metric_exists(names):
    asked = set(METRIC.findall("\n".join(expressions())))
    asked |= set(METRIC.findall("\n".join(re.findall(r"expr:(?: \|\n)?(.*?)\n +(?:for|labels):",
                                                     (FOLDER / "rules.yml").read_text(), re.S))))
    assert "resumabled_store_free_bytes" in asked
    assert asked - names == set()
