"""How much sooner a 30 Hz model hears of a new syllable on a 90 fps camera, from rendered frames to triggers.

    python tests/benchmarks/bench_phases.py [SECONDS [NOISE]]

A simulated mouse is rendered, extracted and projected; components and model are learned from one session at 30 fps
(the model with the true syllables, so that its quality is no matter of luck) and judged on another, whose frames at 30
fps are every third of those at 90. Precision, recall and delay are those of `tests/online/test_phases.py`: the delay is
averaged over all bouts, a missed one counting its own length. NOISE is the variability of posture within a syllable.
"""

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.pca import covariance
from offline.pca.components import principal_components, projection_of
from online import extraction, projection
from online.arena_calibration import calibrate
from online.model import Array, ExtractionSettings, PixelFilter, Projection
from online.simulation import mouse
from online.simulation.settings import STEPS_HZ, SimulationSettings
from online.simulation.trajectory import ONSET_STEP, SYLLABLE
from tests.online.test_phases import RATE_HZ, THRESHOLDS, Stream, decode, detection, fit

MODEL_RATE_HZ, NUM_DIMS, FILTER = 30, 10, PixelFilter()


@dataclass(frozen=True)
class Rendered:
    """Crops (T, 80, 80) of rendered frames, and the truth of each frame."""

    crops: NDArray[np.uint8]
    syllables: NDArray[np.int64]
    onsets_s: Array
    rate_hz: int

    def stream(self, model: Projection) -> Stream:
        state = projection.init(model, 80)
        scores = np.array([projection.step(state, crop).copy() for crop in self.crops])
        return Stream(scores, self.syllables, self.onsets_s, np.arange(len(scores)) / self.rate_hz)


@dataclass(frozen=True)
class Comparison:
    """Detection at 30 fps, and at 90 fps at the same precision."""

    threshold: float
    precision: float
    recall: float
    delay_ms: float
    fast_recall: float
    fast_delay_ms: float


def render(seed: int, rate_hz: int, seconds: int, noise: float) -> Rendered:
    """Render and extract a session."""
    settings = SimulationSettings(seed=seed, rate_hz=rate_hz, posture_noise=noise)
    state, count = mouse.init(settings), seconds * rate_hz
    arena = calibrate(np.rint(state.scene).astype(np.uint16)[None], settings.intrinsics, 1.0)
    extracting = extraction.init(ExtractionSettings(arena.mm_per_px[0]), arena, 1.0, rate_hz)
    frame, crops = np.empty((settings.height, settings.width), np.uint16), np.zeros((count, 80, 80), np.uint8)
    truth = np.zeros((count, 2), np.int64)
    for index in range(count):
        mouse.step(state, frame)
        crops[index] = extraction.step(extracting, frame, 1, 0).crop
        truth[index] = state.trajectory.counts[[SYLLABLE, ONSET_STEP]]
    return Rendered(crops, truth[:, 0], truth[:, 1] / STEPS_HZ, rate_hz)


def components_of(crops: NDArray[np.uint8]) -> Projection:
    """Leading components of crops."""
    moments = covariance.init(6400)
    for first in range(0, len(crops), 2000):
        covariance.step(moments, covariance.keep_mouse(crops[first : first + 2000], FILTER, (10, 100)))
    return projection_of(principal_components(moments, FILTER, NUM_DIMS), FILTER)


def whitened(stream: Stream, like: Stream) -> Stream:
    """Scores in units of the training session's covariance."""
    factor = np.linalg.cholesky(np.cov(like.x.T))
    x = np.linalg.solve(factor, (stream.x - like.x.mean(0)).T).T
    return Stream(np.ascontiguousarray(x), stream.syllables, stream.onsets_s, stream.times_s)


def compare(seconds: float, noise: float) -> tuple[tuple[float, float], list[Comparison]]:
    """Filtered accuracy at both rates, and detection at those thresholds whose precision 90 fps reaches too."""
    training = render(1, MODEL_RATE_HZ, int(2 * seconds), noise)
    model = components_of(training.crops)
    learned = training.stream(model)
    judged = whitened(render(7, RATE_HZ, int(seconds), noise).stream(model), learned)
    arhmm, phases = fit(whitened(learned, learned)), RATE_HZ // MODEL_RATE_HZ
    slow = judged.every(phases)
    posterior_slow, posterior_fast = decode(arhmm, slow.x, 1), decode(arhmm, judged.x, phases)
    accuracy = [
        float((p.argmax(1) == s.syllables).mean()) for p, s in ((posterior_slow, slow), (posterior_fast, judged))
    ]
    curve = np.array([detection(posterior_fast, judged, threshold) for threshold in THRESHOLDS])
    curve = curve[np.argsort(curve[:, 0])]
    found = []
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        precision, recall, delay_ms = detection(posterior_slow, slow, threshold)
        if curve[0, 0] <= precision <= curve[-1, 0]:
            fast = (float(np.interp(precision, curve[:, 0], curve[:, column])) for column in (1, 2))
            found.append(Comparison(threshold, precision, recall, delay_ms, *fast))
    return (accuracy[0], accuracy[1]), found


def main() -> None:
    """Print accuracy, and precision, recall and delay at 30 fps beside those at 90 fps of equal precision."""
    seconds, noise = (float(word) for word in (*sys.argv[1:], *("400", "1.2")[len(sys.argv) - 1 :]))
    accuracy, found = compare(seconds, noise)
    sys.stdout.write(f"filtered accuracy at 30 fps {accuracy[0]:.3f}, at 90 fps {accuracy[1]:.3f}\n")
    sys.stdout.write("threshold  precision   recall 30 -> 90      delay 30 -> 90 (ms)   sooner (ms)\n")
    for row in found:
        sys.stdout.write(
            f"{row.threshold:9.2f}  {row.precision:9.3f}   {row.recall:.3f} -> {row.fast_recall:.3f}   "
            f"{row.delay_ms:9.1f} -> {row.fast_delay_ms:5.1f}   {row.delay_ms - row.fast_delay_ms:11.1f}\n"
        )


if __name__ == "__main__":
    main()
