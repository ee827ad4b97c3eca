"""The syllables of the live screen: probability now, the last half minute, and the pulses in it."""

import numpy as np

from online.messages import RuleStatus
from rig.tui.lines import Line, Part, bar, fit, history, number, title, width_of
from rig.tui.session_view import SessionView

MARKS = {"pulse": ("▲", "pulse"), "catch": ("△", "catch"), "refused": ("✕", "refused")}


def syllables(view: SessionView, width: int, height: int) -> list[Line]:
    """A row a syllable: its name, its probability now as a bar, and its last half minute."""
    name_width = 10 if width < 100 else 16
    bar_width = 12 if width < 100 else 20
    ribbon_width = width - (4 + name_width + 1 + bar_width + 6 + 1)
    if ribbon_width < 1 or height < 3:
        return [title("syllables", width)][:height]
    heard = not view.stale("Syllables")
    words = ("probability now", "last 30 s") if heard else ("nothing heard now", "the last 30 s that were heard")
    heading = f"{'syllable':{4 + name_width + 1}}{words[0]:{bar_width + 7}}{words[1]}"
    lines: list[Line] = [headed(heading, leader(view, name_width), width)]
    rows = view.ethogram.leading(height - 2)
    image, first, column_ns = view.ethogram.ribbon(rows, ribbon_width)
    ticks = thresholds_by_syllable(view)
    newest = view.ethogram.newest()
    now = newest if heard else np.full_like(newest, np.nan)
    best = int(now.argmax()) if now.size and heard else -1
    for place, k in enumerate(rows):
        target = k in view.ethogram.pinned
        role = "target" if target else "bar"
        name_role = "strong" if k == best else ("target" if target else "text")
        lines.append(
            (
                (f"{'▸' if target else ' '}{k:>2} ", name_role),
                (fit(view.facts.name(k), name_width) + " ", name_role),
                *bar(float(now[k]), bar_width, ticks.get(k, ()), role),
                (f"{number(float(now[k]), 5, 2)} ", "text"),
                ("│", "faint"),
                *history(image[place], role),
            )
        )
    lines += [((" " * width, "text"),)] * (height - 1 - len(lines))
    lines.append(mark_row(view, width - ribbon_width, ribbon_width, first, column_ns))
    return lines


def headed(heading: str, leading: str, width: int) -> Line:
    """The panel's heading, with the syllable that leads now at the right: it need not be among the rows."""
    said: Line = ((" now ", "dim"), (leading, "strong"))
    room = width - width_of(said)
    return (*title(fit(heading, min(len(heading), room)).rstrip(), room), *said)


def leader(view: SessionView, name_width: int) -> str:
    """Number, name and probability of the syllable that leads now; a dash where that is not known."""
    newest = view.syllables
    if newest is None or not newest.has_evidence or not newest.posterior.size or view.stale("Syllables"):
        return "-"
    best = int(newest.posterior.argmax())
    name = fit(view.facts.name(best), min(name_width, len(view.facts.name(best))))
    return f"{best} {name} {newest.posterior[best]:.2f}".replace("  ", " ")


def rule_ticks(view: SessionView, rule: RuleStatus) -> tuple[float, ...]:
    """Exit and enter threshold of a rule."""
    leave = view.facts.exit_threshold(rule.name)
    return tuple(sorted({rule.threshold} | ({leave} if leave is not None else set())))


def thresholds_by_syllable(view: SessionView) -> dict[int, tuple[float, ...]]:
    """Enter and exit thresholds to be drawn in the bars of target syllables."""
    ticks: dict[int, tuple[float, ...]] = {}
    for rule in view.status.rules if view.status else ():
        for k in rule.target:
            ticks[k] = rule_ticks(view, rule)
    return ticks


def mark_row(view: SessionView, indent: int, columns: int, first: int, column_ns: int) -> Line:
    """Pulses, catches and refusals under the ribbon; of several in a column the weightiest is drawn."""
    cells: list[Part] = [(" ", "text")] * columns
    for outcome in ("refused", "catch", "pulse"):
        for trial in view.recent_trials():
            place = trial.capture_time_ns // column_ns - first
            if trial.outcome == outcome and 0 <= place < columns:
                cells[place] = MARKS[outcome]
    legend: Line = (("▲", "pulse"), (" pulse  ", "dim"), ("△", "catch"), (" catch  ", "dim"), ("✕ refused", "dim"))
    used = sum(len(text) for text, _ in legend)
    if used + 2 > indent:
        return ((" " * (indent - 1), "text"), ("│", "faint"), *cells)
    return (*legend, (" " * (indent - used - 1), "text"), ("│", "faint"), *cells)
