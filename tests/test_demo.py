"""The demo, small: every command in its place, and a scored, drawn session at the end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.xdist_group("live")
def test_the_demo_runs_from_nothing_to_a_scored_session(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    command = [
        sys.executable,
        "-m",
        "rig.main",
        "demo",
        "--out",
        str(out),
        "--seconds",
        "8",
        "--minutes",
        "0.5",
        "--no-ui",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "against the simulation's truth" in done.stdout
    (session,) = (out / "sessions").iterdir()
    summary = json.loads((session / "summary.json").read_text())
    assert summary["frames"]["recorded"] == summary["frames"]["decoded"] >= 8 * 30
    assert summary["ending"]["failures"] == []
    scores = json.loads((session / "score.json").read_text())
    assert len(scores) == 2
    assert (session / "session.png").stat().st_size > 10_000


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    command = [sys.executable, "-m", "rig.main", "demo", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
