"""The charts of ``docs/benchmarks.md``, drawn from what a run wrote as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes

from tests.benchmarks.growth import LISTED, SIZES, STORAGES
from tests.benchmarks.watchers import COUNTS

Medians = Mapping[str, Mapping[str, float]]
"""What each contender did, by benchmark and contender: the median over the rounds."""

_OURS, _OTHERS = "#1f6feb", "#9aa4b2"
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: small files, and searchable
    "svg.hashsalt": "registry",  # the same numbers draw the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def medians_of(document: Mapping[str, Any]) -> Medians:
    return {
        benchmark["name"]: {name: median(values) for name, values in benchmark["series"].items()}
        for benchmark in document["benchmarks"]
    }


def draw(document: Mapping[str, Any], folder: Path) -> None:
    """Write each of `CHARTS` to ``folder``, as SVG."""
    folder.mkdir(exist_ok=True)
    medians = medians_of(document)
    with matplotlib.rc_context(_STYLE):
        for name, (panels, chart) in CHARTS.items():
            figure, axes = pyplot.subplots(1, panels, figsize=(9, 3.2), squeeze=False)
            chart(medians, axes[0])
            figure.tight_layout()
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
            pyplot.close(figure)


def _bars(axes: Axes, numbers: Mapping[str, float], title: str, *, ours: Sequence[str]) -> None:
    names = list(numbers)[::-1]
    values = [numbers[name] for name in names]
    bars = axes.barh(names, values, color=[_OURS if name in ours else _OTHERS for name in names])
    axes.bar_label(
        bars, labels=[f"{value:,.3g}" if value < 100 else f"{value:,.0f}" for value in values], padding=2
    )
    axes.set_title(title, loc="left")
    axes.margins(x=0.2)


def _server(medians: Medians, axes: Sequence[Axes]) -> None:
    for panel, name in zip(axes, ("wire-get", "wire-set"), strict=True):
        title = f"{name[5:].upper()}, requests/s, 8 connections"
        _bars(panel, medians[name], title, ours=("memory", "tokens", "sqlite"))


def _gets(medians: Medians, axes: Sequence[Axes]) -> None:
    cached = {"ours, cached": medians["cache"]["cached get"] / 1e3} if "cache" in medians else {}
    ours = [name for name in [*medians["peers-get"], *cached] if name.startswith("ours")]
    _bars(axes[0], {**medians["peers-get"], **cached}, "Get through a Python client, µs", ours=ours)
    axes[0].set_xscale("log")
    sets = medians["peers-set"]
    _bars(axes[1], sets, "500 sets, ms", ours=[name for name in sets if name.startswith("ours")])
    axes[1].set_xscale("log")


def _watchers(medians: Medians, axes: Sequence[Axes]) -> None:
    numbers = medians["watchers"]
    for name, label in (
        ("p99", "told, p99"),
        ("computing", "server's computing"),
        ("health p99", "/health, p99"),
    ):
        axes[0].plot(COUNTS, [numbers[f"{name} at {count:,}"] for count in COUNTS], marker="o", label=label)
    axes[0].set(xscale="log", yscale="log", xlabel="watchers", ylabel="ms after a write")
    axes[1].plot(COUNTS, [numbers[f"bytes each at {count:,}"] for count in COUNTS], marker="o", color=_OURS)
    axes[1].set(xscale="log", xlabel="watchers", ylabel="KiB of server memory each", ylim=(0, None))
    axes[0].legend(frameon=False)


def _growth(medians: Medians, axes: Sequence[Axes]) -> None:
    for storage in STORAGES:
        for what in ("get", "set"):
            series = [medians["growth"][f"{storage}: {what} at {size:,}"] for size in SIZES]
            axes[0].plot(SIZES, series, marker="o", label=f"{what}, {storage}")
        listed = [medians["listing"][f"{storage}: page at {size:,}"] for size in LISTED]
        axes[1].plot(LISTED, listed, marker="o", label=storage)
    axes[0].set(xscale="log", xlabel="entries in the namespace", ylabel="µs a request", ylim=(0, None))
    axes[1].set(xscale="log", xlabel="entries in the namespace", ylabel="ms a page of 1,000", ylim=(0, None))
    for panel in axes:
        panel.legend(frameon=False)


CHARTS: Mapping[str, tuple[int, Callable[[Medians, Sequence[Axes]], None]]] = {
    "server": (2, _server),
    "clients": (2, _gets),
    "watchers": (2, _watchers),
    "growth": (2, _growth),
}
