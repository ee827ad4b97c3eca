"""Set-up: who, with what, and a check list that must be green before the session may start."""

import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Button, Input, Label

from online.errors import EtholoopError
from protocols.schema import Protocol
from rig.bench_pulse import RECORD, bench_pulse
from rig.configuration import RigConfig
from rig.session_checks import SessionRequest
from rig.tui import checks, help_texts
from rig.tui.app import EtholoopApp, Repaintable
from rig.tui.camera_checks import judge_camera, preview_failure
from rig.tui.camera_preview import CameraPreview
from rig.tui.cards_screen import CardsScreen, model_cards
from rig.tui.check_list import lines_of
from rig.tui.checks import Check, Known, may_start
from rig.tui.closing import ClosesOnce
from rig.tui.depth_picture import ArenaPicture, fit_window
from rig.tui.dialogs import PulseQuestion, StoppableInput
from rig.tui.emergency import BenchStop
from rig.tui.foot import KeyWords, keys
from rig.tui.help_screen import Helped
from rig.tui.palette import Palette
from rig.tui.path_suggester import PathSuggester
from rig.tui.widgets import LinesPanel, PicturePanel

ENTRIES = (
    ("subject", "Subject", "name of the animal", None),
    ("rig", "Rig file", "rig.toml", ".toml"),
    ("model", "Model", "mice.model.h5", ".model.h5"),
    ("protocol", "Protocol", "protocol.toml", ".toml"),
    ("out", "Data folder", "where sessions are kept", ""),
)
LOOKS_HZ = 5
KEYS = KeyWords(
    (
        ("F1", "help"),
        ("tab", "next"),
        ("F4", "syllables"),
        ("F5", "check again"),
        ("F8", "test pulse"),
        ("F9", "start"),
        ("F3", "sessions"),
        ("^q", "quit"),
    ),
    "",
)
PICTURE_TOP_MM = 100.0


