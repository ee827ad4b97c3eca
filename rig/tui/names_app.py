"""`etholoop names`: the cards of a model's syllables as a program of their own."""

from rig.clock import Clock
from rig.tui.app import EtholoopApp
from rig.tui.cards_screen import CardsScreen, ModelCards


class NamesApp(EtholoopApp):
    """Shows the cards; ends with them."""

    def __init__(self, known: ModelCards, clock: Clock | None = None, plain: bool | None = None) -> None:
        super().__init__(clock, plain)
        self.cards = CardsScreen(known, self.palette)

    def on_mount(self) -> None:
        """Open the cards; leave with them."""
        super().on_mount()
        self.push_screen(self.cards, lambda _: self.exit())
