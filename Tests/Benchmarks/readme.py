"""Puts the figures of a measurement into the documents (`Tests/bench --readme`).

`Tests/Benchmarks/README.md` has two tables: the median of each figure, its minimum and maximum, and its target. The
front page (`README.md`) has five lines that repeat some of the medians. test_readme.py compares the rows, columns and
targets of the tables with the definitions here, and the five lines with the tables.
"""

import math
import pathlib
import re

from report import TARGETS, Spread, grid, spread
from workloads import Upload, full

FIGURES = pathlib.Path(__file__).parent / "README.md"
FRONT_PAGE = pathlib.Path(__file__).parents[2] / "README.md"
SIGNS = {">=": "≥", "<=": "≤", "<": "<"}
# Headings and figures.
UPLOADS = {
    "speed / nginx's PUT": "speed / dav", "speed / Flask": "speed / flask",
    "CPU / nginx's PUT": "cpu / dav", "CPU / Flask": "cpu / flask",
    "peak MiB": "peak MiB", "written per byte": "written per byte",
}
# Other sides of an upload that have rows of their own.
OTHER_ROWS = {
    "streaming": "nginx streaming bodies",
    "unsynced": "without syncs, for comparison",
    "floor": "the least that a program can do (floor.c)",
    "unsynced-floor": "the same without syncs",
}

Summaries = dict[str, dict[str, dict[str, Spread]]]


def tables(summaries: Summaries) -> list[list[list[str]]]:
    """Both tables, as rows of cells: the uploads, and everything else."""
    uploads = [["workload", *UPLOADS]]
    others = [["workload", "figure", "measured"]]
    for workload in full():
        title = f"{workload.name}: {workload.title}"
        # Tests of held chunks upload nothing, but have a speed.
        if isinstance(workload, Upload) or workload.speed == "requests":
            uploads.append([title, *(cell(summaries, workload.name, "ours", name) for name in UPLOADS.values())])
            for side, words in OTHER_ROWS.items():
                if side in workload.sides:
                    uploads.append([f"{workload.name}, {words}", *(
                        cell(summaries, workload.name, side, name) for name in UPLOADS.values())])
        else:
            for name in (target[2] for target in TARGETS if target[0] == workload.name):
                others.append([title, name, cell(summaries, workload.name, "ours", name)])
    return [uploads, others]


def cell(summaries: Summaries, workload: str, side: str, name: str) -> str:
    """A figure, and its target in brackets."""
    parts = []
    found = summaries.get(workload, {}).get(side, {}).get(name)
    if found:
        parts.append(spread(found))
    parts += [f"[{SIGNS[comparison]} {target:g}]" for *where, comparison, target in TARGETS
              if where == [workload, side, name]]
    return " ".join(parts)


def target(text: str) -> str:
    """The target in a cell; empty if the figure has none."""
    found = re.search(r"\[.*\]", text)
    return found[0] if found else ""


def front_page_lines(text: str) -> list[str]:
    """The five lines of the front page, from the tables of Tests/Benchmarks/README.md in `text`."""
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("| W")]

    def medians(workload: str, column: int) -> list[float]:
        return [float(row[column].split()[0]) for row in rows
                if row[0].startswith(workload) and row[column].split()]

    def first(workload: str, heading: str) -> str:
        return two_digits(medians(f"{workload}:", 1 + list(UPLOADS).index(heading))[0])

    def against(workload: str) -> tuple[str, str]:
        return first(workload, "speed / nginx's PUT"), first(workload, "speed / Flask")

    peaks = [peak for workload in ("W1:", "W3:", "W4:") for peak in medians(workload, 1 + list(UPLOADS).index("peak MiB"))]
    one, many, small = against("W1"), against("W4"), against("W3")
    return [
        f"- 1 GiB in chunks of 1 MiB over 4 connections: {one[0]} times the speed of nginx's PUT, {one[1]} times that of "
        f"Flask, at {first('W1', 'CPU / Flask')} of Flask's processor time.",
        f"- 1 GiB in chunks of 8 MiB over 4 connections: {many[0]} times nginx's PUT, {many[1]} times Flask.",
        f"- 2,000 files of 64 KiB, each synced before its answer: {small[0]} times nginx's PUT, {small[1]} times Flask. "
        "This is the weakest case.",
        f"- Resuming a file of 10,000 chunks: one request, answered in {two_digits(max(medians('W6:', 2)))} ms.",
        f"- Memory in these uploads: at most {math.ceil(max(peaks))} MiB.",
    ]


def two_digits(number: float) -> str:
    """A positive number with two significant digits: 0.51, 5.8, 58."""
    return f"{number:.{max(0, 1 - math.floor(math.log10(number)))}f}"


def write(summaries: Summaries) -> None:
    """Replaces the figures in both documents."""
    text = FIGURES.read_text()
    for rows in tables(summaries):
        head = re.escape("| " + " | ".join(rows[0]) + " |")
        # In the documents, cells are not padded with spaces.
        lines = [re.sub(r" +\|", " |", re.sub(r"-+", "---", line) if line.startswith("| -") else line)
                 for line in grid(rows)]
        text, count = re.subn(rf"(?m)^{head}\n(\|.*\n)+", lambda _: "\n".join(lines) + "\n", text)
        assert count == 1, rows[0]
    FIGURES.write_text(text)
    front = FRONT_PAGE.read_text()
    for line in front_page_lines(text):
        beginning = re.escape(line.split(":")[0] + ":")
        front, count = re.subn(rf"(?m)^{beginning}.*$", lambda _: line, front)
        assert count == 1, line
    FRONT_PAGE.write_text(front)
