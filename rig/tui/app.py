"""What every screen shares: colours, the way of the stop key, the way out."""

import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import zmq
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.theme import Theme

from rig.clock import Clock, SystemClock
from rig.tui.emergency import BenchStop, EmergencyLine, StopResult
from rig.tui.help_screen import STOP_ACTION, HelpScreen
from rig.tui.palette import DARK, LIGHT, MONO, PLAIN, Palette
from rig.tui.stop_driver import StopKeyDriver
from rig.tui.stop_record import stop_words
from rig.tui.widgets import LinesPanel, PicturePanel

NO_STOP = "This screen controls no session: use the screen that does, or `etholoop attach`."
STOP_SHOWN_S, UNCONFIRMED_SHOWN_S = 20.0, 3600.0


def theme_of(palette: Palette) -> Theme:
    """A theme for textual's own widgets in a palette's colours."""

    def hue(role: str) -> str:
        colour = palette.styles[role].color
        return colour.name if colour is not None else palette.background

    return Theme(
        name=f"etholoop-{palette.name}",
        primary=hue("info"),
        secondary=hue("target"),
        accent=hue("target"),
        warning=hue("warn"),
        error=hue("bad"),
        success=hue("good"),
        foreground=hue("text"),
        background=palette.background,
        surface=hue("surface"),
        panel=hue("faint"),
        dark=palette.name != "light",
    )


class Stopped(Message):
    """An emergency stop was carried out, or was not."""

    def __init__(self, result: StopResult) -> None:
        super().__init__()
        self.result = result


class NothingToStop(Message):
    """The stop key was pressed where it reaches no session."""


