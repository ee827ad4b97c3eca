"""The top of the live screen: state, block clock, counts; in one line, or in big figures."""

from rig.tui.big_text import big
from rig.tui.lines import Line, Part, fit, minutes, spread, width_of
from rig.tui.session_view import SessionView

STATES = {
    "armed": ("ARMED", "badge_good"),
    "disarmed": ("DISARMED", "badge_warn"),
    "paused": ("PAUSED", "badge_info"),
    "paused, disarmed": ("PAUSED", "badge_warn"),
    "stopped": ("STOPPED", "badge_bad"),
    "unconfirmed": ("STOP ?", "badge_bad"),
    "silent": ("SILENT", "badge_bad"),
    "waiting": ("WAITING", "badge_idle"),
    "ended": ("ENDED", "badge_idle"),
}
UNKNOWN_TIME = "--:--"


def block_words(view: SessionView) -> tuple[str, str]:
    """The block with its place among all, and the time left in it."""
    status = view.status
    if status is None:
        return "no status yet", UNKNOWN_TIME
    blocks = [b.name for b in view.facts.protocol.all_blocks()] if view.facts.protocol else []
    place = f" {blocks.index(status.block) + 1}/{len(blocks)}" if status.block in blocks and len(blocks) > 1 else ""
    left_time = UNKNOWN_TIME if view.stale("SessionStatus") else minutes(status.block_left_ms)
    return (f"{status.block}{place}" if status.block else "no block"), left_time


def by_hand_words(view: SessionView) -> str:
    """Pulses by hand, which no rule counts; empty where there is none."""
    return f" +{view.counts.by_hand} by hand" if view.counts.by_hand else ""


def identity(view: SessionView, width: int) -> Line:
    """Who and what runs."""
    facts = view.facts
    protocol = facts.protocol.session.name if facts.protocol else ""
    words = [("subject", facts.subject), ("protocol", protocol), ("model", facts.model), ("", facts.session)]
    left: list[Part] = [(" etholoop ", "title")]
    for label, text in words:
        if text:
            left += [(f"  {label} " if label else "  ", "dim"), (text, "text")]
    elapsed = minutes(view.status.elapsed_ms if view.status else 0.0)
    clock = UNKNOWN_TIME if view.stale("SessionStatus") else elapsed
    return spread(tuple(left), ((f"session {clock} ", "text"),), width)


def counts(view: SessionView, by_hand: str) -> Line:
    """Pulses and catches of the rules."""
    return (
        ("▲ ", "pulse"),
        (f"{view.total('pulse')}", "strong"),
        (by_hand, "dim"),
        ("  △ ", "catch"),
        (f"{view.total('catch')} ", "strong"),
    )


def aside_of(view: SessionView) -> str:
    """What the one word of the state leaves out."""
    return ", disarmed" if view.state == "paused, disarmed" else ""


def headline_small(view: SessionView, width: int, note: str) -> list[Line]:
    """One line: state, block clock, counts; `note` in place of the block while there is one."""
    word, role = STATES[view.state]
    block, left_time = block_words(view)
    middle: list[Part] = [(f" {word}{aside_of(view)} ", role), ("  ", "text")]
    middle += [(note, "strong")] if note else [(f"{block} ", "text"), (left_time, "strong"), (" left", "dim")]
    by_hand = by_hand_words(view)
    counted = counts(view, by_hand)
    if width_of(middle) + width_of(counted) >= width:
        counted = counts(view, by_hand.removesuffix(" by hand"))
    said: Line = (("session ", "dim"), *counted)
    return [spread(tuple(middle), said if width_of(middle) + width_of(said) + 2 <= width else counted, width)]


def headline_big(view: SessionView, width: int, note: str, scale: int = 1) -> list[Line]:
    """Identity, three lines of big figures (five at `scale` 2), and their captions."""
    word, badge = STATES[view.state]
    block, left_time = block_words(view)
    fields = [
        (word, badge.removeprefix("badge_"), aside_of(view).removeprefix(", ")),
        (left_time, "strong", f"left in {block}"),
        (str(view.total("pulse")), "pulse", f"▲ pulses{by_hand_words(view)}"),
        (str(view.total("catch")), "catch", "△ catches"),
        (f"{view.rate_hz:.0f}" if view.rate_hz else "-", "text", "frames / s"),
    ]
    rows: list[list[Part]] = [[] for _ in big("", scale)]
    captions: list[Part] = []
    used = 0
    for text, role, caption in fields:
        glyphs = big(text, scale)
        cells = max(len(glyphs[0]), len(caption)) + 4 * scale
        if used + cells > width:
            break
        for row, glyph in zip(rows, glyphs, strict=True):
            row += [(glyph, role), (" " * (cells - len(glyph)), "text")]
        captions.append((fit(caption, cells), "dim"))
        used += cells
    last: Line = ((f" {note} ", badge),) if note else tuple(captions)
    return [identity(view, width), *(tuple(row) for row in rows), last]
