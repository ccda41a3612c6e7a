"""Computes figures from samples, as medians with minimum and maximum over the rounds, and compares them to targets."""

import dataclasses
import json
import pathlib
import statistics

from sides import SIDES
from workloads import GIB, MIB, Sample, Workload

# The project's targets: workload, side, figure, comparison, value.
TARGETS = [
    *(target for side in ("ours", "streaming") for target in (
        ("W1", side, "speed / dav", ">=", 0.48),
        ("W1", side, "cpu / dav", "<=", 2.3),
        ("W1", side, "speed / flask", ">=", 6),
        ("W1", side, "cpu / flask", "<=", 1 / 8),
        ("W2", side, "speed / dav", ">=", 0.6),
        ("W2", side, "speed / flask", ">=", 4),
        ("W4", side, "speed / dav", ">=", 0.7),
        ("W4", side, "speed / flask", ">=", 4),
    )),
    ("W3", "ours", "speed / dav", ">=", 0.35),
    ("W3", "ours", "speed / flask", ">=", 3.8),
    ("W3", "ours", "cpu / dav", "<=", 3.6),
    ("W3", "unsynced", "speed / dav", ">=", 0.7),
    ("W5", "ours", "speed / flask", ">=", 3.5),
    *((f"W{number}", "ours", "peak MiB", "<=", 24) for number in range(1, 6)),
    *((f"W{number}", "ours", "written per byte", "<=", 1.02) for number in range(1, 5)),
    ("W6", "ours", "one missing: median ms", "<", 50),
    ("W6", "ours", "every second missing: median ms", "<", 50),
    ("W7", "ours", "10 MiB: ms without syncs", "<", 20),
    ("W7", "ours", "1 GiB: ms without syncs", "<", 20),
    ("W7", "ours", "10 GiB: ms without syncs", "<", 20),
    ("W7", "ours", "10 GiB: of a plain fsync of the whole", "<=", 1),
    ("W8", "ours", "the fast one's speed, of that alone", ">=", 0.8),
    ("W8", "ours", "slow ones without success", "<=", 0),
    ("W8", "ours", "peak MiB", "<=", 48),
]
COMPARE = {">=": float.__ge__, "<=": float.__le__, "<": float.__lt__}


