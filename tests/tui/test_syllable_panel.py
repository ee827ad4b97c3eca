"""Syllables on the live screen: which lead, the ribbon of the last half minute, bars and marks."""

import numpy as np
import pytest

from rig.tui.ethogram import SPAN_NS, Ethogram
from rig.tui.lines import text_of_line, width_of
from rig.tui.session_view import SessionView
from rig.tui.syllable_panel import syllables
from tests.tui.messages import MS, posterior, status, text, trial


def test_leading_rows_keep_their_places() -> None:
    ethogram = Ethogram(pinned=(5,))
    for index in range(60):
        ethogram.add(posterior(index, [0, 0, 1, 2][index % 4], 0.9))
    rows = list(ethogram.leading(4))
    assert rows[0] == 5
    assert set(rows) == {5, 0, 1, 2}
    for index in range(60, 600):
        ethogram.add(posterior(index, [4, 2, 1, 4][index % 4], 0.9))
    later = ethogram.leading(4)
    assert set(later) == {5, 1, 2, 4}
    assert [later.index(k) for k in (5, 1, 2)] == [rows.index(k) for k in (5, 1, 2)]
    assert later.index(4) == rows.index(0)


def test_the_ribbon_scrolls_on_a_grid_of_time_and_shows_gaps() -> None:
    ethogram = Ethogram()
    for index in range(900):
        ethogram.add(posterior(index, 2, 0.8, evidence=not 300 <= index < 400))
    image, first, width_ns = ethogram.ribbon([2, 0], 60)
    assert image.shape == (2, 60)
    assert width_ns == SPAN_NS // 60
    missing = np.isnan(image[0])
    assert 5 <= missing.sum() <= 7, "100 frames without evidence are 3.3 s, and the span is not quite full"
    assert np.allclose(image[0][~missing], 0.8)
    assert np.allclose(image[1][~missing], 0.04)
    ethogram.add(posterior(916, 2))
    moved, second, _ = ethogram.ribbon([2, 0], 60)
    np.testing.assert_array_equal(moved[0][: -2 - (second - first)], image[0][second - first : -2])


def test_the_syllable_panel_shows_names_bars_thresholds_and_pulses(view: SessionView) -> None:
    view.take(status(0), None, 0)
    for index in range(30):
        view.take(posterior(index, 3, 0.75), None, 0)
    view.take(trial(29, "pulse", 1), None, 0)
    lines = syllables(view, 100, 8)
    assert len(lines) == 8
    shown = [text_of_line(line) for line in lines]
    assert shown[1].startswith("▸ 3 rear")
    assert "0.75" in shown[1]
    assert "│" in shown[1][22:42], "the threshold is drawn in the bar"
    assert shown[-1].endswith("▲")
    assert {width_of(line) for line in lines} == {100}


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_syllable_that_leads_now_is_named_though_no_row_is_its_own(view: SessionView, width: int) -> None:
    for index in range(30):
        view.take(posterior(index, index % 2, 0.9), None, index)
    assert len(syllables(view, width, 4)) == 4
    view.take(posterior(30, 3, 0.9), None, 30)
    lines = syllables(view, width, 4)
    assert "rear" not in text(lines[1:])
    assert text(lines[:1]).endswith(" now 3 rear 0.90")
    assert {width_of(line) for line in lines} == {width}
    view.take(posterior(31, 4, 0.9), None, 31)
    assert text(syllables(view, width, 4)[:1]).endswith(" now 4 0.90")
    view.take(posterior(32, 4, evidence=False), None, 32)
    assert text(syllables(view, width, 4)[:1]).endswith(" now -")
    view.take(posterior(33, 4), None, 33)
    view.look(2_000 * MS)
    assert text(syllables(view, width, 4)[:1]).endswith(" now -")
