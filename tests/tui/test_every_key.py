"""Every key of every screen is pressed by a test of this folder."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

import rig.tui


def own_bindings() -> list[tuple[str, str]]:
    """(class, key) of everything that our screens and programs bind."""
    found = set()
    for module in pkgutil.iter_modules(rig.tui.__path__, "rig.tui."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Screen | App) and value.__module__ == module.name:
                bindings = value.__dict__.get("BINDINGS", ())
                found |= {(value.__name__, key) for b in bindings if isinstance(b, Binding) for key in b.key.split(",")}
    return sorted(found)


PRESSED = set()
for path in Path(__file__).parent.glob("test_*.py"):
    if path != Path(__file__):
        PRESSED |= set(re.findall(r'"([^"\s]+)"', path.read_text()))


@pytest.mark.parametrize(("screen", "key"), own_bindings())
def test_a_test_presses_it(screen: str, key: str) -> None:
    assert key in PRESSED, f"{screen}: no test presses {key!r}"


def test_there_are_keys_to_be_pressed() -> None:
    assert len(own_bindings()) > 30
