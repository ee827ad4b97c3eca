"""Novelty is spread evenly on what the model knows and close to one on what it does not."""

import numpy as np
import pytest

from online import decoder, novelty
from online.model import ARHMM, Array, Whitening
from online.simulation.arhmm import random_arhmm, sample

PLAIN = Whitening(np.zeros(4), np.eye(4))


def follow(model: ARHMM, calibration: novelty.NoveltyCalibration, x: Array, phases: int = 1) -> Array:
    state, tracker = decoder.init(model, PLAIN, phases), novelty.init(calibration, 30.0 * phases)
    values = [novelty.step(tracker, decoder.step(state, row, 1)) for row in x]
    return np.array([np.nan if v is None else v for v in values])


@pytest.fixture(scope="module")
def known() -> tuple[ARHMM, novelty.NoveltyCalibration]:
    model = random_arhmm(0, 15)
    sessions = [novelty.session_log_evidence(model, PLAIN, sample(model, 4000, seed)[1]) for seed in (1, 2)]
    calibration = novelty.calibrate(sessions, 30.0)
    assert calibration is not None
    return model, calibration


def test_on_a_new_session_of_the_same_animal_it_is_spread_evenly(
    known: tuple[ARHMM, novelty.NoveltyCalibration],
) -> None:
    model, calibration = known
    got = follow(model, calibration, sample(model, 6000, seed=3)[1])[100:]
    for level in (0.25, 0.5, 0.75):
        assert (got < level).mean() == pytest.approx(level, abs=0.1)
    assert (got > 0.99).mean() < 0.05


def test_on_another_animal_it_is_close_to_one(known: tuple[ARHMM, novelty.NoveltyCalibration]) -> None:
    model, calibration = known
    stranger = follow(model, calibration, sample(random_arhmm(9, 15), 2000, seed=3)[1])[100:]
    noisier = follow(model, calibration, 1.3 * sample(model, 2000, seed=4)[1])[100:]
    assert np.median(stranger) > 0.95
    assert (noisier > 0.95).mean() > 0.95


def test_frames_without_evidence_have_no_novelty(known: tuple[ARHMM, novelty.NoveltyCalibration]) -> None:
    model, calibration = known
    x = sample(model, 60, seed=3)[1]
    x[40:45] = np.nan
    got = follow(model, calibration, x)
    assert list(np.flatnonzero(np.isnan(got))) == [0, 1, 2, 40, 41, 42, 43, 44]
    assert ((got[~np.isnan(got)] > 0) & (got[~np.isnan(got)] < 1)).all()


def test_the_average_spans_the_same_time_at_every_rate(known: tuple[ARHMM, novelty.NoveltyCalibration]) -> None:
    model, calibration = known
    x = sample(random_arhmm(9, 15), 300, seed=3)[1]
    slow = follow(model, calibration, x)
    fast = follow(model, calibration, np.repeat(x, 3, axis=0), phases=3)
    np.testing.assert_allclose(fast[2::3][3:], slow[3:], atol=0.1)


def test_too_little_data_is_not_calibrated() -> None:
    assert novelty.calibrate([np.full(200, np.nan), np.zeros(99)], 30.0) is None


def test_ties_in_the_evidence_do_no_harm() -> None:
    calibration = novelty.calibrate([np.zeros(500)], 30.0)
    assert calibration is not None
    state = novelty.init(calibration, 30.0)
    decoded = decoder.Decoded(np.ones(1), np.zeros(1), np.zeros(1), has_evidence=True, log_evidence=0.0)
    assert novelty.step(state, decoded) is not None
