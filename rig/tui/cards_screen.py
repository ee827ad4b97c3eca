"""Cards of a model's syllables: a looping clip, numbers, and a name that is given by eye."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input

from online.cards import Card
from online.errors import EtholoopError
from online.files.bundle import bundle_sha256, load_bundle
from online.files.cards_file import CardBox, cards_path, load_cards
from online.files.names import load_names, names_path, save_names
from rig.tui import help_texts
from rig.tui.app import EtholoopApp, Repaintable
from rig.tui.card_lines import heading, listed, numbers
from rig.tui.closing import ClosesOnce
from rig.tui.depth_picture import crop_levels
from rig.tui.dialogs import StoppableInput
from rig.tui.foot import COMMON, KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.lines import Line
from rig.tui.palette import Palette
from rig.tui.widgets import LinesPanel, PicturePanel

MOST_HZ = 20.0
MOVES = frozenset({"choose", "instance", "sort", "rename"})
NAMING = (("enter", "keep the name"), ("esc", "leave it as it was"))
PAIRS = (("↑↓", "syllable"), ("←→", "instance"), ("enter", "name it"), ("s", "order"), ("esc", "back"), *COMMON)


@dataclass(slots=True)
class ModelCards:
    """A model's file with the names and cards beside it; `words` says why there are no cards."""

    model: Path
    num_syllables: int
    names: dict[int, str]
    max_height_mm: float = 100.0
    box: CardBox | None = None
    words: str = ""
    usage: dict[int, float] = field(default_factory=dict)

    def rename(self, syllable: int, name: str) -> None:
        """Keep a name beside the model, or drop it where it is empty; raises ConfigError for what is no name."""
        fresh = load_names(self.model, self.num_syllables)
        fresh.pop(syllable, None)
        if name:
            fresh[syllable] = name
        save_names(self.model, fresh, self.num_syllables)
        self.names = fresh


def model_cards(model: Path) -> ModelCards:
    """Read a model and what stands beside it; raises EtholoopError where model or names cannot be read."""
    bundle = load_bundle(model)
    count = bundle.arhmm.num_syllables
    found = ModelCards(model, count, load_names(model, count))
    found.usage = {} if bundle.usage is None else {k: float(share) for k, share in enumerate(bundle.usage)}
    if bundle.extraction is not None:
        found.max_height_mm = bundle.extraction.max_height_mm
    path = cards_path(model)
    if not path.exists():
        found.words = f"no instances yet: etholoop model cards {model.name} SESSIONS makes them"
        return found
    try:
        box = load_cards(path)
    except EtholoopError as error:
        found.words = str(error)
        return found
    if box.model_sha256 != bundle_sha256(model):
        found.words = f"{path.name} belongs to another model: etholoop model cards {model.name} SESSIONS"
        return found
    found.box = box
    return found


