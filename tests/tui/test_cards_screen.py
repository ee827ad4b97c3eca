"""Cards in the terminal: clips play, names are given in place and kept beside the model."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from online.cards import Card, Clip
from online.files.bundle import bundle_sha256
from online.files.cards_file import CardBox, cards_path, save_cards
from online.files.names import load_names
from rig.clock import ManualClock
from rig.tui.cards_screen import CardsScreen, model_cards
from rig.tui.names_app import NamesApp
from rig.tui.widgets import LinesPanel, PicturePanel
from tests.fake_rig_files import NAMES, NUM_SYLLABLES, write_files
from tests.tui.test_live_screen import rehearsal, toasts


def write_cards(model: Path, sha256: str = "") -> None:
    """Two instances for each of the first four syllables, whose body grows along the clip."""
    y, x = np.mgrid[:80, :80] - 39.5
    crops = np.array([np.clip(40 + t - np.hypot(x / 2, y) * 2.5, 0, None) for t in range(20)]).astype(np.uint8)
    cards = {
        k: Card(k, (4 - k) / 10, 10 * k + 1, (200.0, 400.0, 600.0), 50.0 * k, 30.0, (Clip(crops, 5, 15),) * 2)
        for k in range(4)
    }
    save_cards(cards_path(model), CardBox(sha256 or bundle_sha256(model), 30.0, "s1", cards))


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="eth-") as name:
        write_files(Path(name))
        write_cards(Path(name) / "mice.model.h5")
        yield Path(name)


@pytest.fixture
def model(made: Path) -> Path:
    (made / "mice.names.toml").write_text("[syllables]\n" + "".join(f'{k} = "{n}"\n' for k, n in NAMES.items()))
    return made / "mice.model.h5"


async def until(pilot: Pilot[str], condition: Callable[[], bool]) -> None:
    for _ in range(400):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it did not come to this; focus on {pilot.app.focused!r}, keys on {pilot.app.screen!r}")


def said(screen: Screen[Any], panel: str) -> str:
    return screen.query_one(f"#{panel}", LinesPanel).text()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_card_shows_a_playing_clip_and_its_numbers(model: Path, size: tuple[int, int]) -> None:
    app = NamesApp(model_cards(model), ManualClock(), plain=False)
    async with app.run_test(size=size) as pilot:
        screen = app.cards
        await until(pilot, lambda: "still" in said(screen, "list"))
        assert screen.syllable == 0, "the most used first"
        for words in ("still", "400 ms", "200 to 600", "30 mm", "40.0 % of frames"):
            assert words in said(screen, "numbers").replace("   ", " ").replace("  ", " ")
        clip = screen.query_one("#clip", PicturePanel)
        first = clip._rows.copy()
        screen._frame = 6
        screen.play()
        assert not np.array_equal(first, clip._rows), "it moves"
        assert "in the syllable" in str(clip._heading)
        await pilot.press("right")
        assert screen.clip == 1
        await pilot.press("left")
        assert screen.clip == 0
        await pilot.press("j", "j", "k", "down")
        assert screen.syllable == 2
        await pilot.press("s")
        assert (screen.syllable, screen.order) == (2, list(range(NUM_SYLLABLES)))
        await pilot.press("up", "up", "up")
        assert screen.syllable == NUM_SYLLABLES - 1
        assert "no instance" in str(clip._heading)
        assert "▸" in said(screen, "list")
        await pilot.press("escape")
        await until(pilot, lambda: app._exit)


async def test_a_name_is_given_in_place_and_kept_beside_the_model(model: Path) -> None:
    before = bundle_sha256(model)
    app = NamesApp(model_cards(model), ManualClock(), plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.cards
        field = screen.query_one("#name", Input)
        await pilot.press("down", "enter")
        await until(pilot, lambda: field.has_focus)
        await pilot.press(*"creep", "enter")
        await until(pilot, lambda: "creep" in said(screen, "list"))
        assert load_names(model, NUM_SYLLABLES) == NAMES | {1: "creep"}
        await pilot.press("enter", *"ing", "escape")
        assert load_names(model, NUM_SYLLABLES)[1] == "creep", "escape leaves it as it was"
        assert screen.is_attached
        await pilot.press("enter", *["backspace"] * 5, "7", "enter")
        await pilot.pause()
        assert load_names(model, NUM_SYLLABLES)[1] == "creep", "a number is no name"
        await pilot.press("backspace", "enter")
        await until(pilot, lambda: 1 not in load_names(model, NUM_SYLLABLES))
    assert bundle_sha256(model) == before


async def test_a_name_is_kept_for_the_syllable_for_which_it_was_asked(model: Path) -> None:
    app = NamesApp(model_cards(model), ManualClock(), plain=False)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = app.cards
        await pilot.press("enter")
        await until(pilot, lambda: screen.query_one("#name", Input).has_focus)
        assert "keep the name" in said(screen, "keys")
        await pilot.press("down", "up", "down", *"ish", "down")
        assert screen.syllable == 0, "the syllable stays while its name is typed"
        await pilot.press("enter")
        await until(pilot, lambda: load_names(model, NUM_SYLLABLES) == NAMES | {0: "stillish"})
        await until(pilot, lambda: "name it" in said(screen, "keys"))
        await pilot.press("down")
        assert screen.syllable == 1


async def test_a_running_session_shows_the_new_name_at_once(model: Path) -> None:
    async with rehearsal(model.parent) as stage:
        await stage.play(30)
        await stage.pilot.press("s")
        await until(stage.pilot, lambda: isinstance(stage.app.screen, CardsScreen))
        screen = stage.app.screen
        assert isinstance(screen, CardsScreen)
        await stage.pilot.press("enter")
        field = screen.query_one("#name", Input)
        await until(stage.pilot, lambda: field.has_focus)
        await stage.pilot.press("y", "enter")
        await until(stage.pilot, lambda: screen.known.names.get(0) == "stilly")
        await stage.pilot.press("escape")
        await stage.play(3)
        assert stage.view.facts.name(0) == "stilly"
        await stage.pilot.press("s")
        await until(stage.pilot, lambda: isinstance(stage.app.screen, CardsScreen))
        assert "EMERGENCY STOP" in said(stage.app.screen, "keys")
        await stage.pilot.press("exclamation_mark")
        await stage.until(lambda: stage.view.state == "stopped")
        await stage.until(lambda: "confirmed" in toasts(stage.app))


def test_cards_of_another_model_are_not_shown(model: Path) -> None:
    write_cards(model, "0" * 64)
    known = model_cards(model)
    assert known.box is None
    assert "another model" in known.words
    cards_path(model).unlink()
    assert "etholoop model cards" in model_cards(model).words
    write_cards(model)
