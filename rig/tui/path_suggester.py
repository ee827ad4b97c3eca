"""Completion of paths in an input: the right arrow takes what is offered."""

from pathlib import Path

from textual.suggester import Suggester


def complete(value: str, suffix: str) -> str | None:
    """The first path that continues `value`: a folder, or a file that ends in `suffix` (none at all when empty)."""
    typed = Path(value).expanduser()
    folder, start = (typed, "") if value.endswith("/") else (typed.parent, typed.name)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return None
    for entry in entries:
        fits = entry.is_dir() if not suffix else entry.is_dir() or entry.name.endswith(suffix)
        if fits and entry.name.startswith(start) and not entry.name.startswith(".") and entry.name != start:
            head = value if value.endswith("/") else value[: len(value) - len(start)]
            return head + entry.name + ("/" if entry.is_dir() else "")
    return None


class PathSuggester(Suggester):
    """Offers the first path that fits."""

    def __init__(self, suffix: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._suffix = suffix

    async def get_suggestion(self, value: str) -> str | None:
        """What continues the value."""
        return complete(value, self._suffix) if value else None
