"""The web view in a real browser: it shows a running session, and cannot control it."""

import asyncio
import base64
import io
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

pytest.importorskip("textual_serve", reason="the extra 'web' is not installed")

import aiohttp
import numpy as np
from matplotlib.image import imread

from rig.clock import SystemClock
from rig.tui.web import HOST, WatchServer, free_port
from tests.fake_rig import FakeRig
from tests.fake_rig_files import write_files
from tests.tui.browser import CHROMIUM, Page, browsing

F2, ENTER = 113, 13
FLOOD = """
import os, sys
sys.stdout.buffer.write(b"__GANGLION__\\n")
while True:
    sys.stdout.buffer.write(b"D" + (60000).to_bytes(4, "big") + bytes(60000))
"""
MUTE = FLOOD.replace("while True:", "sys.stdout.buffer.flush()\nwhile sys.stdin.buffer.read(1):").replace(
    'sys.stdout.buffer.write(b"D" + (60000).to_bytes(4, "big") + bytes(60000))', "pass"
)


@pytest.fixture
def run_dir(private: Path) -> Path:
    path = private / "etholoop-web"
    path.mkdir()
    write_files(path)
    return path


@pytest.fixture
def address(run_dir: Path) -> Iterator[str]:
    """Where `etholoop watch --web` serves the session."""
    words = [sys.executable, "-m", "rig.main", "watch", str(run_dir), "--web", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[1]
        server.terminate()


@asynccontextmanager
async def playing(run_dir: Path) -> AsyncIterator[FakeRig]:
    """A rig that publishes and answers until the end of the block."""
    rig = FakeRig(run_dir, SystemClock())

    async def play() -> None:
        while True:
            rig.step()
            rig.serve()
            await asyncio.sleep(0.15)

    task = asyncio.create_task(play())
    try:
        yield rig
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        rig.close()
        rig.context.destroy(linger=0)


async def press_everything(page: Page) -> None:
    """Every key that controls a session where one may, with the answers to what they would ask."""
    for key in "!apntcx":
        await page.press(key)
        await page.press("y")
        await page.press("Enter", ENTER)
    await page.press("F12", 123)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt-get install chromium")
@pytest.mark.xdist_group("live")
async def test_a_page_shows_the_session_and_cannot_control_it(run_dir: Path, address: str) -> None:
    async with playing(run_dir) as rig, browsing(address) as page:
        await page.until(lambda: "view only" in page.drawn and "recorder" in page.drawn)
        first = rig.frame_index
        await page.until(lambda: rig.frame_index > first + 10)
        colours = np.unique(imread(io.BytesIO(await page.picture()), format="png").reshape(-1, 4), axis=0)
        assert len(colours) > 20, "the arena is drawn"
        dark = "48;2;14;17;22"
        await page.evaluate("document.querySelector('textarea').focus()")
        await press_everything(page)
        page.drawn = ""
        await page.press("F2", F2)
        await page.until(lambda: "48;2;251;251;248" in page.drawn and dark not in page.drawn[-200:])
        assert rig.commands == [], "keys arrive, and change nothing but colours"
        assert rig.armed
        assert not rig.paused


async def test_pages_of_another_origin_are_turned_away(tmp_path: Path) -> None:
    server = WatchServer(tmp_path, 1.0, free_port(0))
    runner = aiohttp.web.AppRunner(await server._make_app())
    await runner.setup()
    await aiohttp.web.TCPSite(runner, HOST, server.port).start()
    try:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.public_url}/") as answer:
                page = await answer.text()
                assert "http" not in page.replace(server.public_url, ""), "nothing is fetched from elsewhere"
            for origin in ("http://elsewhere.example", "null", None):
                headers = {"Origin": origin} if origin else {}
                async with session.get(f"{server.public_url}/ws", headers=headers) as answer:
                    assert answer.status == 403
            server.pages = 4
            async with session.get(f"{server.public_url}/ws", headers={"Origin": server.public_url}) as answer:
                assert answer.status == 503
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(server: WatchServer) -> AsyncIterator[None]:
    """The server on its port until the end of the block."""
    runner = aiohttp.web.AppRunner(await server._make_app())
    await runner.setup()
    await aiohttp.web.TCPSite(runner, HOST, server.port).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to this")


async def browser_that_reads_nothing(server: WatchServer) -> asyncio.StreamWriter:
    """A connection that opens a page and leaves it at that."""
    _, writer = await asyncio.open_connection(HOST, server.port, limit=1024)
    words = [
        "GET /ws HTTP/1.1",
        f"Host: {HOST}:{server.port}",
        f"Origin: {server.public_url}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}",
        "Sec-WebSocket-Version: 13",
    ]
    writer.write(("\r\n".join(words) + "\r\n\r\n").encode())
    return writer


@pytest.mark.parametrize(
    ("program", "heartbeat_s", "stalled_s"),
    [(FLOOD, 600.0, 0.3), (FLOOD, 0.3, 600.0), (MUTE, 0.3, 600.0)],
    ids=["takes nothing", "takes nothing and does not answer", "does not answer"],
)
async def test_a_browser_that_reads_no_more_gives_its_place_back(
    tmp_path: Path, program: str, heartbeat_s: float, stalled_s: float
) -> None:
    server = WatchServer(tmp_path, 1.0, free_port(0))
    server.heartbeat_s, server.stalled_s = heartbeat_s, stalled_s
    pid = tmp_path / "pid"
    note = f"import os, pathlib\npathlib.Path({str(pid)!r}).write_text(str(os.getpid()))\n"
    server.command = "exec " + shlex.join([sys.executable, "-c", note + program])
    async with serving(server):
        writer = await browser_that_reads_nothing(server)
        await until(lambda: server.pages == 1 and pid.exists() and bool(pid.read_text()))
        await until(lambda: server.pages == 0)
        assert not Path(f"/proc/{pid.read_text()}").exists(), "its program is gone, too"
        writer.close()


async def test_a_browser_that_vanishes_gives_its_place_back(tmp_path: Path) -> None:
    server = WatchServer(tmp_path, 1.0, free_port(0))
    server.command = "exec " + shlex.join([sys.executable, "-c", FLOOD])
    async with serving(server):
        writer = await browser_that_reads_nothing(server)
        await until(lambda: server.pages == 1)
        writer.transport.abort()
        await until(lambda: server.pages == 0)
