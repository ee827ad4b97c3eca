"""What a protocol refers to: pulse times of sessions, Python files, sealed assignments."""

from pathlib import Path

import numpy as np
import pytest

from online.errors import FileFormatError
from online.files.assignment import Sitting, commitment, open_arm, seal
from online.files.protocol_files import ProtocolFiles
from online.files.session_file import SessionShape, SessionWriter
from online.messages import EngineInput, PulseReceipt, Trial
from protocols.materials import from_json, gather, missing, to_json
from protocols.parse import parse_protocol
from tests.protocols.helpers import HEAD

ARMS = {f"mouse {i}": ("paired", "sham")[i % 2] for i in range(6)}
SECRET = bytes(range(32))
REFERRING = (
    HEAD
    + """
[[rules]]
name = "control"
alias = "stimulation"
kind = "yoked"
source = "times.txt"
output = "laser"
[[rules]]
name = "matched"
kind = "random"
match = "times.txt"
output = "laser"
[[rules]]
name = "own"
alias = "stimulation"
kind = "own"
file = "rule.py"
class = "Rule"
refractory_ms = 100
output = "laser"
[[arms]]
name = "paired"
rules = ["own"]
[[arms]]
name = "sham"
rules = ["control"]
[assignment]
sealed = "arms.sealed"
"""
)


def test_a_sealed_assignment_gives_each_subject_its_arm_and_shows_neither() -> None:
    text = seal(ARMS, SECRET)
    assert {subject: open_arm(text, subject, "f") for subject in ARMS} == ARMS
    assert open_arm(text, "mouse 9", "f") is None
    assert not any(word in text for word in ("paired", "sham", "mouse"))


def test_a_commitment_is_proved_by_its_own_assignment_only() -> None:
    text, sitting = seal(ARMS, SECRET), Sitting("mouse 1", "session 1", "sham")
    kept = commitment(text, sitting, "f")
    assert kept == commitment(text, sitting, "f")
    others = [Sitting("mouse 1", "session 1", "paired"), Sitting("mouse 3", "session 1", "sham")]
    assert all(commitment(text, other, "f") != kept for other in others)
    assert commitment(seal(ARMS, SECRET[::-1]), sitting, "f") != kept


@pytest.mark.parametrize("text", ["", "{}", '{"format": "other"}', "[1]"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(FileFormatError, match="not a sealed assignment"):
        open_arm(text, "mouse", "arms.sealed")


def test_all_that_a_protocol_refers_to_is_gathered_and_survives_the_record(tmp_path: Path) -> None:
    (tmp_path / "times.txt").write_text("300.5\n100\n")
    (tmp_path / "rule.py").write_text("class Rule: ...")
    (tmp_path / "arms.sealed").write_text(seal(ARMS, SECRET))
    protocol = parse_protocol(REFERRING, "file.toml")
    materials = gather(protocol, ProtocolFiles(tmp_path), "mouse 1")
    assert materials.pulse_times_ms == {"times.txt": (100.0, 300.5)}
    assert materials.sources == {"rule.py": "class Rule: ..."}
    assert materials.arm == "sham"
    assert missing(protocol, materials) == []
    record = to_json(materials)
    assert "sham" not in record
    assert from_json(record, "sham") == materials


@pytest.mark.parametrize(("name", "text"), [("times.txt", "one\n"), ("times.txt", None), ("rule.py", None)])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | None) -> None:
    files = {"times.txt": "1\n", "rule.py": "", "arms.sealed": seal(ARMS, SECRET)} | {name: text}
    for file, content in files.items():
        if content is not None:
            (tmp_path / file).write_text(content)
    with pytest.raises(FileFormatError, match=name):
        gather(parse_protocol(REFERRING, "file.toml"), ProtocolFiles(tmp_path), "mouse 1")


def a_trial(number: int, outcome: str, sequence: int | None) -> Trial:
    times = dict.fromkeys(name for name in Trial.model_fields if name.endswith("_time_ns"))
    values = dict.fromkeys(("target_probability", "threshold"), 0.5) | dict.fromkeys(times, 0)
    return Trial(
        frame_index=0,
        rule="r",
        trial_number=number,
        outcome=outcome,
        reason="",
        block="b",
        output="o",
        channel=0,
        width_us=1,
        period_us=1,
        count=1,
        delay_us=0,
        detail="",
        command_sequence=sequence,
        **values,
    )


def test_pulses_of_a_session_are_those_that_its_board_executed(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    shape = SessionShape(4, 4, 2, 0, 2, 4, record_depth=False, compression_level=1)
    writer = SessionWriter(folder / "session.h5", shape, {}, {})
    start_ns = 5 * 10**12
    for order in range(2):
        writer.append(
            EngineInput(
                order=order,
                frame_index=order,
                capture_time_ns=start_ns + order,
                decision_time_ns=start_ns,
                armed=True,
                paused=False,
            ),
            None,
        )
    for number, (outcome, sequence) in enumerate((("pulse", 7), ("catch", None), ("pulse", 8), ("pulse", 9))):
        writer.append(a_trial(number, outcome, sequence), None)
    for sequence, rise_ms in ((7, 1234.5), (8, None), (9, 250.25)):
        rise_ns = None if rise_ms is None else start_ns + round(rise_ms * 1e6)
        writer.append(
            PulseReceipt(
                command_sequence=sequence,
                outcome="executed" if rise_ns else "lost",
                reason="",
                device_time_us=None,
                executed_time_ns=rise_ns,
                received_time_ns=0,
            ),
            None,
        )
    writer.close()
    np.testing.assert_allclose(ProtocolFiles(tmp_path).pulse_times_ms("source"), (250.25, 1234.5))
