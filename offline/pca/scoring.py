"""Principal-component scores of an extracted session, on the camera's grid."""

import numpy as np
from numpy.typing import NDArray

from offline.results import Results, read_covered, read_crops
from online import projection
from online.model import ExtractionSettings, Projection


def scorer(components: Projection, extraction: ExtractionSettings) -> projection.ProjectionState:
    """State for `score_session`; it may be used for one session after the other."""
    return projection.init(components, extraction.crop_size_px)


def score_session(
    session: Results, state: projection.ProjectionState
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores (T, C) and frame numbers (T,), with NaN rows at dropped frames and where there is no mouse or
    too much of it is hidden."""
    rows = int(session.slots[-1]) + 1 if session.num_frames else 0
    scores = np.full((rows, len(state.scores)), np.nan, np.float32)
    numbers = np.full(rows, np.nan, np.float32)
    frame = 0
    for crops, covered in zip(read_crops(session), read_covered(session), strict=True):
        for index, crop in enumerate(crops):
            slot = session.slots[frame]
            numbers[slot] = frame
            if crop.any():
                found = projection.step_any(state, crop, None if covered is None else covered[index])
                scores[slot] = np.nan if found is None else found
            frame += 1
    return scores, numbers
