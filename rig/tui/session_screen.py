"""The screen of one session, running or replayed."""

from dataclasses import replace
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from online.errors import EtholoopError, FileFormatError
from online.files.tables import TEXT_BYTES
from online.messages import CommandName
from rig.control import CONFIRMED
from rig.tui import help_texts
from rig.tui.alerts_screen import AlertsScreen
from rig.tui.app import EtholoopApp, Repaintable, StopAware
from rig.tui.cards_screen import CardsScreen, model_cards
from rig.tui.closing import ClosesOnce
from rig.tui.commander import Commander
from rig.tui.dialogs import Choice, OneLine, PulseQuestion
from rig.tui.emergency import StopResult
from rig.tui.foot import COMMON, KeyWords
from rig.tui.help_screen import Helped
from rig.tui.live_panels import LivePanels
from rig.tui.log_screen import LogScreen
from rig.tui.palette import Palette
from rig.tui.session_view import SessionView
from rig.tui.source import Source
from rig.tui.widgets import LinesPanel, PicturePanel

REDRAWS_HZ = 20
FAREWELL_S = 1.5
ENDS = "session ends: "
CATCH_UP_S = 3.0  # later than the recorder writes what was published when the screen opened
END_QUESTION = "The line goes low, the recording is closed, and a summary is written. To detach leaves all as it is."


