"""Help on the screen below: its keys, and what it shows."""

from typing import ClassVar

from rich.markup import escape
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from rig.tui.closing import ClosesOnce

ALWAYS = (("F1 ?", "this help"), ("ctrl+p", "all commands, to be searched"))
KEY_WIDTH = 16
STOP_ACTION = "emergency_stop"


class Helped:
    """A screen that explains itself."""

    def help_text(self) -> str:
        """What is seen, and what its signs mean."""
        raise NotImplementedError


class HelpScreen(ClosesOnce, ModalScreen[None]):
    """Over any screen; goes at any of its keys."""

    DEFAULT_CSS = """
    HelpScreen { align: center middle; }
    HelpScreen > VerticalScroll {
        width: 124; max-width: 96%; height: auto; max-height: 96%;
        padding: 1 2; border: heavy $primary; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter,space", "dismiss", "close", priority=True)
    ]

    def __init__(self, below: Screen[object], can_stop: bool) -> None:
        super().__init__()
        self._keys = keys_of(below, can_stop)
        self._text = below.help_text() if isinstance(below, Helped) else ""

    def compose(self) -> ComposeResult:
        """Keys, then words."""
        rows = [f"[b]{escape(f'{keys:<{KEY_WIDTH}}')}[/b]{escape(meaning)}" for keys, meaning in self._keys]
        with VerticalScroll():
            yield Static("\n".join(rows), id="help-keys")
            yield Static("\n" + escape(flowing(self._text)), id="help-words")
            yield Static("[b]esc[/b] close")


def flowing(text: str) -> str:
    """Paragraphs, which blank lines part, as one line each: the screen wraps them."""
    return "\n".join(" ".join(paragraph.split("\n")) for paragraph in text.strip().split("\n\n"))


def keys_of(screen: Screen[object], can_stop: bool) -> list[tuple[str, str]]:
    """Keys of a screen with their meanings, those of one meaning together; what may not be done now is left out, so
    that nobody trusts in a stop key that stops nothing."""
    meanings: dict[str, list[str]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.action == STOP_ACTION and not can_stop:
            continue
        if active.enabled and binding.show and binding.description and active.node in (screen, screen.app):
            meanings.setdefault(binding.description, []).append(screen.app.get_key_display(binding))
    return [(" ".join(dict.fromkeys(keys)), meaning) for meaning, keys in meanings.items()] + list(ALWAYS)
