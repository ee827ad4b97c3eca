"""Counter-based random draws: each is a function of its key alone, so nothing is remembered and any can be repeated.

A draw is BLAKE2b of the session's key and the draw's own labels: no order of calls, machine or version changes it.
"""

import math
from hashlib import blake2b


def session_key(seed: int, subject: str, session_id: str) -> bytes:
    """Key of all draws of one session: the file's seed, for this subject and this sitting."""
    return blake2b(f"{seed}\x1f{subject}\x1f{session_id}".encode(), digest_size=32).digest()


def bits(key: bytes, *labels: str | int) -> int:
    """64 uniform bits."""
    text = "\x1f".join(str(label) for label in labels)
    return int.from_bytes(blake2b(text.encode(), digest_size=8, key=key).digest(), "little")


def uniform(key: bytes, *labels: str | int) -> float:
    """Uniform in [0, 1), a multiple of 2**-53."""
    return (bits(key, *labels) >> 11) * 2.0**-53


def exponential(key: bytes, *labels: str | int) -> float:
    """Exponential with mean 1, by von Neumann's comparisons of uniforms: no logarithm, so the same bits everywhere.

    A uniform is followed by others for as long as they fall; it is taken when an odd number of them, itself included,
    made the falling run, else 1 is added to the result and another is tried.
    """
    draws = 0
    for whole in range(10_000):
        first = last = uniform(key, *labels, draws)
        run = 1
        while (drawn := uniform(key, *labels, draws + run)) < last:
            last = drawn
            run += 1
        draws += run + 1
        if run % 2:
            return whole + first
    raise AssertionError("ten thousand rejections in a row do not happen")


class CatchDraws:
    """Which trials of a rule are catches: `probability` of them, in random places, balanced within runs.

    Trials are cut into runs of `block`. Run b holds floor(p m (b + 1) + u) - floor(p m b + u) catches, with m the
    length of a run and u uniform: the expected number is exact, and after any n trials it is within m of p n.
    """

    __slots__ = ("_catches", "_run", "block", "key", "probability", "rule")

    def __init__(self, key: bytes, rule: str, probability: float, block: int) -> None:
        self.key, self.rule, self.probability, self.block = key, rule, probability, block
        self._run = -1
        self._catches: frozenset[int] = frozenset()

    def is_catch(self, trial_number: int) -> bool:
        """Whether trial `trial_number` (from 1) is a catch."""
        run, place = divmod(trial_number - 1, self.block)
        if run != self._run:
            self._run, self._catches = run, self._draw_run(run)
        return place in self._catches

    def _draw_run(self, run: int) -> frozenset[int]:
        offset = uniform(self.key, "catch offset", self.rule)
        per_run = self.probability * self.block
        count = math.floor(per_run * (run + 1) + offset) - math.floor(per_run * run + offset)
        order = sorted(range(self.block), key=lambda i: bits(self.key, "catch", self.rule, run * self.block + i))
        return frozenset(order[:count])
