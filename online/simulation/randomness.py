"""Random numbers inside numba kernels: SplitMix64 (Steele, Lea and Flood 2014), one word of state.

A stream is a uint64 array of one element. `key` derives independent streams from integers, so that the noise of a
slot depends on seed and slot alone, never on what was drawn before.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Stream = NDArray[np.uint64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@njit(cache=True, nogil=True, inline="always")
def _mix(word: np.uint64) -> np.uint64:
    word = (word ^ (word >> _S30)) * _MIX_1
    word = (word ^ (word >> _S27)) * _MIX_2
    return word ^ (word >> _S31)


@njit(cache=True, nogil=True)
def set_key(stream: Stream, seed: int, index: int, purpose: int) -> None:
    """Point `stream` at the numbers that belong to (seed, index, purpose)."""
    word = _mix(np.uint64(seed) + _GAMMA)
    word = _mix(word ^ (np.uint64(index) * _GAMMA + _MIX_1))
    stream[0] = _mix(word ^ (np.uint64(purpose) * _MIX_2 + _GAMMA))


@njit(cache=True, nogil=True, inline="always")
def uniform(stream: Stream) -> float:
    """Uniform in [0, 1)."""
    stream[0] += _GAMMA
    return float(_mix(stream[0]) >> _S11) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def normal(stream: Stream) -> float:
    """Standard normal by Box and Muller's transform."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(stream)))
    return radius * math.cos(2.0 * math.pi * uniform(stream))
