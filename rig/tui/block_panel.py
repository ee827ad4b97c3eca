"""Pulses, catches and refusals by block: a table where there is room, or the block that runs in a line."""

from rig.tui.lines import Line, Part, fit, minutes, spread
from rig.tui.session_view import SessionView

OUTCOMES = ("pulse", "catch", "refused")
SIGNS: tuple[Part, ...] = (("▲", "pulse"), ("△", "catch"), ("✕", "dim"))
DONE, NOW, TO_COME = "✓ ", "▸ ", "  "
COLUMN = 6


def counted(view: SessionView, block: str) -> list[str]:
    """A block's counts as words: unknown, or at least so many, until what was before the screen is known."""
    return [so_far(view, view.counts.in_block(block, outcome)) for outcome in OUTCOMES]


def so_far(view: SessionView, count: int) -> str:
    """A count over the session; "-", or at least so many ("3+"), until what was before the screen is known."""
    if view.knows_earlier:
        return str(count)
    return f"{count}+" if count else "-"


def this_block(view: SessionView, width: int) -> Line:
    """The counts of the block that runs, in the columns of the rules."""
    name = view.status.block if view.status else ""
    counts: list[Part] = []
    for (sign, role), number in zip(SIGNS, counted(view, name), strict=True):
        counts += [(sign, role), (f"{number:<3}" if sign == "✕" else f"{number:<4}", "dim" if sign == "✕" else "text")]
    return spread(((fit("in this block" if name else "no block", width - 15), "text"),), tuple(counts), width)


def blocks(view: SessionView, width: int, height: int) -> list[Line]:
    """A heading and a row a block, in the protocol's order, those round the running one where not all fit; below,
    pulses by hand."""
    known = view.facts.block_spans()
    names = [name for name, _, _ in known]
    by_hand = view.counts.by_hand and height > 2
    room = max(1, height - 1 - bool(by_hand))
    now = names.index(view.status.block) if view.status and view.status.block in names else 0
    first = max(0, min(now - (room - 1) // 2, len(names) - room))
    shown = known[first : first + room]
    which = f"blocks {first + 1}-{first + len(shown)} of {len(known)}" if len(shown) < len(known) else "blocks"
    label_width = max(8, width - len(OUTCOMES) * COLUMN)
    heading: Line = ((fit(which, label_width), "title"), *((f"{sign:>{COLUMN}}", role) for sign, role in SIGNS))
    heard = [] if known else view.counts.blocks()[:room]
    lines = [heading, *(_row(view, name, end_ms, label_width) for name, _, end_ms in shown)]
    lines += [_row(view, name, float("inf"), label_width) for name in heard]
    if by_hand:
        lines.append(((fit("  by hand", label_width), "dim"), (f"{view.counts.by_hand:{COLUMN}d}", "dim")))
    return lines


def num_rows(view: SessionView) -> int:
    """Lines that the whole table needs."""
    return 1 + (len(view.facts.block_spans()) or len(view.counts.blocks())) + bool(view.counts.by_hand)


def _row(view: SessionView, name: str, end_ms: float, label_width: int) -> Line:
    mark, words = _state(view, name, end_ms)
    role = "strong" if mark == NOW else "dim"
    numbers = "".join(f"{number:>{COLUMN}}" for number in counted(view, name))
    label = spread(((mark + name, role),), ((words, "dim"),), label_width) if words else ()
    if not label or len(label) < 2:
        label = ((fit(mark + name, label_width), role),)
    return (*label, (numbers, role))


def _state(view: SessionView, name: str, end_ms: float) -> tuple[str, str]:
    """Mark and words: over, running with the time left, or to come."""
    status = view.status
    if status is None:
        return TO_COME, ""
    if name == status.block:
        return NOW, "" if view.stale("SessionStatus") else f"{minutes(status.block_left_ms)} left"
    return (DONE, "over") if status.elapsed_ms >= end_ms else (TO_COME, "to come")
