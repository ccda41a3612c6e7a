"""The program's metrics, read as Prometheus reads them."""

import re

from support.client import Client

SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def scrape(client: Client) -> str:
    answer = client.request("GET", "/metrics")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return answer.body.decode()


class Metrics:
    """One scrape. A sample is looked up by its name and labels; a missing sample is an error."""

    def __init__(self, client: Client):
        self.text = scrape(client)
        self.samples = {}
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                self.samples[name, frozenset(LABEL.findall(labels or ""))] = float(value)

    def __call__(self, name: str, **labels: str) -> float:
        return self.samples["resumabled_" + name, frozenset(labels.items())]

    def above_zero(self, name: str, *labels: str) -> dict:
        """The samples of that name that are not 0, by the values of those labels."""
        return {
            tuple(dict(known)[label] for label in labels): value
            for (each, known), value in self.samples.items()
            if each == "resumabled_" + name and value
        }
