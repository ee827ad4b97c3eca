"""`etholoop rig`: set-up, session, summary, next animal; and the list of sessions in between."""

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType

from online.errors import EtholoopError
from rig.clock import Clock
from rig.launch import Launch
from rig.session_checks import SessionRequest
from rig.ttl.configuration import BoardConfig
from rig.ttl.emergency import force_low
from rig.tui.app import EtholoopApp
from rig.tui.browse_screen import BrowseScreen
from rig.tui.closing_screen import ClosingScreen
from rig.tui.dialogs import Choice
from rig.tui.digest import digest
from rig.tui.last_setup import load_last, save_last
from rig.tui.live import attached_screen
from rig.tui.replay_screen import replay_screen
from rig.tui.session_child import SessionChild
from rig.tui.setup_screen import SetupScreen
from rig.tui.starting_screen import StartingScreen
from rig.tui.summary_screen import SummaryScreen


def board_of(run_dir: Path) -> BoardConfig | None:
    """The board of a session that runs; None where that cannot be read any more."""
    try:
        return Launch.load(run_dir).rig.board
    except (OSError, ValueError):
        return None


class RigApp(EtholoopApp):
    """The whole way of an experimenter. `entries`: what the form shows at first; `browse`: begin with the list."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f3", "browse", "sessions")]

    def __init__(
        self,
        entries: dict[str, str],
        clock: Clock | None = None,
        plain: bool | None = None,
        browse: Path | None = None,
    ) -> None:
        super().__init__(clock, plain)
        self._entries = load_last() | {name: value for name, value in entries.items() if value}
        self._browse_first = browse
        self.child: SessionChild | None = None

    def on_mount(self) -> None:
        """Begin with the set-up, or the list."""
        super().on_mount()
        if self._browse_first is None:
            self.prepare()
        else:
            self.look_around(self._browse_first)

    # the way ---------------------------------------------------------------------------------------------------

    @work(exclusive=True, group="way")
    async def prepare(self) -> None:
        """Set-up, start, session, summary; again and again."""
        while True:
            request = await self.push_screen_wait(SetupScreen(self._entries, self.palette))
            self._entries = self._kept(request)
            folder = await self._run(request)
            if folder is not None:
                await self._conclude(folder)

    def _kept(self, request: SessionRequest) -> dict[str, str]:
        entries = {
            "subject": request.subject,
            "rig": str(request.rig),
            "model": str(request.model),
            "protocol": str(request.protocol),
            "out": str(request.out),
        }
        save_last(entries)
        return entries

    async def _run(self, request: SessionRequest) -> Path | None:
        """One session; its folder once it has ended, None when it never ran or was left to itself."""
        self.child = child = SessionChild(request)
        if not await self.push_screen_wait(StartingScreen(child, self.palette)) or child.run_dir is None:
            return None
        board, screen = board_of(child.run_dir), attached_screen(self, child.run_dir, control=True)
        if self.emergency is not None and board is not None:
            self.emergency.last_resort = partial(force_low, board)
        reason = await self.push_screen_wait(screen)
        if reason is not None and reason.startswith("detached"):
            self._let_go_of_stop()
            self.notify("the session goes on: `etholoop attach`, or F3, opens it again")
            return None
        ended = await self.push_screen_wait(ClosingScreen(child, self.palette))
        self._let_go_of_stop()
        if not ended:
            self.notify("the session is still being closed: its summary will be in the list, F3")
            return None
        folder = child.folder
        child.forget()
        return folder

    def _let_go_of_stop(self) -> None:
        if self.emergency is not None:
            self.emergency.close()
            self.emergency = None

    async def _conclude(self, folder: Path) -> None:
        """The summary, and where it leads."""
        while True:
            try:
                screen = SummaryScreen(digest(folder), self.palette)
            except EtholoopError as error:
                await self.push_screen_wait(Choice("No summary", str(error), (("enter", "go on"),)))
                return
            answer = await self.push_screen_wait(screen)
            if answer == "again":
                await self._watch(folder)
            elif answer == "list":
                await self._look_around(folder.parent)
                return
            else:
                return

    # the list --------------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The list opens over the set-up alone."""
        return action != "browse" or (bool(self.screen_stack) and isinstance(self.screen, SetupScreen))

    def action_browse(self) -> None:
        """Open the list of sessions over the set-up."""
        if isinstance(self.screen, SetupScreen):
            self.look_around(Path(self.screen.entries["out"] or ".").expanduser())

    @work(exclusive=True, group="list")
    async def look_around(self, out: Path) -> None:
        """The list; leaving it leaves the program where it began with the list."""
        await self._look_around(out)
        if self._browse_first is not None:
            self.exit()

    async def _look_around(self, out: Path) -> None:
        while True:
            answer = await self.push_screen_wait(BrowseScreen(out, self.palette))
            if answer is None:
                return
            what, place = answer
            if what == "attach":
                await self.push_screen_wait(attached_screen(self, place, control=True))
                self._let_go_of_stop()
            elif what == "watch":
                await self._watch(place)
            else:
                await self._summary(place)

    async def _watch(self, folder: Path) -> None:
        try:
            screen = replay_screen(self, folder, 1.0)
        except EtholoopError as error:
            await self.push_screen_wait(Choice("It cannot be shown", str(error), (("enter", "go on"),)))
            return
        await self.push_screen_wait(screen)

    async def _summary(self, folder: Path) -> None:
        try:
            screen = SummaryScreen(digest(folder), self.palette)
        except EtholoopError as error:
            await self.push_screen_wait(Choice("No summary", str(error), (("enter", "go on"),)))
            return
        if await self.push_screen_wait(screen) == "again":
            await self._watch(folder)
