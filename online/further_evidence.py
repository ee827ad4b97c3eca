"""Posteriors beyond the filtered one, all from the same filter: smoothed, predicted, begun lately.

A request is (kind, time_ms): "smoothed", the posterior of `time_ms` ago given all frames until now; "predicted", that
of `time_ms` ahead; "onset", P(syllable now, and entered within the last `time_ms`). Times are rounded to frames of the
model's rate, to one at least.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from online import decoder, history
from online.decoder import Decoded, DecoderState
from online.history import History
from online.model import Array, ModelBundle
from online.prediction import began_within, predict
from online.smoothing import smooth


@dataclass(slots=True)
class FurtherState:
    """The filter's recent past, and a row (K,) for each request, overwritten by every step."""

    history: History | None
    plan: tuple[tuple[str, int], ...]
    rows: tuple[Array, ...]


def init(decoding: DecoderState, requests: Sequence[tuple[str, float]], model_rate_hz: float) -> FurtherState:
    """Make ready for these requests; call before the decoder's first step."""
    plan = tuple((kind, max(1, round(time_ms * model_rate_hz / 1000))) for kind, time_ms in requests)
    reach = max((frames for kind, frames in plan if kind != "predicted"), default=0)
    k = decoding.decoded.posterior.shape[0]
    return FurtherState(
        history=history.init(decoding, reach) if plan else None,
        plan=plan,
        rows=tuple(np.full(k, nan) for _ in plan),
    )


def warm_up(bundle: ModelBundle, requests: Sequence[tuple[str, float]]) -> None:
    """Run every kernel once, so that nothing is compiled or loaded in the frame loop."""
    decoding = decoder.init(bundle.arhmm, bundle.whitening)
    state = init(decoding, requests, bundle.frame_rate_hz)
    reach = state.history.num_frames if state.history is not None else 0
    for _ in range(bundle.arhmm.num_lags + reach + 2):
        step(state, decoder.step(decoding, bundle.whitening.mean, 1))


def step(state: FurtherState, decoded: Decoded) -> tuple[Array, ...]:
    """Rows of all requests after a frame, with evidence or without; NaN where nothing is known yet.

    Call once after each step of the decoder.
    """
    past = state.history
    if past is None:
        return state.rows
    history.record(past, decoded)
    for (kind, frames), row in zip(state.plan, state.rows, strict=True):
        if kind == "smoothed":
            if not smooth(past, frames, row):
                row.fill(nan)
        elif kind == "predicted":
            predict(past, frames, row)
        else:
            began_within(past, frames, row)
    return state.rows