@dataclasses.dataclass(frozen=True)
class Spread:
    """The rounds' median, minimum and maximum."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        return Spread(float(statistics.median(values)), float(min(values)), float(max(values)))


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def figures(workload: Workload, sample: Sample) -> dict[str, float]:
    """The figures of one round of one side."""
    found = {}
    if workload.speed:
        amount = sample.bytes / MIB if workload.speed == "bytes" else sample.requests
        found["speed"] = amount / sample.seconds
    if sample.latencies:
        ordered = sorted(sample.latencies)
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1)):
            found[f"{name} ms"] = percentile(ordered, share) * 1000
    if sample.program_cpu is not None:
        # The time is given for a GiB, or for 10,000 requests if no bytes are sent.
        amount = sample.bytes / GIB if sample.bytes else sample.requests / 10_000
        found["program cpu"] = sample.program_cpu / amount
        found["nginx cpu"] = sample.nginx_cpu / amount
        found["cpu"] = found["program cpu"] + found["nginx cpu"]
        found["load cpu"] = sample.load_cpu / amount
    if sample.peak:
        found["peak MiB"] = sample.peak / MIB
    if sample.written is not None and sample.bytes:
        found["written per byte"] = sample.written / sample.bytes
    found |= {"wrong files": sample.wrong, "failures": sample.failures}
    return found | sample.figures


def summarize(single: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, Spread]]:
    """The spread of each figure over the rounds, by side and name. Ratios of two sides are computed within a round."""
    summary = {}
    for side in single[0]:
        summary[side] = {
            name: Spread.of([turn[side][name] for turn in single]) for name in single[0][side]}
        for other in ("dav", "flask", "before"):
            if other == side or other not in single[0]:
                continue
            for name in ("speed", "cpu"):
                pairs = [(turn[side].get(name), turn[other].get(name)) for turn in single]
                if all(own is not None and its for own, its in pairs):
                    summary[side][f"{name} / {other}"] = Spread.of([own / its for own, its in pairs])
    return summary


def number(value: float) -> str:
    if abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(value: Spread | None) -> str:
    if value is None:
        return ""
    if number(value.low) == number(value.high):
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)} to {number(value.high)})"


def table(workload: Workload, summary: dict[str, dict[str, Spread]]) -> str:
    """The workload's figures as Markdown tables."""
    speed = "MiB/s" if workload.speed == "bytes" else "requests/s"
    unit = "GiB" if any("written per byte" in each for each in summary.values()) else "10,000 requests"
    columns = {
        speed: "speed", "of DAV": "speed / dav", "of Flask": "speed / flask",
        f"CPU s per {unit}: program": "program cpu", "nginx": "nginx cpu", "CPU of DAV": "cpu / dav",
        "CPU of Flask": "cpu / flask", "of before": "speed / before", "CPU of before": "cpu / before",
        "p50 ms": "p50 ms", "p95": "p95 ms", "p99": "p99 ms", "max": "max ms",
        "peak MiB": "peak MiB", "written per byte": "written per byte",
    }
    columns = {head: name for head, name in columns.items() if any(name in each for each in summary.values())}
    known = {*columns.values(), "cpu", "load cpu"}
    lines = [f"### {workload.name}: {workload.title}", ""]
    rows = [["", *columns]]
    rows += [[SIDES[side].title, *(spread(each.get(name)) for name in columns.values())]
             for side, each in summary.items()]
    if len(rows[0]) > 1:
        lines += [*grid(rows), ""]
    others = {name: None for each in summary.values() for name in each if name not in known}
    shown = [name for name in others if name not in ("failures", "wrong files")
             or any(each[name].high for each in summary.values())]
    if shown:
        rows = [["", *(SIDES[side].title for side in summary)]]
        rows += [[name, *(spread(each.get(name)) for each in summary.values())] for name in shown]
        lines += [*grid(rows), ""]
    return "\n".join(lines)


def grid(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    return [lines[0], "| " + " | ".join("-" * max(width, 3) for width in widths) + " |", *lines[1:]]


class Results:
    """All measurements so far."""

    def __init__(self, machine: dict[str, str | int]):
        self.machine = machine
        self.rounds: dict[str, list[dict[str, dict[str, float]]]] = {}
        self.summaries: dict[str, dict[str, dict[str, Spread]]] = {}
        self.tables: list[str] = []

    def add(self, workload: Workload, rounds: list[dict[str, Sample]]) -> str:
        """Adds a workload's rounds and returns its tables."""
        single = [{side: figures(workload, sample) for side, sample in turn.items()} for turn in rounds]
        self.rounds[workload.name] = single
        self.summaries[workload.name] = summarize(single)
        self.tables.append(table(workload, self.summaries[workload.name]))
        return self.tables[-1]

    def verdicts(self) -> list[tuple[str, bool]]:
        """A line for each target that was measured, and whether it is met."""
        verdicts = []
        for workload, side, name, comparison, target in TARGETS:
            found = self.summaries.get(workload, {}).get(side, {}).get(name)
            if found is None:
                continue
            is_met = COMPARE[comparison](found.median, float(target))
            verdicts.append((
                f"{workload}, {SIDES[side].title}: {name} {spread(found)}, target {comparison} {target:g}", is_met))
        return verdicts

    def save(self, folder: pathlib.Path) -> None:
        (folder / "results.md").write_text("\n".join(self.tables))
        document = {
            "machine": self.machine,
            "rounds": self.rounds,
            "summary": self.summaries,
            "targets": [{"target": line, "met": is_met} for line, is_met in self.verdicts()],
        }
        # `default` converts the spreads.
        (folder / "results.json").write_text(json.dumps(document, indent=1, default=dataclasses.asdict) + "\n")
