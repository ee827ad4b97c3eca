"""How soon each kind of evidence triggers at a precision of 0.90, beside the published rule, at 30 and at 90 fps.

    python -m tests.benchmarks.bench_triggers [SESSIONS [SECONDS]]

Simulated sessions with truth, six most used syllables; thresholds are chosen on all sessions but one and judged on
that one. Delay is from the true onset to the exposure of the frame that triggered, over all true bouts, a missed one
counting its own length. "published, slow" is the published rule at the model's 30 Hz on the 90 fps recording, judged
by the same bouts.
"""

import sys

from offline.calibration import report
from offline.calibration.calibrate import BEST, PUBLISHED, SLOW, calibrate
from offline.calibration.evidence import KINDS
from tests.protocols.posture_sessions import STEP, fitted_model, held_out, most_used, recorded


def main() -> None:
    """Print both tables, and where the gain is and is not."""
    number, seconds = (int(word) for word in (*sys.argv[1:], "8", "240")[:2])
    streams, model = held_out(number, seconds), fitted_model()
    goals = most_used(streams)
    for name, every in (("30 fps", STEP), ("90 fps, interleaved phases", 1)):
        results = calibrate([recorded(stream, every) for stream in streams], model, KINDS, goals, 0.90)
        lines = report.as_text(results, 0.90)
        sys.stdout.write(f"\n======== {name}\n" + "\n".join(lines) + "\n")
    sys.stdout.write("\n======== 90 fps against the published rule at 30 fps, same bouts\n")
    for found in results:
        slow, fast = found.judged[SLOW].figures, (found.judged[rule].figures for rule in (PUBLISHED, BEST))
        for rule, figures in zip(("filtered threshold", "best of all"), fast, strict=True):
            gain_ms, recall = slow.delay_ms - figures.delay_ms, figures.recall - slow.recall
            verdict = (
                "" if gain_ms >= 8 and recall >= -0.02 else "   less than 8 ms" if gain_ms < 8 else "   recall fell"
            )
            sys.stdout.write(
                f"{found.goal.name:<12} {rule:<18} {gain_ms:6.1f} ms sooner, recall {recall:+.3f}, "
                f"precision {figures.precision:.3f}{verdict}\n"
            )


if __name__ == "__main__":
    main()
