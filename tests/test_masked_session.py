"""A mask in the rig file holds in a live session, in its record, and when the session is computed again."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from offline.extract.command import command as extract_command
from offline.extract.inputs import results_folder
from offline.replay.command import command as replay_command
from offline.results import open_results, read_covered
from online.files.arena_file import load_arena
from online.files.bundle import save_bundle
from online.files.session_file import SessionReader
from online.model import CropStatistics, ModelBundle
from tests.rigs import run, tiny_model, write_recording, write_rig

POST = """
image_size_px = [160, 120]

[[polygons]]
name = "post of the feeder"
corners_px = [[103, 40], [107, 40], [107, 80], [103, 80]]
"""


def filling_model() -> ModelBundle:
    """The tiny model with a mean crop to fill hidden pixels from."""
    bundle = tiny_model()
    assert bundle.projection is not None
    known = CropStatistics(np.full(6400, 10, np.float32), np.eye(2, 6400, dtype=np.float32), np.ones(2, np.float32))
    return replace(bundle, projection=replace(bundle.projection, statistics=known))


def test_a_masked_rig_decodes_behind_its_mask_and_again_from_its_frames(tmp_path: Path, private: Path) -> None:
    write_recording(tmp_path / "recording", 150)
    files = write_rig(tmp_path, f'driver = "recording"\npath = "{tmp_path / "recording"}"', private)
    (tmp_path / "post.toml").write_text(POST)
    files.rig.write_text(files.rig.read_text().replace("[board]", 'mask = "post.toml"\n[board]'))
    assert run(files)[0] == 2  # this model cannot say what is hidden
    assert not files.out.exists() or not list(files.out.iterdir())
    save_bundle(files.model, filling_model())
    code, out, err = run(files)
    assert code == 0, err
    folder = Path(json.loads(out)["folder"])
    masked = load_arena(folder / "arena.toml").masked
    assert masked is not None
    assert masked[41:80, 104:107].all()
    with SessionReader(folder) as session:
        scores = session.array("syllables/scores")
        assert scores is not None
        assert np.isfinite(scores[10:]).all()
    again = CliRunner().invoke(replay_command, [str(folder), "--frames", "--json"], catch_exceptions=False)
    assert again.exit_code == 0, again.output
    extracted = CliRunner().invoke(extract_command, [str(folder), "--no-movie"], catch_exceptions=False)
    assert extracted.exit_code == 0, extracted.output
    results = open_results(results_folder(folder) / "results_00.h5", "round")
    covered = next(read_covered(results))
    assert covered is not None
    assert covered.any(axis=(1, 2)).mean() > 0.1
