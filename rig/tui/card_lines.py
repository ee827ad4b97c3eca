"""Cards of syllables as lines."""

from textual.geometry import Size

from online.cards import Card
from online.files.cards_file import CardBox
from rig.tui.lines import Line, bar, fit, number, title

BAR = 10


def heading(model: str, words: str) -> Line:
    """The top: which model, and what is missing."""
    return ((" etholoop ", "title"), ("  syllables of ", "dim"), (model, "strong"), (f"   {words}", "warn"))


def listed(
    order: list[int], place: int, names: dict[int, str], box: CardBox | None, usage: dict[int, float], size: Size
) -> list[Line]:
    """All syllables with name and usage, the chosen one in view."""
    room = max(1, size.height - 1)
    first = min(max(0, place - room // 2), max(0, len(order) - room))
    shares = {k: card.usage for k, card in box.cards.items()} if box else usage
    top = max(shares.values(), default=0.0) or 1.0
    name_width = max(6, size.width - BAR - 15)
    lines: list[Line] = [title("syllables, share of frames", size.width - 1)]
    for row, k in list(enumerate(order))[first : first + room]:
        chosen = row == place
        share = shares.get(k, 0.0)
        role = "strong" if chosen else "text"
        lines.append(
            (
                ("▸" if chosen else " ", "target"),
                (f"{k:>3} ", role),
                (fit(names.get(k, ""), name_width) + " ", role),
                *bar(share / top, BAR, (), "target" if chosen else "bar"),
                (f"{100 * share:5.1f} %", role),
            )
        )
    return lines


def numbers(syllable: int, name: str, card: Card | None, width: int) -> list[Line]:
    """Number and name, and what was measured."""
    head: Line = ((f"{syllable}  ", "dim"), (name or "not named yet", "strong" if name else "dim"))
    if card is None:
        return [title("card", width), head]
    low, middle, high = card.duration_ms
    spread_words = "" if middle != middle else f" (half: {low:.0f} to {high:.0f})"
    rows = (
        ("duration", number(middle, 6, 0), f" ms{spread_words}"),
        ("speed", number(card.speed_mm_s, 6, 0), " mm/s"),
        ("height", number(card.height_mm, 6, 0), " mm"),
        ("usage", number(100 * card.usage, 6, 1), f" % of frames, {card.bouts} bouts"),
    )
    measured: list[Line] = [((f"{what:<10}", "dim"), (value, "strong"), (unit, "text")) for what, value, unit in rows]
    return [title("card", width), head, *measured]
