"""`etholoop watch --web`: the same screen in a browser of this machine, to look at and no more.

Each page is a process of its own that may only watch. The server listens on the loopback address alone, and answers
no page of another origin: what is open in the same browser cannot look in.
"""

import logging
import shlex
import socket
import sys
from pathlib import Path

from aiohttp import web
from textual_serve.server import Server

from online.errors import BusyError

HOST = "127.0.0.1"
MOST_PAGES = 4
"""Each page costs some share of a core, which the loop may need."""
TEMPLATES = Path(__file__).parent / "web_page"


def watch_command(place: Path, speed: float) -> str:
    """The command line of one page: the view-only program, at low priority."""
    words = ["nice", "-n", "10", sys.executable, "-m", "rig.main", "watch", str(place), "--speed", str(speed)]
    return shlex.join(words)


class WatchServer(Server):  # type: ignore[misc] # the package carries no types
    """Serves view-only pages to browsers on this machine."""

    def __init__(self, place: Path, speed: float, port: int) -> None:
        super().__init__(
            watch_command(place, speed), HOST, port, title=f"etholoop {place.name}", templates_path=str(TEMPLATES)
        )
        self.pages = 0

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One page: only for this server's own origin, and only so many at once."""
        if request.headers.get("Origin") != self.public_url or request.host != f"{HOST}:{self.port}":
            raise web.HTTPForbidden(text="pages of this server only")
        if self.pages >= MOST_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{MOST_PAGES} pages are open: close one")
        self.pages += 1
        try:
            response: web.WebSocketResponse = await super().handle_websocket(request)
            return response
        finally:
            self.pages -= 1

    def initialize_logging(self) -> None:
        """Only what went wrong is said."""
        logging.basicConfig(level="WARNING")

    async def on_startup(self, app: web.Application) -> None:
        """Say where to look."""
        self.console.print(f"open {self.public_url} in a browser of this machine; Ctrl-C ends", highlight=False)


def free_port(wanted: int) -> int:
    """The port, or any free one for 0; raises BusyError when it is taken."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, wanted))
        except OSError as error:
            raise BusyError(f"port {wanted} of {HOST} is taken: choose another with --port, or 0 for any") from error
        port: int = trial.getsockname()[1]
        return port


def serve(place: Path, speed: float, port: int) -> None:
    """Serve until interrupted."""
    WatchServer(place.resolve(), speed, free_port(port)).serve()
