"""The side of the live screen: rules, counts by block, health and latency."""

from online.messages import RuleStatus
from rig.tui.block_panel import blocks, num_rows, this_block
from rig.tui.health_panel import health
from rig.tui.latency_panel import ALL_ROWS, latency
from rig.tui.lines import Line, Part, bar, fit, number, spread, title, width_of
from rig.tui.session_view import SessionView
from rig.tui.syllable_panel import MARKS, rule_ticks

LEAST_BAR = 14
LEAST_TABLE, LEAST_LATENCY = 3, 5
RULE_STATES = {
    "off": ("·", "dim"),
    "waiting": ("○", "text"),
    "dwell": ("◐", "info"),
    "bout": ("●", "pulse"),
    "refractory": ("◌", "warn"),
}


def side(view: SessionView, width: int, height: int, now_ns: int, screen_lost: int) -> list[Line]:
    """All that fits into `height` lines: rules and health whole, counts by block and latency as far as there is
    room."""
    healthy = health(view, width, now_ns, screen_lost)
    lines = rules(view, width, height - len(healthy) - 1)
    room = height - len(lines) - len(healthy)
    if room < LEAST_TABLE + LEAST_LATENCY:
        counted = [this_block(view, width)]
    else:
        counted = blocks(view, width, min(num_rows(view), room - LEAST_LATENCY))
    lines += counted + healthy
    lines += latency(view, width, min(ALL_ROWS, height - len(lines)))
    return lines[:height]


def last_draw(view: SessionView, rule: str) -> tuple[str, str]:
    """What the rule drew last, as a mark: pulse or catch."""
    outcome = next((t.outcome for t in reversed(view.counts.trials) if t.rule == rule and t.outcome != "refused"), "")
    sign, role = MARKS[outcome] if outcome else ("", "text")
    return (f" {sign}" if sign else "", role)


def rule_words(view: SessionView, rule: RuleStatus, short: bool) -> Line:
    """A rule's state: its sign, the rule's name, and how far it is; in `short` the sign alone says which state."""
    icon, role = RULE_STATES.get(rule.state, ("?", "bad"))
    words, drawn = "" if short else rule.state, ("", "text")
    written = view.facts.written_rule(rule.name)
    if rule.state == "refractory":
        left = f"{rule.refractory_left_ms / 1000:.1f} s"
        words, drawn = left if short else f"refractory {left}", last_draw(view, rule.name)
    elif rule.state == "dwell" and written is not None:
        of = f"{rule.dwell_ms:.0f}/{written.dwell_ms:.0f} ms"
        words = of if short else f"dwell {of}"
    return (f"{icon} ", role), (f"{rule.name} ", "strong"), (words, role), drawn


def rule_counts(rule: RuleStatus) -> Line:
    """What a rule gave in the whole session."""
    return (
        ("▲", "pulse"),
        (f"{rule.pulses:<4}", "text"),
        ("△", "catch"),
        (f"{rule.catches:<4}", "text"),
        (f"✕{rule.refused:<3}", "dim"),
    )


def rule_line(view: SessionView, rule: RuleStatus, silence: str, width: int) -> Line:
    """State and counts; where there is little room, shorter words, and at last a shorter name."""
    counts = rule_counts(rule)
    room = width - width_of(counts) - 2
    said: Line = (("? ", "bad"), (f"{rule.name} ", "strong"), (silence, "bad"))
    for short in (False, True):
        words = said if silence else rule_words(view, rule, short)
        if width_of(words) <= room:
            return spread(words, counts, width)
    sign, (name, role), *rest = words
    shorter: Part = (fit(name.rstrip(), max(3, room - width_of([sign, *rest]) - 1)) + " ", role)
    return spread((sign, shorter, *rest), counts, width)


def rules(view: SessionView, width: int, height: int = 100) -> list[Line]:
    """Two lines a rule: its state with counts, and the probability of its target, if any, against the thresholds;
    where not all fit, only the first line of each.

    State and probability are left out while they are not those of now.
    """
    lines = [title("rules", width)]
    if view.status is None:
        return [*lines, (("nothing heard yet", "dim"),)]
    silence = "not heard" if view.stale("SessionStatus") else "no frames" if view.stale("Syllables") else ""
    whole = 1 + sum(2 if rule.target else 1 for rule in view.status.rules) <= height
    for rule in view.status.rules:
        lines.append(rule_line(view, rule, silence, width))
        if rule.target and whole:
            lines.append(_target(view, rule, bool(silence), width))
    return lines[: max(2, height)]


def _target(view: SessionView, rule: RuleStatus, silent: bool, width: int) -> Line:
    names = ", ".join(view.facts.name(k) or str(k) for k in rule.target)
    label = fit(f"  P({names})", max(8, min(len(names) + 5, width - 6 - LEAST_BAR)))
    probability = float("nan") if silent else rule.target_probability
    return (
        (label + " ", "dim"),
        *bar(probability, width - len(label) - 6, rule_ticks(view, rule), "target"),
        (number(probability, 5, 2), "text"),
    )
