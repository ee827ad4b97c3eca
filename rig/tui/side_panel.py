"""The side of the live screen: rules, health and latency; blocks and a log where there is room."""

from online.messages import RuleStatus
from rig.tui.health_panel import SHORT_STAGES, STAGE_WORDS, health, latency
from rig.tui.lines import Line, bar, fit, minutes, number, spread, title
from rig.tui.session_view import SessionView
from rig.tui.syllable_panel import MARKS, rule_ticks

LEAST_BAR = 14
RULE_STATES = {
    "off": ("·", "dim"),
    "waiting": ("○", "text"),
    "dwell": ("◐", "info"),
    "bout": ("●", "pulse"),
    "refractory": ("◌", "warn"),
}


def side(view: SessionView, width: int, height: int, now_ns: int, screen_lost: int) -> list[Line]:
    """All that fits into `height` lines, by weight: rules, health, latency, blocks, log."""
    lines = rules(view, width) + health(view, width, now_ns, screen_lost)
    table = latency(view, width)
    if height - len(lines) < len(table):
        kept = [line for line, stage in zip(table[1:-1], STAGE_WORDS, strict=True) if stage in SHORT_STAGES]
        return [*lines, table[0], *kept][:height]
    lines += table
    counted = blocks(view, width)
    if height - len(lines) > len(counted):
        lines += counted
    if height - len(lines) > 2:
        lines += log(view, width, height - len(lines), now_ns)
    return lines


def blocks(view: SessionView, width: int) -> list[Line]:
    """Pulses, catches and refusals of the rules by block, in the protocol's order; below, pulses by hand."""
    names = [block.name for block in view.facts.protocol.all_blocks()] if view.facts.protocol else []
    names += sorted({block for block, _ in view.by_block} - set(names))
    now = view.status.block if view.status else ""
    label_width = max(8, width - 21)
    lines: list[Line] = [((fit("blocks", label_width), "title"), (f"{'▲':>7}{'△':>7}{'✕':>7}", "dim"))]
    for name in names:
        sums = [sum(c[o] for (b, _), c in view.by_block.items() if b == name) for o in ("pulse", "catch", "refused")]
        role = "strong" if name == now else "dim"
        mark = "▸ " if name == now else "  "
        lines.append(((fit(mark + name, label_width), role), ("".join(f"{n:7d}" for n in sums), role)))
    if view.by_hand:
        lines.append(((fit("  by hand", label_width), "dim"), (f"{view.by_hand:7d}", "dim")))
    return lines


def log(view: SessionView, width: int, height: int, now_ns: int) -> list[Line]:
    """The last trials, commands, notes and alerts, newest first."""
    lines = [title("log", width)]
    for entry in list(reversed(view.log))[: height - 1]:
        ago = f"{minutes((now_ns - entry.time_ns) / 1e6)} ago"
        lines.append(spread(((fit(entry.text, width - len(ago) - 1), entry.role),), ((ago, "dim"),), width))
    return lines


def last_draw(view: SessionView, rule: str) -> tuple[str, str]:
    """What the rule drew last, as a mark: pulse or catch."""
    outcome = next((t.outcome for t in reversed(view.trials) if t.rule == rule and t.outcome != "refused"), "")
    sign, role = MARKS[outcome] if outcome else ("", "text")
    return (f" {sign}" if sign else "", role)


def rule_words(view: SessionView, rule: RuleStatus) -> Line:
    """A rule's state: its sign, the rule's name, and how far it is."""
    icon, role = RULE_STATES.get(rule.state, ("?", "bad"))
    words, drawn = rule.state, ("", "text")
    written = view.facts.written_rule(rule.name)
    if rule.state == "refractory":
        words, drawn = f"refractory {rule.refractory_left_ms / 1000:.1f} s", last_draw(view, rule.name)
    elif rule.state == "dwell" and written is not None:
        words = f"dwell {rule.dwell_ms:.0f} of {written.dwell_ms:.0f} ms"
    return (f"{icon} ", role), (f"{rule.name} ", "strong"), (words, role), drawn


def rules(view: SessionView, width: int) -> list[Line]:
    """Two lines a rule: its state with counts, and the probability of its target, if any, against the thresholds.

    State and probability are left out while they are not those of now.
    """
    lines = [title("rules", width)]
    if view.status is None:
        return [*lines, (("nothing heard yet", "dim"),)]
    silence = "not heard" if view.stale("SessionStatus") else "no frames" if view.stale("Syllables") else ""
    for rule in view.status.rules:
        counts: Line = (
            ("▲", "pulse"),
            (f"{rule.pulses:<4}", "text"),
            ("△", "catch"),
            (f"{rule.catches:<4}", "text"),
            (f"✕{rule.refused:<4}", "dim"),
        )
        words: Line = (("? ", "bad"), (f"{rule.name} ", "strong"), (silence, "bad"))
        lines.append(spread(words if silence else rule_words(view, rule), counts, width))
        if not rule.target:
            continue
        names = ", ".join(view.facts.name(k) or str(k) for k in rule.target)
        label = fit(f"  P({names})", max(8, min(len(names) + 5, width - 6 - LEAST_BAR)))
        bar_width = width - len(label) - 6
        probability = float("nan") if silence else rule.target_probability
        lines.append(
            (
                (label + " ", "dim"),
                *bar(probability, bar_width, rule_ticks(view, rule), "target"),
                (number(probability, 5, 2), "text"),
            )
        )
    return lines
