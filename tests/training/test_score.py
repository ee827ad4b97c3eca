"""Scores against the truth, on cases small enough to count by hand."""

import math

import numpy as np
import pytest

from offline.score import (
    Triggers,
    TruthTrack,
    accuracy,
    adjusted_mutual_information,
    match_syllables,
    score_triggers,
)
from online.errors import EtholoopError

FRAME_NS = 10_000_000  # 100 Hz: a frame is 10 ms


def track(syllables: list[int], dropped: tuple[int, ...] = (), first_slot: int = 100) -> TruthTrack:
    slots = np.arange(first_slot, first_slot + len(syllables))
    values = np.array(syllables)
    onsets = np.maximum.accumulate(np.where(np.diff(values, prepend=-99) != 0, slots, 0))
    onsets[onsets == first_slot] = first_slot - 5  # the first bout began before the record
    kept = ~np.isin(slots, dropped)
    return TruthTrack(slots[kept], 7 + slots[kept] * FRAME_NS, values[kept], onsets[kept])


def triggers(slots: list[int], delays_ms: list[float]) -> Triggers:
    frames = np.array(slots, np.int64)
    delays = np.array(delays_ms, float)
    pulses = np.where(delays > 0, 7 + frames * FRAME_NS + (delays * 1e6).astype(np.int64), 0)
    return Triggers(frames, pulses)


#             slots 100-102   103-106    107-109  110-113      114     115-119
SYLLABLES = [1] * 3 + [0] * 4 + [1] * 3 + [0] * 4 + [2] + [1] * 5


def test_precision_recall_and_delay_by_hand() -> None:
    # bouts of 1: before 100 (onset not recorded), 107-109, 115-119
    score = score_triggers(track(SYLLABLES), triggers([101, 108, 112], [4, 4, 4]), {1}, refractory_ms=25)
    assert (score.triggers, score.right_triggers) == (3, 2)
    assert (score.eligible_bouts, score.triggered_bouts) == (2, 1)
    assert score.precision == pytest.approx(2 / 3)
    assert score.recall == 0.5
    np.testing.assert_allclose(score.onset_to_pulse_ms, [14])
    np.testing.assert_array_equal(score.onset_to_decision_frames, [6, 1])


def test_a_bout_that_begins_in_the_refractory_period_does_not_count() -> None:
    # the trigger at 112 is refractory until 115 (30 ms) or past it (31 ms)
    assert score_triggers(track(SYLLABLES), triggers([112], [4]), {1}, refractory_ms=30).eligible_bouts == 2
    assert score_triggers(track(SYLLABLES), triggers([112], [4]), {1}, refractory_ms=31).eligible_bouts == 1


def test_a_trigger_at_the_onset_itself_does_not_exclude_its_own_bout() -> None:
    score = score_triggers(track(SYLLABLES), triggers([107], [4]), {1}, refractory_ms=1000)
    assert (score.eligible_bouts, score.triggered_bouts) == (1, 1)


def test_catch_trials_count_but_have_no_delay() -> None:
    score = score_triggers(track(SYLLABLES), triggers([108, 116], [0, 3]), {1}, refractory_ms=0)
    assert (score.right_triggers, score.triggered_bouts) == (2, 2)
    np.testing.assert_allclose(score.onset_to_pulse_ms, [13])


def test_an_onset_in_a_dropped_frame_is_interpolated() -> None:
    score = score_triggers(track(SYLLABLES, dropped=(107,)), triggers([109], [1]), {1}, refractory_ms=0)
    np.testing.assert_allclose(score.onset_to_pulse_ms, [21])


def test_several_targets_and_none() -> None:
    both = score_triggers(track(SYLLABLES), triggers([104, 114, 116], [1, 1, 1]), {1, 2}, refractory_ms=0)
    assert both.precision == pytest.approx(2 / 3)
    assert both.eligible_bouts == 3
    nothing = score_triggers(track(SYLLABLES), triggers([], []), {7}, refractory_ms=10)
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.recall)


def test_triggers_of_another_session_are_refused() -> None:
    for slot in (99, 500):
        with pytest.raises(EtholoopError, match="no truth"):
            score_triggers(track(SYLLABLES), triggers([slot], [1]), {1}, 0)


def test_labels_are_matched_and_scored() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    labels = np.array([5, 5, 5, 3, 3, 3, 3, 4, 4, -5])
    assert match_syllables(truth, labels) == {5: 0, 3: 1, 4: 2}
    assert accuracy(truth, labels) == pytest.approx(8 / 9)
    assert adjusted_mutual_information(truth, truth + 4) == pytest.approx(1)
    assert adjusted_mutual_information(truth, np.full(10, -5)) != adjusted_mutual_information(truth, np.full(10, -5))
    rng = np.random.default_rng(0)
    assert abs(adjusted_mutual_information(rng.integers(0, 9, 4000), rng.integers(0, 9, 4000))) < 0.02
    with pytest.raises(EtholoopError, match="10 frames, labels 9"):
        accuracy(truth, labels[:9])


def test_two_labels_cannot_share_a_true_syllable() -> None:
    truth = np.array([0, 0, 0, 0, 0])
    labels = np.array([1, 1, 1, 2, 2])
    assert match_syllables(truth, labels) == {1: 0}
    assert accuracy(truth, labels) == pytest.approx(3 / 5)
