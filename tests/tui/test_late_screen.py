"""A screen that is opened while the session runs knows what happened before."""

from pathlib import Path

import numpy as np
import pytest

from online.messages import Event
from rig.tui.alert_lines import alerts
from rig.tui.earlier import read_earlier
from rig.tui.health_panel import health
from rig.tui.session_view import SessionView
from tests.tui.messages import MS, K, frame, history_of, receipt, text, write_session


def test_counts_of_the_session_are_not_zero_before_its_past_is_known(tmp_path: Path, view: SessionView) -> None:
    words = text(health(view, 62, 0, 0))
    assert "dropped -" in words
    assert "blind -" in words
    view.take(frame(7, dropped=3), None, 0)
    assert "dropped 3+" in text(health(view, 62, 0, 0)), "heard losses are never hidden"
    write_session(tmp_path, history_of(10))
    view.take_earlier(read_earlier(tmp_path))
    words = text(health(view, 62, 0, 0))
    assert f"dropped {view.dropped_by_camera} " in words
    assert f"blind {view.without_evidence}" in words


@pytest.mark.parametrize("heard_from", [0, 90, 199])
def test_a_screen_that_comes_late_knows_what_happened(tmp_path: Path, view: SessionView, heard_from: int) -> None:
    messages = history_of(100)
    write_session(tmp_path, messages)
    whole = SessionView(view.facts)
    for message in messages:
        whole.take(message, None, 0)
    for message in messages[heard_from:]:
        view.take(message, None, 0)
    view.take_earlier(read_earlier(tmp_path))
    for one in (whole, view):
        assert one.ethogram.newest_ns == 99 * 33 * MS
    assert view.counts.by_block == whole.counts.by_block
    assert view.counts.commands == whole.counts.commands
    assert [t.frame_index for t in view.counts.trials] == [t.frame_index for t in whole.counts.trials]
    assert sorted(e.text for e in view.log.newest()) == sorted(e.text for e in whole.log.newest())
    assert view.dropped_by_camera == whole.dropped_by_camera
    assert view.without_evidence == whole.without_evidence
    rows = list(range(K))
    np.testing.assert_array_equal(view.ethogram.ribbon(rows, 50)[0], whole.ethogram.ribbon(rows, 50)[0])


def test_a_screen_that_comes_late_shows_the_alerts_that_nobody_acknowledged(tmp_path: Path, view: SessionView) -> None:
    slow = Event(time_ns=40 * MS, source="camera", kind="alert", detail="slow USB")
    lost = Event(time_ns=50 * MS, source="online", kind="loss", detail="2 messages of 'frames' never came")
    write_session(tmp_path, [slow, receipt(1, 1, "refused"), lost, slow.replace(time_ns=60 * MS)])
    view.take(Event(time_ns=70 * MS, source="recorder", kind="alert", detail="late"), None, 70 * MS)
    view.alerts.acknowledge()
    assert "since this screen was opened" in text(alerts(view, 60, 2, 10**9)), "green only when all is known"
    view.take(lost, None, 80 * MS)
    view.take_earlier(read_earlier(tmp_path))
    assert [(a.source, a.text, a.times) for a in view.alerts.open] == [
        ("camera", "slow USB", 2),
        ("board", "pulse refused: duty", 1),
        ("online", "2 messages of 'frames' never came", 1),
    ]
    assert (view.alerts.open[0].first_ns, view.alerts.open[0].last_ns) == (40 * MS, 60 * MS)
    assert "1:00:00 ago" in text(alerts(view, 60, 3, 3_600_060 * MS))
    view.alerts.acknowledge()
    assert "● no alerts" in text(alerts(view, 60, 2, 10**9))