class SessionScreen(ClosesOnce, Screen[str], Repaintable, StopAware, Helped):
    """Shows one session; closes with the reason for its end. Without a `commander` it may only look."""

    app: EtholoopApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "toggle_armed", "arm / disarm"),
        Binding("p", "toggle_paused", "pause"),
        Binding("n", "note", "note"),
        Binding("t", "test_pulse", "test pulse"),
        Binding("l", "log", "log"),
        Binding("s", "cards", "syllables"),
        Binding("x", "acknowledge", "acknowledge"),
        Binding("q,ctrl+c", "leave", "end or leave"),
        Binding("ctrl+q", "leave", "end or leave", show=False, priority=True),
    ]
    CONTROL_KEYS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("a", "arm/disarm"),
        ("p", "pause"),
        ("n", "note"),
        ("t", "test pulse"),
        ("l", "log"),
        ("s", "syllables"),
        ("x", "acknowledge"),
        ("q", "end"),
    )
    LOOK_KEYS: ClassVar[tuple[tuple[str, str], ...]] = (("l", "log"), ("x", "acknowledge"), ("q", "leave"))
    CONTROL_ACTIONS = frozenset({"toggle_armed", "toggle_paused", "note", "test_pulse", "cards"})

    def __init__(self, view: SessionView, source: Source, commander: Commander | None, palette: Palette) -> None:
        super().__init__()
        self.view = view
        self.source = source
        self.commander = commander
        self._palette = palette
        self._ticks = 0
        self._panels: LivePanels | None = None

    # screen ----------------------------------------------------------------------------------------------------

    def help_text(self) -> str:
        """See Helped."""
        return (help_texts.CONTROL if self.commander is not None else help_texts.WATCH) + help_texts.SIGNS

    def compose(self) -> ComposeResult:
        """Panels from top to bottom."""
        yield LinesPanel(self._palette, "head")
        with Horizontal(id="middle"):
            yield PicturePanel(self._palette, "arena")
            yield PicturePanel(self._palette, "crop")
            yield LinesPanel(self._palette, "side")
        yield LinesPanel(self._palette, "syllables")
        yield LinesPanel(self._palette, "alerts")
        yield LinesPanel(self._palette, "log")
        yield LinesPanel(self._palette, "keys")

    def key_words(self) -> KeyWords:
        """The keys that are shown at the foot."""
        control = self.commander is not None
        return KeyWords((*(self.CONTROL_KEYS if control else self.LOOK_KEYS), *COMMON), "stop" if control else "view")

    def on_mount(self) -> None:
        """Begin to listen and to draw."""
        self._panels = LivePanels(self, self.view, self.source, self.key_words())
        self.repaint(self._palette)
        self.set_interval(1 / REDRAWS_HZ, self.tick)
        self.set_timer(CATCH_UP_S, self.catch_up)

    def on_unmount(self) -> None:
        """Let go of the source."""
        self.source.close()

    def repaint(self, palette: Palette) -> None:
        """Change the colours."""
        super().repaint(palette)
        self.styles.background = "ansi_default" if palette.plain else palette.background

    def tick(self) -> None:
        """Take what came; redraw what is due."""
        self.source.drain(self.view)
        self._ticks += 1
        if self._ticks % 4 == 0:
            self.view.look(self.source.now_ns())
            over = self.source.over(self.view)
            if over and not self.view.ended:
                self.farewell(over)
        if self._panels is not None:
            self._panels.draw(self._ticks, self.source.now_ns())

    def _draw_head(self) -> None:
        if self._panels is not None:
            self._panels.draw_head()

    @work(thread=True)
    def catch_up(self) -> None:
        """Add what happened before the screen was opened."""
        try:
            earlier = self.source.earlier()
        except FileFormatError as error:
            words = f"what happened before is not known: {error}"
            self.app.call_from_thread(self.view.alerts.raise_, "screen", words, self.source.now_ns())
            return
        if earlier is not None:
            self.app.call_from_thread(self.view.take_earlier, earlier)

    def farewell(self, reason: str) -> None:
        """Nothing more will come: say so, and go."""
        last = next((e.detail for e in reversed(self.view.events) if e.source == "supervisor"), "")
        why = last.removeprefix(ENDS)
        self.view.ended = f"{reason}: {why}" if last.startswith(ENDS) and why else reason
        if self.view.stop.since_ns is None and not self.view.alerts.open:
            self.set_timer(FAREWELL_S, self.go)
        elif self._panels is not None:  # what ended with a stop or with alerts is read before it goes
            self._panels.aside = "q goes on "
        self._draw_head()

    def go(self) -> None:
        """Close this screen, if it still shows."""
        if self.is_attached:
            self.dismiss(self.view.ended)

    # commands --------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Who may only look has no keys that change anything."""
        return self.commander is not None or action not in self.CONTROL_ACTIONS

    def on_stop(self, result: StopResult) -> None:
        """Show what came of an emergency stop."""
        self.view.stop.pressed(result.confirmed, result.detail, result.low_ms, self.source.now_ns())
        self._draw_head()

    @work(thread=True)
    def command(self, name: CommandName, text: str = "") -> None:
        """Send a command from a thread; a refusal becomes an alert."""
        if self.commander is None:
            return
        reply = self.commander.send(name, text)
        if reply.ok and name == "arm":
            self.app.call_from_thread(self.view.stop.cleared)
        elif reply.ok and name in ("test_pulse", "note"):
            words = reply.detail if name == "test_pulse" else f"kept: {text}"
            self.app.call_from_thread(self.notify, words, title=name.replace("_", " "))
        elif not reply.ok:
            words = f"{name}: {reply.detail}"
            self.app.call_from_thread(self.view.alerts.raise_, "command", words, self.source.now_ns())

    def action_toggle_armed(self) -> None:
        """Arm, or disarm, whichever the session is not; after a stop, arm; ask first where another screen stopped."""
        status = self.view.status
        if self.view.stop.elsewhere:
            self.ask_to_arm()
        elif self.view.stop.since_ns is not None:
            self.command("arm")
        elif status is None or self.view.state == "silent":
            words = "arm/disarm: the session says nothing of itself; the stop key works all the same"
            self.view.alerts.raise_("command", words, self.source.now_ns())
        elif status.armed:
            self.command("disarm")
        elif self.view.stale("health.recorder"):
            words = "arm: the recorder is silent, and nobody would record the pulses: wait until it is back"
            self.view.alerts.raise_("command", words, self.source.now_ns())
        else:
            self.command("arm")

    @work
    async def ask_to_arm(self) -> None:
        """Arm after someone else's emergency stop, if the operator says so."""
        detail = f"Stopped {self.view.stop.elsewhere}: who did so may have seen what you do not see."
        choices = (("y", "arm"), ("n", "leave it stopped"))
        if await self.app.push_screen_wait(Choice("Arm after an emergency stop?", detail, choices)) == "y":
            self.command("arm")

    def action_toggle_paused(self) -> None:
        """Pause the protocol, or resume it."""
        paused = self.view.status is not None and self.view.status.paused
        self.command("resume" if paused else "pause")

    def action_acknowledge(self) -> None:
        """Acknowledge the alerts that are shown; where there are more, open the list of them."""
        if self._panels is None:
            return
        now_ns = self.source.now_ns
        if len(self.view.alerts.open) > self._panels.alerts.size.height:
            control = self.commander is not None
            self.app.push_screen(
                AlertsScreen(lambda: self.view.alerts, now_ns, self.acknowledge, self._palette, control)
            )
            return
        self.acknowledge(self._panels.alerts_shown)
        self._panels.draw_alerts(now_ns())

    def action_log(self) -> None:
        """Open the whole log."""
        self.app.push_screen(LogScreen(self.view, self._palette, self.key_words().badge))

    def acknowledge(self, numbers: list[int]) -> None:
        """Acknowledge alerts here, and have it recorded where this screen has control of a session that runs."""
        seen = self.view.alerts.acknowledge(numbers)
        if self.commander is not None and not self.view.ended:
            self.record_acknowledged(
                self.commander, [(alert.source, alert.text) for alert in seen if alert.source != "command"]
            )

    @work(thread=True)
    def record_acknowledged(self, commander: Commander, seen: list[tuple[str, str]]) -> None:
        """Tell the session, from a thread; what it does not take becomes an alert."""
        for source, text in seen:
            reply = commander.acknowledge(source, text)
            if not reply.ok:
                words = f"acknowledge: not recorded: {reply.detail}"
                self.app.call_from_thread(self.view.alerts.raise_, "command", words, self.source.now_ns())
                return

    @work
    async def action_note(self) -> None:
        """Ask for a note and have it recorded with its time."""
        text = await self.app.push_screen_wait(OneLine("Note", "kept in the record with its time", TEXT_BYTES))
        if text:
            self.command("note", text)

    def action_cards(self) -> None:
        """Open the cards of the model's syllables; a name that is given there shows here at once."""
        path = self.view.facts.model_path
        if path is None:
            return
        try:
            known = model_cards(path)
        except EtholoopError as error:
            self.view.alerts.raise_("screen", str(error), self.source.now_ns())
            return
        self.app.push_screen(CardsScreen(known, self._palette, self.renamed))

    def renamed(self, names: dict[int, str]) -> None:
        """Show new names; the session itself keeps those that it began with."""
        self.view.facts = replace(self.view.facts, names=names)

    @work
    async def action_test_pulse(self) -> None:
        """Ask which output to pulse by hand, and have it pulsed."""
        protocol = self.view.facts.protocol
        if protocol is None:
            return
        question = PulseQuestion(protocol, "A session runs: the pulse reaches the animal, and counts as manual.")
        name = await self.app.push_screen_wait(question)
        if name:
            self.command("test_pulse", f"{CONFIRMED} {name}")

    @work
    async def action_leave(self) -> None:
        """Ask, then end the session or leave it to itself."""
        if self.view.ended or self.commander is None:
            self.go()
            return
        choices = (("y", "end it"), ("d", "detach"), ("n", "go on"))
        answer = await self.app.push_screen_wait(Choice("End the session?", END_QUESTION, choices))
        if answer == "y":
            self.command("stop", "at the screen")
        elif answer == "d":
            self.dismiss("detached; the session goes on")
