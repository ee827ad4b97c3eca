"""A yoked animal as an experimenter runs it: two whole sessions, the second on the folder of the first."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from offline.replay.compare import compare
from offline.replay.recorded import read_session, recording_of
from offline.replay.run import replay
from online.files.session_file import SessionReader
from online.files.session_pulses import pulse_times_ms
from online.files.tables import text_of
from tests.rigs import PROTOCOL, edges, run, write_recording, write_rig

pytestmark = pytest.mark.xdist_group("live")  # one live session at a time

HEAD, REST = PROTOCOL.split("[[rules]]")
RULE, OUTPUTS = REST.split("[[outputs]]")
BLOCKS = """
[[blocks]]
name = "quiet"
duration_ms = 1200
[[blocks]]
name = "loud"
duration_ms = 598800
rules = "either"
"""
MASTER = RULE.replace("refractory_ms = 300", "refractory_ms = 800").replace("= 0.25", "= 0.0")
YOKED = '\nname = "either"\nkind = "yoked"\nsource = "SOURCE"\noutput = "laser"\n'
GRID_MS = 0.1


def text_with(rule: str) -> str:
    return f"{HEAD}{BLOCKS}[[rules]]{rule}[[outputs]]{OUTPUTS}"


def test_a_yoked_session_repeats_its_sources_pulses(
    tmp_path: Path, private: Path, record_property: Callable[[str, object], None]
) -> None:
    """A pulse is late by as long as its command took from decision to board, which a loaded machine decides, and by
    nothing else: the program sends it with exactly the delay that is left."""
    write_recording(tmp_path / "rec", 300)
    files = write_rig(tmp_path, 'driver = "recording"\npath = "rec"', private, text_with(MASTER))
    code, out, err = run(files)
    assert code == 0, err
    source = Path(json.loads(out)["folder"])
    due_ms = np.array(pulse_times_ms(source))
    assert len(due_ms) >= 3
    files.protocol.write_text(text_with(YOKED.replace("SOURCE", str(source))))
    code, out, err = run(files)
    assert code == 0, err
    folder = Path(json.loads(out)["folder"])
    with SessionReader(folder) as session:
        trials, receipts = session.table("pulses/trials"), session.table("pulses/receipts")
        start_ns = int(session.table("engine/rows")["capture_time_ns"][0])
    details = [text_of(row["detail"]) for row in trials]
    assert sorted(set(details)) == sorted(f"due at {time:.3f} ms of the session" for time in due_ms)
    given = trials[[text_of(row["outcome"]) == "pulse" for row in trials]]
    assert len(given) > len(due_ms) / 2
    assert [level for _, level in edges(folder)] == [1, 0] * len(given)
    rise_ns = dict(zip(receipts["command_sequence"].tolist(), receipts["executed_time_ns"].tolist(), strict=True))
    late_ms = []
    for row in given:
        due = due_ms[np.argmin([text_of(row["detail"]) != f"due at {time:.3f} ms of the session" for time in due_ms])]
        rise = rise_ns[int(row["command_sequence"])]
        on_its_way_ms = (rise - int(row["delay_us"]) * 1000 - int(row["decided_time_ns"])) / 1e6
        late_ms.append((rise - start_ns) / 1e6 - due)
        assert abs(late_ms[-1] - on_its_way_ms) <= GRID_MS
    record_property(
        "counts",
        f"yoked live: {len(given)} of {len(due_ms)} pulses, "
        f"{np.median(late_ms):.3f} ms late at the median, {max(late_ms):.3f} at most",
    )
    recorded = read_session(folder)
    again = replay(recording_of(recorded, as_recorded=True), recorded.protocol, recorded.own_materials(None))
    found = compare(again.decided, recorded.trials)
    assert found.identical, found.difference
