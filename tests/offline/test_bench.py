"""The benchmark runs every stage, finds an allocation where there is one, and keeps the loop's small."""

import json
import multiprocessing
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from offline.bench import command as bench
from offline.bench.footage import bundle_for, recorded_footage, simulated_footage
from offline.bench.peers import peer_stages
from offline.bench.stages import FLOOR, Stage, Timing, loop_stages, peak_bytes, time_stages


def test_every_stage_is_timed_and_allocates_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", ((320, 240, 90),))
    monkeypatch.setattr(bench, "FOOTAGE_FRAMES", 20)
    words = ["--frames", "100", "--memory-frames", "150", "--no-peers", "--json"]
    done = CliRunner().invoke(bench.command, words, catch_exceptions=False)
    (table,) = json.loads(done.stdout)["tables"]
    rows = {row["stage"]: row for row in table["stages"]}
    assert {FLOOR, "extraction", "projection", "filter", "smoothing, 15 steps"} <= set(rows)
    assert rows[FLOOR]["p50_us"] == pytest.approx(rows["filter"]["floor_us"])
    for row in rows.values():
        assert 0 < row["p50_us"] <= row["p99_us"] <= row["max_us"]
        assert row["peak_bytes"] is None or row["peak_bytes"] < 16 * 1024


def filtered_by_dynamax() -> int:
    """How many stages the peers have here; each is run twice."""
    footage = simulated_footage(320, 240, 90, 5)
    stages, absent = peer_stages(footage, bundle_for(footage))
    for _, run in stages:
        run(0)
        run(1)
    assert "dynamax" not in absent
    return len(stages)


@pytest.mark.skipif(find_spec("dynamax") is None, reason="dynamax is not installed (extra: peers)")
def test_a_peer_that_is_installed_is_timed() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # its threads and warnings stay out of this process
        assert pool.apply(filtered_by_dynamax) >= 1


def test_the_table_is_readable() -> None:
    stages: list[Stage] = [(FLOOR, lambda n: n), ("other", lambda n: n)]
    timings = [Timing(t.stage, 1.5, 3.0, 9.0, 3.0, 2048) for t in time_stages(stages, 100)]
    rows = [asdict(t) for t in timings]
    table = bench._table({"footage": "a mouse", "stages": rows, "peers_not_installed": ["cv2"]})
    assert [next(iter(column.cells)) for column in table.columns] == [
        FLOOR,
        "1.5",
        "x 0.50",
        "x 1.00",
        "x 3.00",
        "2.0 KiB",
    ]
    assert "cv2" in str(table.caption)


def test_what_is_freed_again_counts_as_allocated() -> None:
    stages: list[Stage] = [("greedy", lambda _n: np.zeros(10_000).sum()), ("modest", lambda _n: None)]
    peaks = peak_bytes(stages, 100)
    assert peaks["greedy"] >= 80_000
    assert peaks["modest"] < 1000


def test_a_recording_is_gone_through(tmp_path: Path) -> None:
    footage = simulated_footage(320, 240, 30, 60)
    footage.frames.tofile(tmp_path / "depth.dat")
    np.savetxt(tmp_path / "depth_ts.txt", 1000 / 30 * np.arange(60))
    lens = dict(zip(("fx", "fy", "cx", "cy"), (192.5, 192.5, 160, 120), strict=True))
    (tmp_path / "metadata.json").write_text(json.dumps({"DepthResolution": [320, 240], "Intrinsics": lens}))
    recorded = recorded_footage(tmp_path, 30)
    np.testing.assert_array_equal(recorded.frames, footage.frames[:30])
    for _, run in loop_stages(recorded, bundle_for(recorded)):
        run(0)
