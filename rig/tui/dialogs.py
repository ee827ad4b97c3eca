"""Small questions over the live screen."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.markup import escape
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from protocols.schema import Output, Protocol
from rig.tui.closing import ClosesOnce
from rig.tui.stop_driver import STOP_KEYS


class Dialog(ClosesOnce, ModalScreen[str]):
    """A box over the screen that asks; what it says is shown letter by letter, no brackets are markup."""

    DEFAULT_CSS = """
    Dialog { align: center middle; }
    Dialog > Vertical {
        width: 64; max-width: 96%; height: auto; padding: 1 2; border: heavy $primary; background: $surface;
    }
    Dialog .question { text-style: bold; }
    """


def question_line(text: str) -> Static:
    """The heading of a dialog."""
    return Static(text, markup=False, classes="question")


class Choice(Dialog):
    """A question with an answer on each key; escape is the last answer. `choices`: keys with their meaning."""

    def __init__(self, question: str, detail: str, choices: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self._question = question
        self._detail = detail
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Question, detail, keys."""
        with Vertical():
            yield question_line(self._question)
            yield Static(self._detail, markup=False)
            yield Static("\n" + "    ".join(f"[b]{key}[/b] {escape(meaning)}" for key, meaning in self._choices))

    def on_key(self, event: Key) -> None:
        """Close with the answer."""
        event.stop()
        keys = [key for key, _ in self._choices]
        if event.key in keys:
            self.dismiss(self.answered(event.key))
        elif event.key == "escape":
            self.dismiss(self.answered(keys[-1]))

    def answered(self, key: str) -> str:
        """What the dialog closes with."""
        return key


class PulseQuestion(Choice):
    """Which output to pulse by hand; answers with its name, or an empty text."""

    def __init__(self, protocol: Protocol, warning: str) -> None:
        outputs = list(protocol.trains.values())[:9]
        self._names = {str(number): output.name for number, output in enumerate(outputs, 1)}
        rows = [f"{number}  {words_of(output)}" for number, output in enumerate(outputs, 1)]
        keys = tuple((number, name) for number, name in self._names.items())
        super().__init__("Test pulse?", "\n".join([warning, "", *rows]), (*keys, ("n", "no pulse")))

    def answered(self, key: str) -> str:
        """The output's name."""
        return self._names.get(key, "")


def words_of(output: Output) -> str:
    """A train in words."""
    times = f"{output.count} x " if output.count > 1 else ""
    return f"{output.name}: {times}{output.width_ms:g} ms on channel {output.channel}"


class StoppableInput(Input):
    """An input that leaves the stop key alone."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Every key but the stop keys may be typed."""
        return key not in STOP_KEYS and super().check_consume_key(key, character)


class OneLine(Dialog):
    """Asks for one line of text of at most `most_bytes`; empty when given up."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "close")]

    def __init__(self, question: str, hint: str, most_bytes: int) -> None:
        super().__init__()
        self._question = question
        self._hint = hint
        self._most_bytes = most_bytes

    def compose(self) -> ComposeResult:
        """Question and input."""
        with Vertical():
            yield question_line(self._question)
            yield StoppableInput(placeholder=self._hint, id="line")
            yield Static("[b]enter[/b] keep    [b]esc[/b] drop", id="keys-of-line")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text, if it can be kept whole."""
        text = event.value.strip()
        over = len(text.encode()) - self._most_bytes
        if over > 0:
            self.query_one("#keys-of-line", Static).update(f"[b]too long by {over} letters[/b]: write two notes")
        else:
            self.dismiss(text)

    def action_give_up(self) -> None:
        """Close without text."""
        self.dismiss("")
