"""Headless Chromium, spoken to over its DevTools protocol."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-extensions", "--mute-audio")


class Page:
    """One page of a browser."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.drawn = ""

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """One command of the protocol and its answer; of events in between, what the page's socket heard is kept."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = await self._socket.receive_json(timeout=60)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            if message.get("method") == "Network.webSocketFrameReceived":
                frame = message["params"]["response"]
                if frame["opcode"] == 2:
                    self.drawn += base64.b64decode(frame["payloadData"]).decode(errors="replace")

    async def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = await self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, key: str, code: int = 0) -> None:
        """A key that types itself, or a named one with its virtual code."""
        text = {"text": key} if len(key) == 1 else {}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    async def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode((await self.ask("Page.captureScreenshot"))["data"])

    async def until(self, condition: Callable[[], bool], turns: int = 600) -> None:
        """Let the page draw until something holds."""
        for _ in range(turns):
            if condition():
                return
            await self.evaluate("0")
            await asyncio.sleep(0.1)
        raise AssertionError(f"it did not come to this; drawn last: {self.drawn[-2000:]!r}")


@asynccontextmanager
async def browsing(address: str, size: tuple[int, int] = (840, 560)) -> AsyncIterator[Page]:
    """A browser of its own with one page at `address`."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(prefix="el", ignore_cleanup_errors=True) as profile:
        place = (f"--user-data-dir={profile}", "--remote-debugging-port=0", f"--window-size={size[0]},{size[1]}")
        process = subprocess.Popen(
            [CHROMIUM, *SWITCHES, *QUIET, *place, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in os.environ.items() if name != "DBUS_SESSION_BUS_ADDRESS"},
        )
        try:
            port = await _port(Path(profile) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                    pages = json.loads(await answer.text())
                target = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
                async with session.ws_connect(target, max_msg_size=0) as socket:
                    page = Page(socket)
                    await page.ask("Page.enable")
                    await page.ask("Network.enable")
                    await page.ask("Page.navigate", url=address)
                    yield page
        finally:
            process.terminate()
            process.wait(20)


async def _port(file: Path) -> int:
    for _ in range(600):
        if file.exists() and (text := file.read_text()):
            return int(text.split()[0])
        await asyncio.sleep(0.05)
    raise AssertionError("the browser did not start")
