"""`etholoop watch --web`: the same screen in a browser of this machine, to look at and no more.

Each page is a process of its own that may only watch. The server listens on the loopback address alone, and answers
no page of another origin: what is open in the same browser cannot look in. A browser that is gone, or takes nothing any
more, gives its place back.
"""

import asyncio
import logging
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.server import Server

from online.errors import BusyError

HOST = "127.0.0.1"
MOST_PAGES = 4
"""Each page costs some share of a core, which the loop may need."""
TEMPLATES = Path(__file__).parent / "web_page"
LEAVE_S = 5.0
"""How long the program of a page may take to end."""
P = ParamSpec("P")


def watch_command(place: Path, speed: float) -> str:
    """The command line of one page: the view-only program, at low priority."""
    words = ["exec", "nice", "-n", "10", sys.executable, "-m", "rig.main", "watch", str(place), "--speed", str(speed)]
    return shlex.join(words)


class WatchServer(Server):  # type: ignore[misc] # the package carries no types
    """Serves view-only pages to browsers on this machine. `heartbeat_s`: how often a browser is asked whether it is
    there; `stalled_s`: how long it may take nothing of what is drawn."""

    heartbeat_s = 10.0
    stalled_s = 15.0

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
            return await self._page(request)
        finally:
            self.pages -= 1

    async def _page(self, request: web.Request) -> web.WebSocketResponse:
        """Run the program of one page until its browser has gone, or takes nothing; the connection goes with it."""
        websocket = web.WebSocketResponse(heartbeat=self.heartbeat_s)
        await websocket.prepare(request)
        page = AppService(
            self.command,
            write_bytes=self._in_time(request, websocket.send_bytes),
            write_str=self._in_time(request, websocket.send_str),
            close=websocket.close,
            download_manager=self.download_manager,
        )
        try:
            await page.start(int(request.query.get("width", "80")), int(request.query.get("height", "24")))
            await self._process_messages(websocket, page)
        finally:
            if request.transport is not None and not websocket.closed:
                request.transport.abort()
            await end_page(page)
        return websocket

    def _in_time(self, request: web.Request, send: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        """`send`, after which the connection is cut where the browser takes nothing for too long."""

        async def sent(*args: P.args, **kwargs: P.kwargs) -> None:
            try:
                await asyncio.wait_for(send(*args, **kwargs), self.stalled_s)
            except TimeoutError as error:
                if request.transport is not None:
                    request.transport.abort()
                raise ConnectionResetError("the browser takes nothing any more") from error

        return sent

    def initialize_logging(self) -> None:
        """Only what went wrong is said."""
        logging.basicConfig(level="WARNING")

    async def on_startup(self, app: web.Application) -> None:
        """Say where to look."""
        self.console.print(f"open {self.public_url} in a browser of this machine; Ctrl-C ends", highlight=False)


async def end_page(page: AppService) -> None:
    """Ask the program of a page to end, and see that it does; it only looks, and may be killed."""
    with suppress(TimeoutError):
        await asyncio.wait_for(page.stop(), LEAVE_S)
    process = page._process
    if process is not None:
        process._transport.close()  # kills it where it still runs, and lets go of a pipe that nobody empties
        await process.wait()


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
