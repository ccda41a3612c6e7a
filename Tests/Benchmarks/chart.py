"""Draws the chart: the speed and the processor time of each side, relative to nginx's own PUT."""

import pathlib

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as pyplot

from report import Spread
from sides import SIDES

# Okabe and Ito's palette, which colour-blind people can distinguish.
COLOURS = {
    "dav": "#999999", "ours": "#0072b2", "before": "#cc79a7", "streaming": "#009e73", "unsynced": "#56b4e9",
    "flask": "#e69f00",
}
PANELS = {
    "speed": "Speed (nginx DAV PUT = 1, higher is better)",
    "cpu": "Processor time (nginx DAV PUT = 1, lower is better)",
}


# The width of a bar. The distance between two workloads is 1.
WIDTH = 0.2


def offset(side: str, sides: dict) -> float:
    """The distance from the middle of a workload's bars to the bar of that side."""
    present = [each for each in COLOURS if each in sides]
    return (present.index(side) - (len(present) - 1) / 2) * WIDTH


def draw(summaries: dict[str, dict[str, dict[str, Spread]]], path: pathlib.Path) -> None:
    """Writes the chart of the workloads that were measured with nginx's PUT and another side, if there are any."""
    shown = {name: each for name, each in summaries.items() if any("cpu / dav" in side for side in each.values())}
    if not shown:
        return
    # The same figures give the same file, and text is not converted to paths.
    matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(len(PANELS), 1, figsize=(9, 7), layout="constrained")
    for axis, (quantity, title) in zip(axes, PANELS.items()):
        for side in COLOURS:
            bars = [(place + offset(side, each),
                     each[side].get(f"{quantity} / dav", Spread(1, 1, 1) if side == "dav" else None))
                    for place, each in enumerate(shown.values()) if side in each]
            bars = [(place, value) for place, value in bars if value]
            if not bars:
                continue
            medians = [value.median for _, value in bars]
            below = [value.median - value.low for _, value in bars]
            above = [value.high - value.median for _, value in bars]
            drawn = axis.bar(
                [place for place, _ in bars], medians, WIDTH * 0.95,
                color=COLOURS[side], label=SIDES[side].title,
                yerr=[below, above], error_kw={"linewidth": 1, "capsize": 2})
            axis.bar_label(drawn, [f"{value:.2g}" for value in medians], padding=2, fontsize=8)
        axis.margins(y=0.1)
        axis.set_title(title, loc="left", fontsize=11)
        axis.set_xticks(range(len(shown)), list(shown))
        axis.spines[["top", "right"]].set_visible(False)
        axis.axhline(1, color="black", linewidth=0.5)
    axes[1].set_yscale("log")
    axes[1].set_ylim(bottom=0.1)
    axes[1].yaxis.set_major_formatter("{x:g}")
    axes[1].yaxis.set_minor_formatter("")
    axes[0].legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08), fontsize=9)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
