"""The animal's repertoire: an AR-HMM over posture, whose syllables have names.

Posture (D numbers, `POSTURE`) follows, while syllable k lasts, one damped spring a dimension, pulled to the
syllable's target and shaken by Gaussian noise; in discrete time this is an autoregression with two lags:

    y_t = ar_coefficients[k, 1] @ y_{t-1} + ar_coefficients[k, 0] @ y_{t-2} + ar_bias[k] + N(0, ar_covariance[k])

at STEPS_HZ steps a second. Syllables follow each other as a Markov chain: families of behaviour have a grammar, and
within it each syllable has a few favourite successors.
"""

from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from online.model import ARHMM
from online.simulation.families import FAMILIES, GRAMMAR, GROUPS, POSTURE, WITHIN_SD, Family
from online.simulation.settings import STEPS_HZ

Array = NDArray[np.float64]
NUM_LAGS = 2


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Names of the syllables, and the true generative model at STEPS_HZ (its innovations are Gaussian).

    lag_1, lag_2, noise_sd (K, D) are the diagonals of the model's matrices; target (K, D) its fixed points.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    mean_duration_ms: Array
    target: Array
    lag_1: Array
    lag_2: Array
    bias: Array
    noise_sd: Array
    transition_matrix: Array
    usage: Array

    @property
    def num_syllables(self) -> int:
        """K."""
        return len(self.names)

    def arhmm(self) -> ARHMM:
        """The same as dense matrices in the canonical form of `online.model`."""
        k, d = self.target.shape
        coefficients = np.zeros((k, NUM_LAGS, d, d))
        diagonal = np.arange(d)
        coefficients[:, 0, diagonal, diagonal] = self.lag_2
        coefficients[:, 1, diagonal, diagonal] = self.lag_1
        covariance = np.zeros((k, d, d))
        covariance[:, diagonal, diagonal] = self.noise_sd**2
        return ARHMM(coefficients, self.bias, covariance, None, self.transition_matrix, self.usage)


def make_behaviour(behaviour_seed: int, num_syllables: int, posture_noise: float = 1.0) -> Behaviour:
    """Draw a repertoire; the same arguments give the same one."""
    rng = np.random.default_rng([behaviour_seed, num_syllables])
    members = [FAMILIES[i % len(FAMILIES)] for i in range(num_syllables)]
    target = _spread_targets(members, rng)
    frequency_hz, damping, within_sd = _dynamics(members, rng)
    lag_1, lag_2, noise_sd = springs(frequency_hz, damping, within_sd * posture_noise)
    mean_duration_ms = _durations(members, rng)
    transition_matrix = _transitions(members, mean_duration_ms, rng)
    return Behaviour(
        names=_names(members),
        groups=tuple(member.group for member in members),
        mean_duration_ms=mean_duration_ms,
        target=target,
        lag_1=lag_1,
        lag_2=lag_2,
        bias=(1 - lag_1 - lag_2) * target,
        noise_sd=noise_sd,
        transition_matrix=transition_matrix,
        usage=stationary_distribution(transition_matrix),
    )


def stationary_distribution(transition_matrix: Array) -> Array:
    """Long-run share of time of each state, (K,)."""
    k = transition_matrix.shape[0]
    share = np.linalg.solve(np.eye(k) - transition_matrix.T + 1.0 / k, np.full(k, 1.0 / k))
    return np.asarray(share / share.sum())


def _names(members: list[Family]) -> tuple[str, ...]:
    seen: dict[str, int] = {}
    names = []
    for member in members:
        seen[member.name] = seen.get(member.name, 0) + 1
        names.append(member.name if seen[member.name] == 1 else f"{member.name} {seen[member.name]}")
    return tuple(names)


def _spread_targets(members: list[Family], rng: np.random.Generator, candidates: int = 30) -> Array:
    """Targets near their family's, each the candidate that lies farthest from all earlier ones."""
    scale = np.array([WITHIN_SD[name] for name in POSTURE])
    targets: list[Array] = []
    for member in members:
        centre = np.array(astuple(member.target))
        width = 0.8 if len(targets) < len(FAMILIES) else 2.4
        drawn = centre + width * scale * rng.standard_normal((candidates, len(POSTURE)))
        if targets:
            distance = np.linalg.norm((drawn[:, None] - np.array(targets)) / scale, axis=2).min(1)
            targets.append(drawn[distance.argmax()])
        else:
            targets.append(drawn[0])
    return np.array(targets)


def _dynamics(members: list[Family], rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Spring frequency (Hz), damping ratio and stationary standard deviation within a syllable, each (K, D)."""
    shape = (len(members), len(POSTURE))
    frequency_hz = rng.uniform(3.0, 5.0, shape)
    damping = rng.uniform(0.7, 1.0, shape)
    within_sd = np.tile([WITHIN_SD[name] for name in POSTURE], (len(members), 1)) * rng.uniform(0.7, 1.3, shape)
    for k, member in enumerate(members):
        within_sd[k] *= member.liveliness
        frequency_hz[k] *= member.quickness
        for name, (oscillation_hz, sd) in member.oscillation.items():
            d = POSTURE.index(name)
            frequency_hz[k, d] = oscillation_hz * rng.uniform(0.9, 1.1)
            damping[k, d], within_sd[k, d] = 0.12, sd
    return frequency_hz, damping, within_sd


def springs(frequency_hz: Array, damping: Array, within_sd: Array) -> tuple[Array, Array, Array]:
    """Autoregression of a noisy damped spring; the innovation gives it the stationary deviation `within_sd`."""
    omega = 2 * np.pi * frequency_hz / STEPS_HZ
    radius = np.exp(-damping * omega)
    lag_1 = 2 * radius * np.cos(omega * np.sqrt(1 - damping**2))
    lag_2 = -(radius**2)
    gain = (1 - lag_2) / ((1 + lag_2) * ((1 - lag_2) ** 2 - lag_1**2))
    return lag_1, lag_2, within_sd / np.sqrt(gain)


def _durations(members: list[Family], rng: np.random.Generator) -> Array:
    typical_ms = np.array([member.duration_ms for member in members])
    return np.asarray(typical_ms * np.exp(0.1 * rng.standard_normal(len(members))))


def _transitions(members: list[Family], mean_duration_ms: Array, rng: np.random.Generator) -> Array:
    """Per-step transition matrix: grammar between groups times a sparse preference within them."""
    group = np.array([GROUPS.index(member.group) for member in members])
    share = np.array([member.share for member in members]) * np.exp(0.35 * rng.standard_normal(len(members)))
    weight = GRAMMAR[np.ix_(group, group)] * (rng.gamma(0.5, 1.0, (len(members),) * 2) + 0.03)
    np.fill_diagonal(weight, 0.0)
    wanted = share / share.sum()
    for _ in range(20):
        visits = stationary_distribution(weight / weight.sum(1, keepdims=True))
        weight *= np.sqrt(wanted / np.maximum(visits, 1e-6))
    leave = 1000.0 / (mean_duration_ms * STEPS_HZ)
    matrix = weight / weight.sum(1, keepdims=True) * leave[:, None]
    np.fill_diagonal(matrix, 1 - leave)
    return np.asarray(matrix)