class SetupScreen(ClosesOnce, Screen[SessionRequest], Repaintable, Helped):
    """Closes with the request when the session shall start."""

    app: EtholoopApp
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab,down", "app.focus_next", "next", priority=True),
        Binding("shift+tab,up", "app.focus_previous", "previous", priority=True),
        Binding("f5", "check", "check again"),
        Binding("f4", "cards", "syllables"),
        Binding("f8", "test_pulse", "test pulse"),
        Binding("f9", "start", "start"),
        Binding("ctrl+q,ctrl+c", "app.quit", "quit", priority=True),
    ]

    def __init__(self, entries: dict[str, str], palette: Palette) -> None:
        super().__init__()
        self._entries = entries
        self._palette = palette
        self.checks = checks.fresh_list()
        self.known = Known()
        self._preview: CameraPreview | None = None
        self._leaving: CameraPreview | None = None
        self._starting = False
        self._previewed = ""
        self._judged_board = ""
        self._board_lock = threading.Lock()
        self._picture: ArenaPicture | None = None
        self._picture_of: tuple[object, ...] = ()

    def help_text(self) -> str:
        """See Helped."""
        return help_texts.SET_UP

    def compose(self) -> ComposeResult:
        """Form, check list, picture."""
        yield LinesPanel(self._palette, "top")
        with Horizontal(id="setup"):
            with Vertical(id="form"):
                with Grid(id="fields"):
                    for name, label, hint, suffix in ENTRIES:
                        yield Label(label)
                        suggester = None if suffix is None else PathSuggester(suffix)
                        yield StoppableInput(self._entries.get(name, ""), hint, id=name, suggester=suggester)
                yield Button("Start the session", id="start", variant="success", disabled=True)
                yield PicturePanel(self._palette, "arena")
            yield LinesPanel(self._palette, "checks")
        yield LinesPanel(self._palette, "keys")

    def on_mount(self) -> None:
        """Check at once what was entered last time."""
        self.repaint(self._palette)
        self.set_interval(1 / LOOKS_HZ, self.look)
        self.action_check()

    def on_unmount(self) -> None:
        """Let the camera go."""
        self.leave_preview()
        if self._leaving is not None:
            self._leaving.close()

    @property
    def entries(self) -> dict[str, str]:
        """What stands in the form."""
        return {name: self.query_one(f"#{name}", Input).value.strip() for name, *_ in ENTRIES}

    def request(self) -> SessionRequest:
        """The form as a request."""
        given = self.entries
        paths = {name: Path(given[name]).expanduser() for name in ("rig", "model", "protocol", "out")}
        return SessionRequest(subject=given["subject"], **paths)

    # checking --------------------------------------------------------------------------------------------------

    @on(Input.Changed)
    def entered(self, event: Input.Changed) -> None:
        """A changed form is looked at anew."""
        self.check_files()

    def action_check(self) -> None:
        """Check everything anew, devices too."""
        self._previewed = self._judged_board = ""
        self.check_files()

    def check_files(self) -> None:
        """Judge the form as it is now."""
        self._check_files(self.request())

    @work(thread=True, exclusive=True, group="files")
    def _check_files(self, request: SessionRequest) -> None:
        """Judge what the files hold; in a thread, because files may be large or far away."""
        found, known = checks.check_files(request)
        found["clock"] = checks.check_clock(time.get_clock_info("monotonic").resolution, time.time())
        self.app.call_from_thread(self._files_checked, found, known)

    def _files_checked(self, found: dict[str, Check], known: Known) -> None:
        self.checks |= found
        self.known = known
        if known.rig is None or known.protocol is None:
            self.checks["board"] = Check("board", checks.TITLES["board"])
            self._judged_board = ""
        if known.rig is None or self._starting:
            self.leave_preview()
            self._previewed = ""
        elif known.rig.model_dump_json() != self._previewed:
            self.leave_preview()
            self._previewed = known.rig.model_dump_json()
            self._preview = CameraPreview(self.request().rig, known.rig, self.app.clock, self._leaving)
            self._preview.start()
        if known.rig is not None and known.protocol is not None:
            wanted = known.rig.board.model_dump_json() + known.protocol.limits.model_dump_json()
            if wanted != self._judged_board:
                self._judged_board = wanted
                self.checks["board"] = replace(self.checks["board"], state="running", detail="")
                self.check_board()

    @work(thread=True, exclusive=True, group="board")
    def check_board(self) -> None:
        """Open the board once, with the protocol's limits."""
        known = self.known
        if known.rig is None or known.protocol is None:
            return
        with self._board_lock, tempfile.TemporaryDirectory(prefix="etl-") as folder:
            judged = checks.check_board(known.rig, known.protocol, self.app.clock, Path(folder))
        self.app.call_from_thread(self._board_checked, judged)

    def action_cards(self) -> None:
        """Look at the model's syllables, and name them."""
        try:
            known = model_cards(self.request().model)
        except EtholoopError as error:
            self.notify(str(error), severity="warning")
            return
        self.app.push_screen(CardsScreen(known, self._palette), lambda _: self.action_check())

    @work
    async def action_test_pulse(self) -> None:
        """Ask which output to pulse, and pulse it; only with a board that was found."""
        known, out = self.known, self.request().out
        if known.protocol is None or known.rig is None or self.checks["board"].state != "good":
            self.notify("a test pulse needs a protocol and a board: look at the red lines", severity="warning")
            return
        if self.checks["folder"].state != "good":
            self.notify("a test pulse is recorded in the data folder: name one first", severity="warning")
            return
        question = PulseQuestion(known.protocol, f"No session runs. Within the protocol's limits; kept in {RECORD}.")
        name = await self.app.push_screen_wait(question)
        if name:
            self._pulse(known.rig, known.protocol, name, out)

    @work(thread=True, group="pulse")
    def _pulse(self, rig: RigConfig, protocol: Protocol, name: str, out: Path) -> None:
        try:
            with self._board_lock:
                out.mkdir(parents=True, exist_ok=True)
                self.app.bench_stop = BenchStop(self.app.clock)
                bench_pulse(rig, protocol, protocol.output(name), self.app.clock, out, self.app.bench_stop)
        except (EtholoopError, OSError) as error:
            self.app.call_from_thread(self.notify, str(error), severity="error")
        else:
            self.app.call_from_thread(self.notify, f"{name} pulsed: the board confirmed it")
        finally:
            self.app.bench_stop = None

    def _board_checked(self, judged: Check) -> None:
        if self._judged_board:
            self.checks["board"] = judged

    def leave_preview(self) -> None:
        """Begin to let the camera go, and wait for nothing: the next preview does."""
        if self._preview is not None:
            self._preview.leave()
            self._leaving, self._preview = self._preview, None

    # looking ---------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Judge the camera, draw everything."""
        self.checks |= judge_camera(self._preview, self.known, self.request().out)
        ready = may_start(self.checks) and not self._starting
        self.query_one("#start", Button).disabled = not ready
        head = self.query_one("#top", LinesPanel)
        doing = "the camera is let go, then the session starts" if self._starting else "set-up of a session"
        head.show([((" etholoop ", "title"), (f"  {doing}", "text"))])
        panel = self.query_one("#checks", LinesPanel)
        panel.show(lines_of(list(self.checks.values()), panel.size.width, panel.size.height))
        foot = self.query_one("#keys", LinesPanel)
        foot.show([keys(foot.size.width, KEYS, "ready" if ready else "")])
        self._draw()

    def _draw(self) -> None:
        panel = self.query_one("#arena", PicturePanel)
        preview = self._preview
        panel.label((("arena ", "title"), ("with its region of interest", "dim")), "0", f"{PICTURE_TOP_MM:.0f} mm")
        if preview is None or preview_failure(preview):
            panel.clear()
            return
        if preview.depth is None or preview.info is None or panel.size.height < 4:
            return
        depth, arena = preview.depth, preview.arena
        key = (*panel.room, *depth.shape, id(arena))
        if self._picture is None or key != self._picture_of:
            shape = (depth.shape[0], depth.shape[1])
            window = fit_window(*shape, None, *panel.room)
            self._picture = ArenaPicture(window, shape, arena, preview.info.depth_unit_mm, PICTURE_TOP_MM)
            self._picture_of = key
        panel.show(self._picture.levels_with_region(depth))

    # starting --------------------------------------------------------------------------------------------------

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Close with the request, if everything is good, once the camera is free."""
        if self._starting:
            return
        if not may_start(self.checks):
            self.notify(checks.why_not(self.checks), severity="warning")
            return
        self._starting = True
        self.leave_preview()
        self._start_when_free(self.request())

    @work(thread=True)
    def _start_when_free(self, request: SessionRequest) -> None:
        if self._leaving is not None:
            self._leaving.close()
        self.app.call_from_thread(self.dismiss, request)
