"""The repertoire: syllables, grammar and dynamics are what they claim to be."""

import numpy as np
import pytest

from online.simulation.behaviour import Behaviour, make_behaviour, springs, stationary_distribution
from online.simulation.settings import STEPS_HZ, SimulationSettings
from online.simulation.trajectory import SYLLABLE, advance, start_trajectory

SETTINGS = SimulationSettings(seed=11)
NUM_STEPS = 180 * 400


@pytest.fixture(scope="module")
def course() -> tuple[Behaviour, np.ndarray, np.ndarray]:
    """Behaviour, syllables (steps,) and postures (steps, D) of 400 s."""
    behaviour = make_behaviour(SETTINGS.behaviour_seed, SETTINGS.num_syllables)
    trajectory = start_trajectory(SETTINGS, behaviour)
    syllables, postures = np.empty(NUM_STEPS, np.int64), np.empty((NUM_STEPS, 9))
    for i in range(NUM_STEPS):
        advance(trajectory, 1)
        syllables[i], postures[i] = trajectory.counts[SYLLABLE], trajectory.posture[0]
    return behaviour, syllables, postures


def test_bouts_last_about_350_ms(course: tuple[Behaviour, np.ndarray, np.ndarray]) -> None:
    behaviour, syllables, _ = course
    bouts = np.diff(np.flatnonzero(np.diff(syllables)))
    assert 1000 * bouts.mean() / STEPS_HZ == pytest.approx(350, rel=0.15)
    assert 200 < behaviour.mean_duration_ms.min() < behaviour.mean_duration_ms.max() < 650


def test_syllables_follow_the_transition_matrix(course: tuple[Behaviour, np.ndarray, np.ndarray]) -> None:
    behaviour, syllables, _ = course
    share = np.bincount(syllables, minlength=behaviour.num_syllables) / NUM_STEPS
    assert np.abs(share - behaviour.usage).max() < 0.03
    assert share.min() > 0.005
    leaving = np.flatnonzero(np.diff(syllables))
    jump = behaviour.transition_matrix * (1 - np.eye(behaviour.num_syllables))
    jump /= jump.sum(1, keepdims=True)
    surprise = -np.log2(jump[syllables[leaving], syllables[leaving + 1]]).mean()
    entropy = -np.sum(behaviour.usage[:, None] * jump * np.log2(np.maximum(jump, 1e-300)))
    assert surprise == pytest.approx(entropy, rel=0.1)
    assert surprise < 0.9 * np.log2(behaviour.num_syllables - 1), "the grammar must have structure"


def test_posture_is_the_exposed_autoregression(course: tuple[Behaviour, np.ndarray, np.ndarray]) -> None:
    behaviour, syllables, postures = course
    model = behaviour.arhmm()
    k = syllables[2:]
    predicted = model.ar_bias[k]
    for lag in range(2):
        predicted = predicted + np.einsum("tij,tj->ti", model.ar_coefficients[k, lag], postures[lag : lag - 2])
    residual = (postures[2:] - predicted) / np.sqrt(model.ar_covariance[k].diagonal(axis1=1, axis2=2))
    assert np.abs(residual.mean(0)).max() < 0.02
    assert np.abs(residual.std(0) - 1).max() < 0.02
    assert np.abs(np.corrcoef(residual.T) - np.eye(9)).max() < 0.02


def test_posture_stays_near_its_target_within_a_long_bout() -> None:
    behaviour = make_behaviour(0, 24)
    fixed_point = behaviour.bias / (1 - behaviour.lag_1 - behaviour.lag_2)
    np.testing.assert_allclose(fixed_point, behaviour.target, rtol=1e-9, atol=1e-9)
    radius = np.abs((behaviour.lag_1 + np.emath.sqrt(behaviour.lag_1**2 + 4 * behaviour.lag_2)) / 2)
    assert radius.max() < 1


@pytest.mark.parametrize(("frequency_hz", "damping", "sd"), [(4.0, 0.12, 0.2), (3.0, 0.7, 15.0), (5.0, 0.99, 0.02)])
def test_springs_swing_as_fast_and_as_far_as_asked(frequency_hz: float, damping: float, sd: float) -> None:
    """Poles of the discrete system against the damped oscillator's, spread by summing the impulse response."""
    lag_1, lag_2, noise_sd = (float(x) for x in springs(np.array(frequency_hz), np.array(damping), np.array(sd)))
    pole = np.log(np.roots([1, -lag_1, -lag_2])[0]) * STEPS_HZ
    assert abs(pole) == pytest.approx(2 * np.pi * frequency_hz)
    assert -pole.real / abs(pole) == pytest.approx(damping)
    response = [1.0, lag_1]
    for _ in range(5000):
        response.append(lag_1 * response[-1] + lag_2 * response[-2])
    assert noise_sd * np.sqrt(np.sum(np.square(response))) == pytest.approx(sd)


@pytest.mark.parametrize(("behaviour_seed", "num_syllables"), [(0, 24), (1, 20), (2, 40), (3, 4), (4, 100)])
def test_any_repertoire_is_sound(behaviour_seed: int, num_syllables: int) -> None:
    behaviour = make_behaviour(behaviour_seed, num_syllables)
    behaviour.arhmm()
    assert len(set(behaviour.names)) == num_syllables
    np.testing.assert_allclose(stationary_distribution(behaviour.transition_matrix), behaviour.usage, atol=1e-9)
    assert behaviour.usage.min() > 0.1 / num_syllables
