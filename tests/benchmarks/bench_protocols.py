"""How long the engine takes for a frame, paced as at a rig, and how fast recordings are replayed.

    python -m tests.benchmarks.bench_protocols [SECONDS [ROUNDS]]

Ten rules of all kinds, 100 syllables. "near": every rule in a bout at every frame, so that each has to say why it does
not fire; "far": none is. Rounds of each are taken in turns, and the least median is told beside that of an empty call,
paced alike: on a machine with other work, caches are as cold as that work leaves them. As at the rig, the garbage
collector rests. The replay is of 30 min at 30 fps from stored principal components, decoded anew.
"""

import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from offline.replay.decoded import Model, open_scores
from offline.replay.run import replay
from offline.scores import ScoresWriter
from online.model import ModelBundle, Provenance, Whitening
from online.simulation.arhmm import random_arhmm
from protocols.engine import EngineState, init, step
from protocols.materials import NO_MATERIALS
from protocols.parse import parse_protocol
from protocols.trial import Evidence
from tests.protocols.helpers import HEAD, At

K, RATE_HZ = 100, 30.0
LONG = HEAD.replace("duration_ms = 100_000", "duration_ms = 7_200_000")
EXTRA = (
    "",
    "dwell_ms = 60",
    'when = [{ quantity = "speed_mm_s", min = 20 }, { place = "corner" }]',
    "after = [{ target = 3, within_ms = 500 }]",
    "absent = [{ target = 4, for_ms = 10_000 }]",
)
PLACE = '[[places]]\nname = "corner"\npolygon = [[0, 0], [100, 0], [100, 100], [0, 100]]\n'


def ten_rules() -> str:
    """A protocol of ten rules on syllables, two of each sort of condition."""
    rules = "".join(
        f'[[rules]]\nname = "rule {i}"\ntarget = [{i}, {i + 10}, {i + 20}]\nenter = 0.8\nexit = 0.01\n'
        f'refractory_ms = 1000\nonce_per_bout = false\noutput = "laser"\n{EXTRA[i % 5]}\n'
        for i in range(10)
    )
    return LONG + rules + PLACE


def engine() -> EngineState:
    """An engine with them."""
    return init(parse_protocol(ten_rules(), "ten rules"), K, {}, RATE_HZ, "m", "s", NO_MATERIALS)


def each_period(seconds: float) -> Iterator[None]:
    """Wake once each 33 ms, as at a rig."""
    period_ns, next_ns = round(1e9 / RATE_HZ), time.perf_counter_ns()
    for _ in range(round(seconds * RATE_HZ)):
        next_ns += period_ns
        time.sleep(max(next_ns - time.perf_counter_ns(), 0) / 1e9)
        yield


def nothing() -> None:
    """What a call costs by itself."""


def paced_nothing(seconds: float) -> np.ndarray:
    """Time of each empty call in us."""
    spent_us = []
    for _ in each_period(seconds):
        begin_ns = time.perf_counter_ns()
        nothing()
        spent_us.append((time.perf_counter_ns() - begin_ns) / 1000)
    return np.array(spent_us)


def paced(near: bool, seconds: float) -> np.ndarray:
    """Time of each step in us; the first, which gives ten trials at once when near, is left out."""
    state, spent_us = engine(), []
    posterior = np.full(K, 0.8 / K)
    posterior[0 if near else 50] += 0.2
    if near:
        posterior[:30] += 0.85
    pose = At(x_mm=50.0, y_mm=50.0, speed_mm_s=30.0)
    for _ in each_period(seconds):
        given = Evidence(posterior)
        begin_ns = time.perf_counter_ns()
        step(state, given, pose, begin_ns, begin_ns + 1, True, False)
        spent_us.append((time.perf_counter_ns() - begin_ns) / 1000)
        if near:
            assert len(state.near) + 1 >= 10
    return np.array(spent_us[1:])


def replayed() -> Iterator[str]:
    """A recording of 30 min through decoder and engine."""
    arhmm = random_arhmm(0, K, 10, 3)
    made = Provenance("benchmark", "now", "learned")
    bundle = ModelBundle(RATE_HZ, None, None, Whitening(np.zeros(10), np.eye(10)), arhmm, np.full(K, 1 / K), made)
    frames = round(30 * 60 * RATE_HZ)
    x = np.cumsum(np.random.default_rng(0).normal(size=(frames, 10)), 0) * 0.05
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.h5"
        with h5py.File(path, "w") as file:
            ScoresWriter(file, RATE_HZ).add("session", x.astype(np.float32), np.arange(frames, dtype=np.float32))
        (recording,) = open_scores(path, Model(path, bundle, {}))
        for name, text in (("ten rules", ten_rules()), ("no rule", LONG)):
            protocol = parse_protocol(text, name)
            list(zip(range(10), recording.frames(()), strict=False))  # compiled before it is timed
            begin = time.perf_counter()
            result = replay(recording, protocol, NO_MATERIALS, keep_near=True)
            seconds = time.perf_counter() - begin
            yield f"replay of 30 min, {K} syllables, {name}: {seconds:.2f} s ({len(result.near)} near misses)"


def main() -> None:
    """Print both."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    kinds = {"empty call": paced_nothing, "all far": partial(paced, False), "all near": partial(paced, True)}
    gc.collect()
    gc.freeze()
    gc.disable()
    taken: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, take in kinds.items():
            taken[kind].append(np.percentile(take(seconds), [50, 99]))
    gc.enable()
    empty_us = min(p50 for p50, _ in taken["empty call"])
    for kind, found in taken.items():
        p50, p99 = min(found, key=lambda pair: pair[0])
        sys.stdout.write(
            f"engine, ten rules, {kind}: median {p50:.0f} us ({p50 / empty_us:.1f} empty calls), p99 {p99:.0f}; "
            f"least of {rounds} medians\n"
        )
    for line in replayed():
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
