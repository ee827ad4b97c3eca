"""The main job on real input: a real model, imported, decodes a real mouse at its recorded pace, and pulses."""

import json
from pathlib import Path

import numpy as np
import pytest

from online.files.session_file import SessionReader
from online.files.tables import is_missing
from rig.cameras.convert import convert
from rig.clock import ManualClock
from rig.main import main
from tests.real_data import MOSEQ
from tests.rigs import RigFiles, edges, run

NUM_FRAMES = 900
GAPS = [5, 3, 2]
PROTOCOL = """
[session]
name = "real"
seed = 3
duration_ms = 600000

[[rules]]
name = "watch"
target = [46, 23, 31, 24, 17, 56]
output = "laser"
enter = 0.5
refractory_ms = 500

[[outputs]]
name = "laser"
channel = 0
width_ms = 250

[limits]
max_width_ms = 250
max_duty = 0.5
window_ms = 10000
min_interval_ms = 100
max_pulses = 1000

[timing]
deadline_ms = 1000
"""

pytestmark = pytest.mark.xdist_group("live")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not MOSEQ.is_dir():
        pytest.skip(f"{MOSEQ} is absent: there is no real model to import")
    path = tmp_path_factory.mktemp("model") / "real.model.h5"
    sources = {
        "--pca": MOSEQ / "pca.h5",
        "--scores": MOSEQ / "pca_scores.h5",
        "--model": MOSEQ / "mock_model.p",
        "--results": MOSEQ / "results_00.h5",
        "--out": path,
    }
    main(["model", "import", *(str(word) for pair in sources.items() for word in pair)])
    return path


def camera_table(kind: str, recording: Path, folder: Path) -> str:
    """The [camera] table that plays the recording in one way or another."""
    if kind == "realsense software device":
        return f'driver = "realsense"\nfeed = {{ driver = "recording", path = "{recording}" }}'
    if kind == "realsense db3":
        convert(recording, folder / "real.db3", ManualClock())
        return f'driver = "realsense"\nfile = "{folder / "real.db3"}"'
    return f'driver = "recording"\npath = "{recording}"'


@pytest.mark.parametrize("kind", ["recording", "realsense software device", "realsense db3"])
def test_900_frames_in_900_accounted_for(
    kind: str, real_recording: Path, model: Path, tmp_path: Path, private: Path
) -> None:
    files = RigFiles(tmp_path / "rig.toml", model, tmp_path / "protocol.toml", tmp_path / "data", private)
    files.rig.write_text(
        f"[camera]\n{camera_table(kind, real_recording, tmp_path)}\n[arena]\nfrom_recording = true\n"
        '[board]\ndriver = "etholoop"\nport = "simulated"\nchannels = {laser = 0}\n'
    )
    files.protocol.write_text(PROTOCOL)
    code, out, err = run(files)
    assert code == 0, err
    summary = json.loads(out)
    assert summary["frames"]["recorded"] == summary["frames"]["decoded"] == NUM_FRAMES
    assert summary["frames"]["gaps"] == GAPS
    assert summary["frames"]["mouse_missing"] <= NUM_FRAMES // 100
    assert summary["messages_lost"] == {}
    assert summary["commands"]["sent"] == summary["commands"]["executed"] > 10
    check_session(Path(summary["folder"]))


def check_session(folder: Path) -> None:
    """One posterior a frame; recorded pace kept; each pulse on the pin as wide as asked."""
    with SessionReader(folder) as session:
        frames = session.table("frames/header")
        posterior = session.array("syllables/posterior")
        trials = session.table("pulses/trials")
    assert posterior is not None
    elapsed_s = (frames["capture_time_ns"][-1] - frames["capture_time_ns"][0]) / 1e9
    assert elapsed_s == pytest.approx((NUM_FRAMES - 1 + sum(GAPS)) / 30, abs=0.1)
    assert np.diff(frames["frame_index"])[:1] == [GAPS[0] + 1]
    pins = edges(folder)
    assert [level for _, level in pins] == [1, 0] * int((~is_missing(trials["command_sequence"])).sum())