class EtholoopApp(App[str]):
    """The program in the terminal. `emergency` is set while a session is under this screen's control."""

    TITLE = "etholoop"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-broad")]  # noqa: RUF012 - textual's own type
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall"), (50, "-high")]  # noqa: RUF012
    CSS_PATH = Path(__file__).parent / "etholoop.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("exclamation_mark,f12", STOP_ACTION, "EMERGENCY STOP", priority=True),
        Binding("f2", "next_colours", "colours"),
        Binding("question_mark,f1", "show_help", "help", show=False),
    ]

    def __init__(self, clock: Clock | None = None, plain: bool | None = None) -> None:
        super().__init__()
        self.clock = clock or SystemClock()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.emergency: EmergencyLine | None = None
        self.bench_stop: BenchStop | None = None
        self._stop_wish, self._closing = threading.Event(), False
        self._stopper = threading.Thread(target=self._stop_when_wished, daemon=True, name="emergency stop")
        for palette in (DARK, LIGHT):
            self.register_theme(theme_of(palette))
        few = self.console.color_system in (None, "standard", "windows") if plain is None else plain
        self._own_two = NoColor(enabled=False)
        self._filters.append(self._own_two)
        last = MONO if self.no_color else PLAIN
        self._palettes = (MONO,) if few and self.no_color else (DARK, LIGHT, last)
        self.palette = last if few else DARK
        self._use(self.palette)

    def get_driver_class(self) -> type[Driver]:
        """The terminal's own driver, with the stop keys taken out in front of everything."""
        found = super().get_driver_class()
        return StopKeyDriver if issubclass(StopKeyDriver, found) else found

    def on_mount(self) -> None:
        """From now on the stop key is heard by the thread that reads the keyboard."""
        StopKeyDriver.on_stop_key = self.stop_now
        if not self._stopper.is_alive():  # textual mounts an app once for each of its classes
            self._stopper.start()

    def on_unmount(self) -> None:
        """Let go of every socket."""
        StopKeyDriver.on_stop_key = None
        self._closing = True
        self._stop_wish.set()
        if self._stopper.is_alive():
            self._stopper.join()
        if self.emergency is not None:
            self.emergency.close()
        self.context.destroy(linger=0)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = False,
    ) -> None:
        """Show a message for a while, letter by letter: names and reasons may hold brackets."""
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=False)

    # colours ---------------------------------------------------------------------------------------------------

    def _use(self, palette: Palette) -> None:
        self.palette = palette
        self.theme = "ansi-dark" if palette.plain else f"etholoop-{palette.name}"
        for grey in (found for found in self._filters if isinstance(found, Monochrome)):
            grey.enabled = palette is not MONO  # it would draw the terminal's own colours as black
        self._own_two.enabled = palette is MONO

    def action_next_colours(self) -> None:
        """Dark, light, plain, and again; where NO_COLOR is set on a terminal of few colours, nothing."""
        self._use(self._palettes[(self._palettes.index(self.palette) + 1) % len(self._palettes)])
        for screen in self.screen_stack:
            if isinstance(screen, Repaintable):
                screen.repaint(self.palette)

    # help and commands -----------------------------------------------------------------------------------------

    def action_show_help(self) -> None:
        """Explain the screen."""
        if not isinstance(self.screen, ModalScreen):
            self.push_screen(HelpScreen(self.screen, self.emergency is not None))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The commands of the palette: everything that a key of the screen does, and a picture of it."""
        for active in screen.active_bindings.values():
            binding = active.binding
            if binding.action == STOP_ACTION and self.emergency is None:
                continue
            if active.enabled and binding.show and binding.description and active.node in (screen, self):
                action = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, f"key {self.get_key_display(binding)}", action)
        yield SystemCommand("help", "what this screen shows, and its keys", self.action_show_help)
        yield SystemCommand("save a picture", "of the screen as SVG", self.deliver_screenshot)

    # emergency stop --------------------------------------------------------------------------------------------

    def stop_now(self) -> None:
        """Stop first, show afterwards. Called in the keyboard's thread, behind no queue, which it never holds up:
        a key that is held down, while an answer is overdue, asks once more."""
        if self.emergency is not None or self.bench_stop is not None:
            self._stop_wish.set()
        else:
            self.post_message(NothingToStop())

    def _stop_when_wished(self) -> None:
        while self._stop_wish.wait() and not self._closing:
            self._stop_wish.clear()
            line = self.emergency or self.bench_stop
            if line is not None:
                self.post_message(Stopped(line.fire()))

    def action_emergency_stop(self) -> None:
        """The same where the key came another way (no terminal of ours in front)."""
        self.stop_now()

    def on_nothing_to_stop(self) -> None:
        """The key was pressed where no session is under this screen's control: that must not pass for a stop."""
        self.notify(NO_STOP, title="NOTHING WAS STOPPED", severity="error", timeout=STOP_SHOWN_S)

    async def action_quit(self) -> None:
        """Leave the program, but not a session behind a dialog's back."""
        if self.emergency is not None and not isinstance(self.screen, StopAware):
            self.notify("a session runs below: close what lies above it, then q", severity="warning")
        else:
            await super().action_quit()

    def on_stopped(self, event: Stopped) -> None:
        """Tell every screen that wants to know; where another one lies above, say it over that one, too."""
        result = event.result
        for screen in self.screen_stack:
            if isinstance(screen, StopAware):
                screen.on_stop(result)
        if not isinstance(self.screen, StopAware):
            severity: SeverityLevel = "warning" if result.confirmed else "error"
            shown_s = STOP_SHOWN_S if result.confirmed else UNCONFIRMED_SHOWN_S
            self.notify(
                stop_words(result.confirmed, result.low_ms), title="EMERGENCY STOP", severity=severity, timeout=shown_s
            )


class Repaintable:
    """A screen that draws with a palette of its own, and hands it on to its panels."""

    _palette: Palette

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        self._palette = palette
        screen = cast(Screen[Any], self)
        for panel in (*screen.query(LinesPanel), *screen.query(PicturePanel)):
            panel.repaint(palette)


class StopAware:
    """A screen that shows what came of an emergency stop."""

    def on_stop(self, result: StopResult) -> None:
        """Show it."""
        raise NotImplementedError
