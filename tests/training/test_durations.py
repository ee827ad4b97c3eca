"""Only bouts that were seen from beginning to end have a duration."""

import numpy as np
import pytest

from offline.durations import durations_frames


@pytest.mark.parametrize(
    ("labels", "lengths"),
    [
        ([-5, -5, -5, 1, 1, 2, 2, 2, 3], [3]),
        ([0, 0, 1, 2, 2, 0], [1, 2]),
        ([0, 1, 1, -5, 2, 2, 3, 4, 4], [1]),
        ([1, 1, 1], []),
        ([], []),
    ],
)
def test_bouts_that_were_cut_have_no_duration(labels: list[int], lengths: list[int]) -> None:
    assert durations_frames([np.array(labels, np.int16)]).tolist() == lengths
