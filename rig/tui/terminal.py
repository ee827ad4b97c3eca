"""Whether a screen can be drawn on this terminal. Nothing of textual is imported here."""

import os

from online.errors import ConfigError

DUMB = frozenset({"dumb", "unknown"})


def no_screen() -> str:
    """Why this terminal can show no screen, in words; empty where it can."""
    term = os.environ.get("TERM", "")
    if term.lower() not in DUMB or "TEXTUAL_DRIVER" in os.environ:  # a page of the web view has no terminal
        return ""
    return f"TERM={term}: a terminal that can only write lines shows no screen"


def check_terminal() -> None:
    """Raise ConfigError where no screen can be drawn."""
    why = no_screen()
    if why:
        raise ConfigError(f"{why}: use another, or say which it is (TERM=xterm-256color); `etholoop run` needs none")
