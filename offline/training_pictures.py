"""Pictures of what was learned: components, convergence, durations. Colours are Okabe and Ito's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from offline.arhmm.checkpoint import TracePoint
from online.files.whole_file import whole_file

Array = NDArray[np.float64]

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
LONGEST_SHOWN_MS = 3000
SHOWN_COMPONENTS = 20


def save_figure(figure: Figure, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def draw_components(path: Path, components: Array, explained_variance_ratio: Array) -> None:
    """Scree plot, then images of the components (C, H * W), nose to the right; blue below the mean, red above."""
    shown = components[:SHOWN_COMPONENTS]
    columns = 5
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(9, 2.6 + 1.75 * rows), layout="constrained")
    upper, lower = np.asarray(figure.subfigures(2, 1, height_ratios=[2.6, 1.75 * rows])).flat
    scree = upper.subplots()
    order = np.arange(1, len(explained_variance_ratio) + 1)
    scree.bar(order, 100 * explained_variance_ratio, color=COLOURS[4], label="each")
    scree.plot(order, 100 * np.cumsum(explained_variance_ratio), ".-", color=COLOURS[0], label="together")
    scree.axhline(90, color="0.6", lw=0.8, ls="--")
    scree.set(xlabel="component", ylabel="variance explained (%)", ylim=(0, 102), xlim=(0.3, len(order) + 0.7))
    scree.legend(frameon=False)
    size = round(components.shape[1] ** 0.5)
    for index, axes in enumerate(lower.subplots(rows, columns, squeeze=False).flat):
        axes.axis("off")
        if index < len(shown):
            limit = float(np.abs(shown[index]).max())
            axes.imshow(shown[index].reshape(size, size), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_title(f"{index + 1}: {explained_variance_ratio[index]:.1%}", fontsize=8, pad=2)
    save_figure(figure, path)


def draw_durations(path: Path, durations_ms: Mapping[str, Array], title: str) -> None:
    """Distributions of durations side by side, each with its median."""
    figure = Figure(figsize=(6, 3.4), layout="constrained")
    axes = figure.subplots()
    bins = np.linspace(0, LONGEST_SHOWN_MS, 61)
    for colour, (name, values) in zip(COLOURS, durations_ms.items(), strict=False):
        if len(values) == 0:
            continue
        median = float(np.median(values))
        density, edges = np.histogram(values, bins, density=True)
        axes.stairs(density, edges, color=colour, lw=1.6, label=f"{name} (median {median:.0f} ms)")
        axes.axvline(median, color=colour, lw=0.8, ls="--")
    axes.set(xlabel="duration (ms)", xlim=(0, LONGEST_SHOWN_MS), title=title, yticks=[])
    axes.legend(frameon=False)
    save_figure(figure, path)


def draw_convergence(path: Path, trace: Sequence[TracePoint], averaged: int, final: Mapping[str, float]) -> None:
    """Log-likelihood per frame over sweeps; shaded sweeps were averaged, `final` holds the finished model's values."""
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    axes = figure.subplots()
    held = [(p.sweep, p.held_out) for p in trace if p.held_out is not None]
    axes.plot([p.sweep for p in trace], [p.train for p in trace], color=COLOURS[0], label="training, each sample")
    if held:
        axes.plot(*zip(*held, strict=True), ".-", color=COLOURS[1], label="held out, each sample")
    last = trace[-1].sweep
    axes.axvspan(last - averaged, last, color="0.92", zorder=0)
    for name, colour in (("training", COLOURS[0]), ("held out", COLOURS[1])):
        if name in final:
            axes.axhline(final[name], color=colour, ls="--", lw=1, label=f"{name}, averaged model: {final[name]:.3f}")
    settled = [p for p in trace if p.sweep > last // 20]
    values = [*(p.train for p in settled), *(p.held_out for p in settled if p.held_out is not None), *final.values()]
    margin = 0.08 * (max(values) - min(values) + 1e-9)
    axes.set(ylim=(min(values) - margin, max(values) + margin), xlim=(0, last))
    axes.set(xlabel="sweep", ylabel="log-likelihood per frame (nats, whitened)")
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, path)