class CardsScreen(ClosesOnce, Screen[None], Repaintable, Helped):
    """Shows one syllable at a time. `on_names` is called with all names whenever one was given."""

    app: EtholoopApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "choose(-1)", "syllable before"),
        Binding("down,j", "choose(1)", "next syllable"),
        Binding("left", "instance(-1)", "instance before"),
        Binding("right", "instance(1)", "next instance"),
        Binding("enter", "rename", "name it"),
        Binding("s", "sort", "order by usage or number"),
        Binding("escape,q", "back", "back"),
    ]

    def __init__(
        self, known: ModelCards, palette: Palette, on_names: Callable[[dict[int, str]], None] | None = None
    ) -> None:
        super().__init__()
        self.known = known
        self._palette = palette
        self._on_names = on_names
        self._by_usage = True
        self.order = self._ordered()
        self.place = self.clip = self._frame = 0
        self._naming: int | None = None

    def compose(self) -> ComposeResult:
        """The list; beside it picture, numbers and name."""
        yield LinesPanel(self._palette, "top")
        with Horizontal(id="cards"):
            yield LinesPanel(self._palette, "list")
            with Vertical(id="card"):
                yield PicturePanel(self._palette, "clip")
                yield LinesPanel(self._palette, "numbers")
                yield StoppableInput(placeholder="enter: name it", id="name", disabled=True, select_on_focus=False)
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Begin to play."""
        self.repaint(self._palette)
        rate_hz = self.known.box.frame_rate_hz if self.known.box else MOST_HZ
        self._step = max(1, round(rate_hz / MOST_HZ))
        self.set_interval(self._step / rate_hz, self.play)
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.call_after_refresh(self.draw)

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.CARDS

    # what is shown ---------------------------------------------------------------------------------------------

    @property
    def syllable(self) -> int:
        """The one that is chosen."""
        return self.order[self.place]

    @property
    def card(self) -> Card | None:
        """Its card, if any."""
        return self.known.box.cards.get(self.syllable) if self.known.box else None

    def _ordered(self) -> list[int]:
        known, everyone = self.known, list(range(self.known.num_syllables))
        if not self._by_usage:
            return everyone
        usage = {k: card.usage for k, card in known.box.cards.items()} if known.box else known.usage
        return sorted(everyone, key=lambda k: -usage.get(k, 0.0))

    def draw(self) -> None:
        """Everything but the moving picture."""
        known, rows = self.known, self.query_one("#list", LinesPanel)
        self.query_one("#top", LinesPanel).show([heading(known.model.name, known.words)])
        rows.show(listed(self.order, self.place, known.names, known.box, known.usage, rows.size))
        facts = self.query_one("#numbers", LinesPanel)
        facts.show(numbers(self.syllable, known.names.get(self.syllable, ""), self.card, facts.size.width))
        foot = self.query_one("#keys", LinesPanel)
        pairs = PAIRS if self._naming is None else NAMING
        foot.show([keys(foot.size.width, KeyWords(pairs, "stop" if self.app.emergency else ""))])
        self._show_frame()

    def play(self) -> None:
        """The next frame; after the last one the next instance."""
        card = self.card
        if card is None or not card.clips:
            return
        self._frame += self._step
        if self._frame >= len(card.clips[self.clip].crops):
            self._frame = 0
            self.clip = (self.clip + 1) % len(card.clips)
        self._show_frame()

    def _show_frame(self) -> None:
        panel, card = self.query_one("#clip", PicturePanel), self.card
        if card is None or not card.clips:
            panel.label((("no instance ", "dim"),), "", "")
            panel.clear()
            return
        clip = card.clips[self.clip]
        inside = clip.onset <= self._frame < clip.end
        word = "○ before" if self._frame < clip.onset else "○ after"
        state = ("● in the syllable", "target") if inside else (word, "dim")
        which: Line = ((f"instance {self.clip + 1} of {len(card.clips)}  ", "title"), state)
        panel.label(which, "0", f"{self.known.max_height_mm:.0f} mm")
        panel.show(crop_levels(clip.crops[self._frame], *panel.room, self.known.max_height_mm))

    # keys ------------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a name is typed, its syllable stays."""
        return self._naming is None or action not in MOVES

    def action_choose(self, step: int) -> None:
        """Another syllable."""
        self.place = (self.place + step) % len(self.order)
        self.clip = self._frame = 0
        self.draw()

    def action_instance(self, step: int) -> None:
        """Another instance."""
        if self.card is not None and self.card.clips:
            self.clip, self._frame = (self.clip + step) % len(self.card.clips), 0
            self._show_frame()

    def action_sort(self) -> None:
        """By usage, or by number."""
        chosen, self._by_usage = self.syllable, not self._by_usage
        self.order = self._ordered()
        self.place = self.order.index(chosen)
        self.draw()

    def action_rename(self) -> None:
        """Edit the name in place."""
        self._naming = self.syllable
        field = self.query_one("#name", Input)
        field.disabled = False
        field.value = self.known.names.get(self.syllable, "")
        field.cursor_position = len(field.value)
        field.focus()
        self.draw()

    @on(Input.Submitted)
    def named(self, event: Input.Submitted) -> None:
        """Keep the name beside the model."""
        syllable = self._naming
        if syllable is None:
            return
        try:
            self.known.rename(syllable, event.value.strip())
        except (EtholoopError, OSError) as error:
            self.notify(str(error), severity="error")
            return
        self._leave_name()
        self.notify(f"name of syllable {syllable} kept in {names_path(self.known.model)}")
        if self._on_names is not None:
            self._on_names(self.known.names)

    def _leave_name(self) -> None:
        field = self.query_one("#name", Input)
        field.value, field.disabled = "", True
        self._naming = None
        self.set_focus(None)
        self.draw()

    def action_back(self) -> None:
        """Leave the name as it was, or the screen."""
        if self._naming is None:
            self.dismiss(None)
        else:
            self._leave_name()
