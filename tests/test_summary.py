"""The summary tells what an operator has to know, also when nobody watched the screen."""

from pathlib import Path

import numpy as np
import pytest

from online.messages import Event, PulseReceipt, Syllables, Trial
from rig.summary import as_text, summarise
from tests.test_session_file import write


def test_alerts_stand_in_the_summary_with_their_time(tmp_path: Path) -> None:
    path = tmp_path / "session.h5"
    writer = write(path)
    start_ns = 10**12
    writer.append(Event(time_ns=start_ns, source="supervisor", kind="lifecycle", detail="session starts"), None)
    alert = Event(time_ns=start_ns + 3 * 10**9, source="online", kind="alert", detail="the board disarmed itself")
    writer.append(alert, None)
    writer.close()
    summary = summarise(path)
    assert "the board disarmed itself" in [alert["what"] for alert in summary["alerts"]]
    assert "session starts" not in [alert["what"] for alert in summary["alerts"]]
    assert "s: the board disarmed itself" in as_text(summary)


def test_alerts_that_differ_in_numbers_alone_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "session.h5"
    writer = write(path)
    for second in range(1, 4):
        alert = Event(time_ns=second * 10**9 + 1, source="online", kind="alert", detail=f"jumped by {second}.5 ms")
        writer.append(alert, None)
    writer.close()
    lines = [line for line in as_text(summarise(path)).splitlines() if "jumped" in line]
    assert lines == ["ALERT     at 1.0 s: jumped by 1.5 ms (3 such alerts until 3.0 s)"]


@pytest.mark.parametrize(("novelty", "strange"), [(0.5, False), (0.9999, True), (None, False)])
def test_a_session_that_the_model_does_not_know_is_said_to_be_strange(
    tmp_path: Path, novelty: float | None, strange: bool
) -> None:
    path = tmp_path / "session.h5"
    writer = write(path)
    for index in range(5, 40):
        writer.append(
            Syllables(
                frame_index=index,
                capture_time_ns=1,
                arrival_time_ns=2,
                extracted_time_ns=3,
                decoded_time_ns=4,
                posterior=np.array([0.1, 0.2, 0.7]),
                scores=np.zeros(2),
                further=np.zeros(6),
                phase=0,
                has_evidence=True,
                log_evidence=-1.0,
                novelty=novelty,
            ),
            None,
        )
    writer.close()
    assert ("the animal or the camera is not what the model has learned" in as_text(summarise(path))) == strange


def trial(number: int, sequence: int | None) -> Trial:
    return Trial(
        frame_index=10 * number,
        rule="either",
        trial_number=number,
        outcome="catch" if sequence is None else "pulse",
        reason="",
        target_probability=0.9,
        threshold=0.8,
        block="b",
        output="laser",
        channel=0,
        width_us=1000,
        period_us=0,
        count=1,
        delay_us=0,
        detail="",
        command_sequence=sequence,
        capture_time_ns=1,
        arrival_time_ns=2,
        extracted_time_ns=3,
        decoded_time_ns=4,
        decided_time_ns=5,
        written_time_ns=None if sequence is None else 6,
    )


def test_every_command_that_was_not_executed_is_listed_with_its_cause(tmp_path: Path) -> None:
    path = tmp_path / "session.h5"
    writer = write(path)
    fates = {
        1: ("executed", ""),
        2: ("refused", "quiet"),
        3: ("lost", "no acknowledgement in 500 ms"),
        5: ("refused", "quiet"),
    }
    for number, sequence in enumerate((1, 2, None, 3, 4, 5)):
        writer.append(trial(number, sequence), None)
    for sequence, (outcome, reason) in fates.items():
        times = {"device_time_us": 9, "executed_time_ns": 7 if outcome == "executed" else None, "received_time_ns": 8}
        writer.append(PulseReceipt(command_sequence=sequence, outcome=outcome, reason=reason, **times), None)
    writer.close()
    summary = summarise(path)
    assert summary["commands"] == {"sent": 5, "executed": 1, "refused": 2, "lost": 1, "unanswered": 1}
    assert [(c["sequence"], c["frame_index"], c["outcome"]) for c in summary["not_executed"]] == [
        (2, 10, "refused"),
        (3, 30, "lost"),
        (4, 40, "unanswered"),
        (5, 50, "refused"),
    ]
    assert summary["trials"]["either"] == {"pulses": 5, "not_executed": 4, "catches": 1, "refused": {}}
    text = as_text(summary)
    assert "either: 5 pulses (4 of them never executed), 1 catches" in text
    assert "2 refused quiet" in text
    assert "1 lost no acknowledgement in 500 ms" in text
