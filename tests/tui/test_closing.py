"""Screens that close by themselves, or at a key that came twice, close themselves and nothing else."""

from collections.abc import Callable

import pytest
from textual.screen import Screen

from rig.clock import ManualClock
from rig.tui.app import EtholoopApp
from rig.tui.dialogs import Choice, OneLine
from rig.tui.help_screen import HelpScreen


@pytest.mark.parametrize(
    "dialog",
    [
        lambda: Choice("end?", "", (("y", "yes"), ("n", "no"))),
        lambda: OneLine("note", "", 100),
        lambda: HelpScreen(Screen(), can_stop=False),
    ],
)
async def test_a_dialog_closed_twice_leaves_the_screen_under_it(dialog: Callable[[], Screen[str]]) -> None:
    app = EtholoopApp(ManualClock(), plain=False)
    async with app.run_test() as pilot:
        under = Screen[str]()
        app.push_screen(under)
        asked = dialog()
        app.push_screen(asked)
        await pilot.pause()
        for _ in range(2):
            asked.dismiss("y")
        await pilot.pause()
        assert app.screen is under


async def test_what_covers_a_screen_that_closes_goes_with_it() -> None:
    answers: list[str | None] = []
    app = EtholoopApp(ManualClock(), plain=False)
    async with app.run_test() as pilot:
        first = app.screen
        closing = OneLine("", "", 100)
        app.push_screen(closing, answers.append)
        app.push_screen(Choice("", "", (("n", "no"),)))
        await pilot.pause()
        for _ in range(2):
            closing.dismiss("done")
        await pilot.pause()
        assert app.screen is first
        assert answers == ["done"]
