"""Headline, foot, bars and small texts: what fits into a line."""

import numpy as np
import pytest

from rig.tui.big_text import big
from rig.tui.foot import KeyWords, keys
from rig.tui.headline import headline_big, headline_small
from rig.tui.lines import bar, fit, history, minutes, text_of_line, width_of
from rig.tui.session_view import SessionView
from tests.tui.messages import posterior, status, text


@pytest.mark.parametrize("width", [78, 120, 200])
def test_the_headline_fits(view: SessionView, width: int) -> None:
    view.take(status(0, pulses=123), None, 0)
    view.take(posterior(0, 1), None, 0)
    for line in headline_small(view, width, "") + headline_big(view, width, ""):
        assert width_of(line) <= width
    assert "02:05" in text(headline_small(view, width, ""))
    for scale in (1, 2) if width > 80 else (1,):
        assert "left in stim" in text(headline_big(view, width, "", scale))
        assert "line low" in text(headline_big(view, width, "line low", scale))


def test_emergency_stop_is_always_among_the_keys() -> None:
    words = KeyWords((("q", "end"), ("n", "note")))
    assert text_of_line(keys(20, words)) == " ! EMERGENCY STOP "
    assert text_of_line(keys(30, words)).endswith("q end")
    assert text_of_line(keys(60, words, "replay")).endswith("replay")
    assert "STOP" not in text_of_line(keys(60, KeyWords((), "view")))


def test_bars_have_their_width_and_ticks() -> None:
    for value in (-1.0, 0.0, 0.03, 0.5, 0.999, 1.0, 2.0):
        assert width_of(bar(value, 10)) == 10
    assert text_of_line(bar(0.5, 8)) == "████····"
    assert text_of_line(bar(0.5, 8, (0.25, 1.0))) == "██│█···│"
    assert text_of_line(bar(float("nan"), 4, (float("nan"),))) == "····"
    assert bar(0.5, 8, (0.25,))[1] == ("│", "tick_bar")


def test_small_texts() -> None:
    assert fit("abcdef", 4) == "abc…"
    assert fit("ab", 4) == "ab  "
    assert width_of(((fit("日本語", 4), ""),)) == 4
    assert minutes(61_000) == "01:01"
    assert minutes(3_661_000) == "1:01:01"
    assert text_of_line(history(np.array([0, 0.5, 1, np.nan], np.float32), "bar")) == " ▄▇·"
    assert [len(row) for row in big("12:3")] == [13, 13, 13]
