"""The README's tables: the median of each figure, minimum and maximum, and what it is held to.

The tool writes them (`Tests/bench --readme`). test_readme.py holds their rows, columns and targets to what is here; the
figures are those of the last measurement.
"""

import pathlib
import re

from report import TARGETS, Spread, grid, spread
from workloads import Upload, full

README = pathlib.Path(__file__).parents[2] / "README.md"
SIGNS = {">=": "≥", "<=": "≤", "<": "<"}
# Headings and figures.
UPLOADS = {
    "speed / nginx's PUT": "speed / dav", "speed / Flask": "speed / flask",
    "CPU / nginx's PUT": "cpu / dav", "CPU / Flask": "cpu / flask",
    "peak MiB": "peak MiB", "written per byte": "written per byte",
}
# Other sides of an upload that have rows of their own.
OTHER_ROWS = {
    "streaming": "nginx not taking bodies in first",
    "unsynced": "the same without its syncs, for comparison",
}

Summaries = dict[str, dict[str, dict[str, Spread]]]


def tables(summaries: Summaries) -> list[list[list[str]]]:
    """Both tables, as rows of cells: of uploads, and of everything else."""
    uploads = [["workload", *UPLOADS]]
    others = [["workload", "figure", "measured"]]
    for workload in full():
        title = f"{workload.name}: {workload.title}"
        # Where nothing was uploaded, there is a speed all the same.
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
    """A figure, and in brackets what it is held to."""
    parts = []
    found = summaries.get(workload, {}).get(side, {}).get(name)
    if found:
        parts.append(spread(found))
    parts += [f"[{SIGNS[comparison]} {target:g}]" for *where, comparison, target in TARGETS
              if where == [workload, side, name]]
    return " ".join(parts)


def target(text: str) -> str:
    """What a cell is held to; empty where it is held to nothing."""
    found = re.search(r"\[.*\]", text)
    return found[0] if found else ""


def write(summaries: Summaries) -> None:
    """Puts the figures into the README, in place of those that are there."""
    text = README.read_text()
    for rows in tables(summaries):
        head = re.escape("| " + " | ".join(rows[0]) + " |")
        # The README's tables are not filled up with blanks.
        lines = [re.sub(r" +\|", " |", re.sub(r"-+", "---", line) if line.startswith("| -") else line)
                 for line in grid(rows)]
        text, count = re.subn(rf"(?m)^{head}\n(\|.*\n)+", lambda _: "\n".join(lines) + "\n", text)
        assert count == 1, rows[0]
    README.write_text(text)
