"""A session in one picture: what the animal did, what the decoder believed, what was given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from online.errors import FileFormatError
from online.files.names import by_name
from online.files.session_file import SessionReader
from online.files.tables import is_missing, text_of
from online.files.whole_file import whole_file
from protocols.parse import parse_protocol
from protocols.rule_schema import RuleBase, SyllableRule
from protocols.targets import resolve

SHOWN_SYLLABLES = 20
OUTCOMES = {"pulse": ("#0072b2", "|"), "catch": ("#e69f00", "|"), "refused": ("#999999", ".")}
"""Colour (Okabe and Ito's palette, safe for the colour-blind) and marker of each kind of trial."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """What is drawn of a session; times in seconds since its first frame.

    posterior (T, K); targets: for each rule, the syllables it watches, if any; truth (T,) or None.
    """

    subject: str
    times_s: NDArray[np.float64]
    posterior: NDArray[np.float64]
    trials: NDArray[np.void]
    trial_times_s: NDArray[np.float64]
    rules: tuple[RuleBase, ...]
    targets: tuple[tuple[int, ...], ...]
    truth: NDArray[np.int64] | None
    truth_times_s: NDArray[np.float64]


def view_of(path: Path) -> SessionView:
    """Read what is drawn."""
    with SessionReader(path) as session:
        syllables = session.table("syllables/rows")
        posterior = session.array("syllables/posterior")
        frames, trials = session.table("frames/header"), session.table("pulses/trials")
        attributes = session.attributes
        protocol = parse_protocol(session.configuration("protocol").decode(), "the session's protocol")
        if posterior is None or len(syllables) == 0:
            raise FileFormatError(f"{path}: holds no decoded frame to draw")
        beliefs: NDArray[np.float64] = posterior[: len(syllables)]
    start_ns = syllables["capture_time_ns"][0]
    names = by_name({int(k): str(v) for k, v in attributes["names"].items()})
    unknown = is_missing(frames["truth_syllable"]).all()
    return SessionView(
        subject=str(attributes.get("subject", "")),
        times_s=(syllables["capture_time_ns"] - start_ns) / 1e9,
        posterior=beliefs,
        trials=trials,
        trial_times_s=(trials["capture_time_ns"] - start_ns) / 1e9,
        rules=protocol.rules,
        targets=tuple(_indices(rule, beliefs.shape[1], names) for rule in protocol.rules),
        truth=None if unknown else frames["truth_syllable"],
        truth_times_s=(frames["capture_time_ns"] - start_ns) / 1e9,
    )


def _indices(rule: RuleBase, num_syllables: int, names: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    return resolve(rule.target, num_syllables, names)[0] if isinstance(rule, SyllableRule) else ()


def draw_session(path: Path, out: Path, seconds: float = 60.0, true_targets: Mapping[str, int] | None = None) -> None:
    """Draw up to `seconds` from a session's beginning to a PNG: the posterior of the most used syllables, each
    rule's target probability with its threshold, the trials, and the true syllable where it is known. `true_targets`:
    the true syllable that each rule waits for; its bouts are shaded."""
    view = view_of(path)
    heights = [4.0, *[1.0] * len(view.rules), *([0.4] if view.truth is not None else [])]
    figure = Figure(figsize=(14, 2 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_posterior(axes[0], view)
    for axis, rule, target in zip(axes[1:], view.rules, view.targets, strict=False):
        _draw_rule(axis, view, rule, target)
        if view.truth is not None and true_targets:
            _shade_bouts(axis, view.truth_times_s, view.truth == true_targets.get(rule.name, -1))
    if view.truth is not None:
        _draw_truth(axes[-1], view)
    axes[-1].set_xlabel("time, s")
    axes[0].set_xlim(0, min(seconds, float(view.times_s[-1])))
    with whole_file(out) as temporary:
        figure.savefig(temporary, dpi=110)


def _edges(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Borders of the cells around each time."""
    step = float(np.median(np.diff(times_s))) if len(times_s) > 1 else 1.0
    return np.append(times_s, times_s[-1] + step)


def _draw_posterior(axis: Axes, view: SessionView) -> None:
    order = np.argsort(-view.posterior.sum(0), kind="stable")[:SHOWN_SYLLABLES]
    image = axis.pcolormesh(
        _edges(view.times_s), np.arange(len(order) + 1) - 0.5, view.posterior[:, order].T, cmap="Greys", vmin=0, vmax=1
    )
    watched = {k for target in view.targets for k in target}
    axis.set_yticks(np.arange(len(order)), [f"{k} ◂" if k in watched else str(k) for k in order], fontsize=7)
    axis.invert_yaxis()
    axis.set_ylabel("syllable (◂ watched)")
    axis.set_title(f"{view.subject}: P(syllable now | frames until now)", loc="left")
    axis.figure.colorbar(image, ax=axis, pad=0.01, fraction=0.02)


def _draw_rule(axis: Axes, view: SessionView, rule: RuleBase, target: tuple[int, ...]) -> None:
    axis.set_yticks([0, 1])
    if isinstance(rule, SyllableRule):
        probability = view.posterior[:, list(target)].sum(1)
        axis.plot(view.times_s, probability, color="black", linewidth=0.8)
        axis.axhline(rule.enter, color="#d55e00", linewidth=0.8, linestyle="--")
        axis.set_yticks([0, rule.enter, 1])
    mine = np.array([text_of(name) == rule.shown_name for name in view.trials["rule"]], bool)
    for outcome, (colour, marker) in OUTCOMES.items():
        chosen = mine & np.array([text_of(o) == outcome for o in view.trials["outcome"]], bool)
        times = view.trial_times_s[chosen]
        style: dict[str, Any] = {"markersize": 14, "markeredgewidth": 2} if marker == "|" else {"markersize": 3}
        axis.plot(times, np.full(len(times), 1.25), marker, color=colour, label=f"{outcome} ({len(times)})", **style)
    axis.set_ylim(-0.05, 1.55)
    axis.set_ylabel(rule.shown_name)
    axis.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def _shade_bouts(axis: Axes, times_s: NDArray[np.float64], on_target: NDArray[np.bool_]) -> None:
    """Grey-green where the animal truly showed the target."""
    border = np.diff(np.concatenate([[0], on_target.astype(np.int8), [0]]))
    edges = _edges(times_s)
    for first, end in zip(np.flatnonzero(border == 1), np.flatnonzero(border == -1), strict=True):
        axis.axvspan(edges[first], edges[end], color="#009e73", alpha=0.3, linewidth=0)


def _draw_truth(axis: Axes, view: SessionView) -> None:
    if view.truth is None:
        return
    cells = view.truth[None, :].astype(float)
    axis.pcolormesh(_edges(view.truth_times_s), [0, 1], cells, cmap="tab20", vmin=0)
    axis.set_yticks([])
    axis.set_ylabel("truth", rotation=0, ha="right", va="center")
