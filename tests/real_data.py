"""Where the real recordings are: `../shared/data`, or the folder that `ETHOLOOP_TEST_DATA` names."""

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("ETHOLOOP_TEST_DATA", Path(__file__).parents[1] / "../shared/data")).resolve()
MOSEQ = REAL_DATA / "moseq"
RESULTS = MOSEQ / "results_00.h5"
BUILD_MOUSE_DEPTH = REAL_DATA / "mouse-depth/build.py"

needs_moseq = pytest.mark.skipif(not RESULTS.exists(), reason=f"{RESULTS} is absent")
