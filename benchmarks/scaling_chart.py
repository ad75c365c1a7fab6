"""The points of `scaling.py`: their slopes, their file and their chart."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

TITLES = {"samples": "Samples", "features": "Features"}
COLOURS = ("#1b6ca8", "#d1495b", "#5b8c5a")


@dataclass(frozen=True)
class Point:
    """One measured size."""

    sweep: str
    series: str
    samples: int
    features: int
    classes: int
    seconds: float

    @property
    def size(self) -> int:
        """Number of what grows in this sweep."""
        return self.samples if self.sweep == "samples" else self.features


def slopes(points: list[Point]) -> dict[tuple[str, str], float]:
    """Return the slope of the logarithms over the larger half of the sizes, by sweep and series."""
    found = {}
    for key in dict.fromkeys((point.sweep, point.series) for point in points):
        own = sorted((point.size, point.seconds) for point in points if (point.sweep, point.series) == key)
        upper = np.log(own[len(own) // 2 :])
        if len(upper) > 1:
            found[key] = float(np.polyfit(upper[:, 0], upper[:, 1], 1)[0])
    return found


def write(points: list[Point], path: Path) -> None:
    """Write the points as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Point)], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(point), "seconds": f"{point.seconds:.5g}"} for point in points)


def read(path: Path) -> list[Point]:
    """Read what `write` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Point(
                row["sweep"],
                row["series"],
                int(row["samples"]),
                int(row["features"]),
                int(row["classes"]),
                float(row["seconds"]),
            )
            for row in csv.DictReader(file)
        ]


def draw(points: list[Point], path: Path) -> None:
    """Draw one panel a sweep, with logarithmic axes and the slopes in the legend."""
    import altair

    panels = [_panel(altair, points, sweep) for sweep in dict.fromkeys(point.sweep for point in points)]
    chart = altair.hconcat(*panels, spacing=36).resolve_scale(color="independent")
    chart = chart.configure(background="white", font="sans-serif").configure_view(stroke=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path))


def _panel(altair: Any, points: list[Point], sweep: str) -> Any:
    own = [point for point in points if point.sweep == sweep]
    found = slopes(own)
    # The same order and colour in both panels, whichever series a sweep has.
    order = sorted({point.series for point in points})
    present = [series for series in order if any(point.series == series for point in own)]
    names = {
        series: f"{series}: {found[sweep, series]:.2f}" if (sweep, series) in found else series for series in present
    }
    colours = [COLOURS[order.index(series) % len(COLOURS)] for series in names]
    fixed = {point.features if sweep == "samples" else point.samples for point in own}
    beside = f"{max(fixed):,} {'features' if sweep == 'samples' else 'samples'}, {own[0].classes} classes"
    rows = [{"size": point.size, "seconds": point.seconds, "series": names[point.series]} for point in own]
    sizes = sorted({point.size for point in own})
    times = np.log10([point.seconds for point in own])
    decades = [10.0**power for power in range(int(np.floor(times.min())), int(np.ceil(times.max())) + 1)]
    return (
        altair.Chart(altair.Data(values=rows), title=f"{TITLES[sweep]} grow; {beside}", width=330, height=300)
        .mark_line(point=altair.OverlayMarkDef(filled=True, size=45), strokeWidth=2)
        .encode(
            x=altair.X(
                "size:Q",
                title=f"Number of {sweep}",
                scale=altair.Scale(type="log", domain=[sizes[0], sizes[-1]], nice=False, padding=8),
                axis=altair.Axis(values=sizes, format="~s" if sweep == "samples" else ",d", grid=False),
            ),
            y=altair.Y(
                "seconds:Q",
                title="Seconds",
                scale=altair.Scale(type="log", domain=[decades[0], decades[-1]]),
                axis=altair.Axis(values=decades, format="~g", gridOpacity=0.6),
            ),
            color=altair.Color(
                "series:N",
                title="Slope over the upper half of the range",
                scale=altair.Scale(domain=list(names.values()), range=colours),
                legend=altair.Legend(
                    orient="bottom", direction="vertical", labelLimit=0, titleLimit=0, symbolType="stroke"
                ),
            ),
        )
    )
