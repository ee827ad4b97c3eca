"""Latency on the screen: of which seconds, of which pulses, and its course."""

from itertools import pairwise

import pytest

from rig.tui.latency import FRAME_STAGES, STAGES, WINDOW_S, LatencyMeter
from rig.tui.latency_panel import ALL_ROWS, latency
from rig.tui.lines import text_of_line, width_of
from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView
from tests.tui.messages import MS, posterior, receipt, trial

SECOND = 30


def test_frames_of_more_than_ten_seconds_ago_are_forgotten() -> None:
    meter = LatencyMeter()
    slow = posterior(0, 1)
    meter.on_syllables(slow.replace(decoded_time_ns=slow.decoded_time_ns + 50 * MS))
    for index in range(1, 9 * SECOND):
        meter.on_syllables(posterior(index, 1))
    rows = {row.stage: row for row in meter.rows(10)}
    assert (rows["decoded"].max_ms, rows["decoded"].p50_ms) == (51.0, 1.0)
    assert max(rows["decoded"].course_ms[:2]) == 51.0, "the course shows it where it was"
    for index in range(9 * SECOND, 12 * SECOND):
        meter.on_syllables(posterior(index, 1))
    rows = {row.stage: row for row in meter.rows(10)}
    assert rows["decoded"].max_ms == 1.0
    assert rows["decoded"].count == pytest.approx(WINDOW_S * 1000 / 33, abs=1)


def test_columns_scroll_and_do_not_shimmer() -> None:
    meter = LatencyMeter()
    courses = []
    for index in range(40 * SECOND):
        slow = 20 * MS if index % (7 * SECOND) == 0 else 0
        message = posterior(index, 1)
        meter.on_syllables(message.replace(decoded_time_ns=message.decoded_time_ns + slow))
        if index > 20 * SECOND:
            courses.append(meter.rows(10)[2].course_ms)
    assert {len(course) for course in courses} == {10}
    changes = sum(before != after for before, after in pairwise(courses))
    assert changes < len(courses) / 8, "nothing changes but when a second is over or is slow"


def test_a_stamp_of_the_future_holds_no_more_than_a_window() -> None:
    meter = LatencyMeter()
    meter.on_syllables(posterior(10**6, 1))
    for index in range(4000):
        meter.on_syllables(posterior(index, 1))
    assert meter.rows()[0].count <= 1300


@pytest.fixture
def view() -> SessionView:
    view = SessionView(SessionFacts())
    for index in range(40):
        view.take(posterior(index, 1), None, 0)
        view.take(trial(index, "pulse", index), None, 0)
        view.take(receipt(index, index), None, 0)
    return view


def test_what_a_pulse_took_is_of_pulses_alone(view: SessionView) -> None:
    before = view.latency.rows()[3]
    assert (before.stage, before.count) == ("decided", 40)
    for index, outcome in enumerate(("catch", "refused"), 50):
        view.take(trial(index, outcome), None, 0)
    assert view.latency.rows()[3] == before


@pytest.mark.parametrize("width", [37, 46, 62])
def test_it_is_said_of_what_the_numbers_are(view: SessionView, width: int) -> None:
    whole = [text_of_line(line) for line in latency(view, width, ALL_ROWS)]
    assert whole[0].rstrip().endswith("p50  p95  max last 10 s")
    assert len(whole) == ALL_ROWS
    assert "40 pulses" in whole[4]
    assert all("▃" in line for line in (*whole[1:4], *whole[5:])), "each stage with its course"
    few = [text_of_line(line) for line in latency(view, width, 5)]
    assert ["40 pulses" in line for line in few] == [False] * 4 + [True]
    assert all(width_of(line) <= width for line in latency(view, width, ALL_ROWS))


def test_the_weightiest_stages_stay_where_there_is_little_room(view: SessionView) -> None:
    assert latency(view, 46, 1) == []
    two = [text_of_line(line).split()[:4] for line in latency(view, 46, 3)[1:]]
    assert [" ".join(words) for words in two] == ["→ decoded 1.0 1.0", "exposure → line 12.0"]


def test_numbers_never_touch(view: SessionView) -> None:
    view.take(posterior(41, 1).replace(decoded_time_ns=10**10), None, 0)
    shown = text_of_line(latency(view, 37, 9)[3])
    assert "1.0" in shown
    assert str(round((10**10 - posterior(41, 1).extracted_time_ns) / 1e6)) in shown.split()


def test_nothing_was_heard() -> None:
    rows = LatencyMeter().rows(8)
    assert [row.stage for row in rows] == list(STAGES)
    assert STAGES[:3] == FRAME_STAGES
    assert all(row.p50_ms is None and row.course_ms == () for row in rows)
