"""An unhealthy input is told once each time it begins, and never before its process has settled."""

import pytest

from online.messages import Health, InputHealth
from rig.input_watch import STARTING_NS, InputWatch


def beat(alive: bool, valid: bool = True, received: int = 9, state: str = "running") -> Health:
    inputs = (InputHealth(stream="frames", alive=alive, valid=valid, rate_hz=None, received=received, lost=0),)
    return Health.model_validate(
        {"process": "online", "beat": 1, "time_ns": 0, "state": state, "inputs": inputs, "detail": ""}
    )


def test_silence_is_told_once_each_time_it_begins() -> None:
    watch = InputWatch()
    told = [watch.take(beat(alive), now) for now, alive in enumerate((True, False, False, True, False))]
    assert told == [[], ["online hears no frames"], [], [], ["online hears no frames"]]


def test_an_input_that_never_came_is_told_after_the_start() -> None:
    watch = InputWatch()
    assert watch.take(beat(False, received=0), 0) == []
    assert watch.take(beat(False, received=0), STARTING_NS) == []
    assert watch.take(beat(False, received=0), STARTING_NS + 1) == ["online hears no frames"]


def test_what_cannot_be_read_is_told() -> None:
    assert InputWatch().take(beat(True, valid=False), 0) == ["online cannot read frames"]


@pytest.mark.parametrize("state", ["preparing", "ready", "stopping", "failed"])
def test_a_process_that_does_not_run_needs_no_input(state: str) -> None:
    assert InputWatch().take(beat(False, state=state), 10 * STARTING_NS) == []
