"""Principal components: exact against dense algebra, deterministic, and those of the published tools on real data."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from scipy import ndimage

from offline.pca import covariance
from offline.pca.components import principal_components, read_components
from offline.pca.learning import SETTLED, Learning, learn
from offline.pca_command import PIXEL_FILTER, command
from offline.results import open_all, open_results
from offline.workers import Here
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.model import PixelFilter
from online.projection import blur_matrix
from tests.real_data import MOSEQ, needs_moseq
from tests.training.results_files import crops, write_results

LIMITS_MM = (10.0, 255.0)


def learned(frames: np.ndarray, chunk: int, count: int = 5):  # type: ignore[no-untyped-def]
    moments = covariance.init(frames[0].size)
    for first in range(0, len(frames), chunk):
        covariance.step(moments, covariance.keep_mouse(frames[first : first + chunk], PIXEL_FILTER, LIMITS_MM))
    return principal_components(moments, PIXEL_FILTER, count)


def test_kept_pixels_are_those_of_a_grey_opening() -> None:
    frames = crops(3, 0)
    kept = covariance.keep_mouse(frames, PixelFilter(), (0, 255))
    disc = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4.3
    for frame, row in zip(frames, kept, strict=True):
        opened = ndimage.grey_opening(frame, footprint=disc)
        assert (row.reshape(80, 80) > 0)[40, 5:15].sum() == 0  # the tail goes
        assert ((row.reshape(80, 80) > 0) != ((opened > 5) & (frame > 0))).mean() < 0.002


def test_components_are_those_of_a_dense_decomposition() -> None:
    frames = crops(150, 1)[:, 20:60, 20:60].copy()
    found = learned(frames, 1000)
    blur = blur_matrix(40, PIXEL_FILTER.blur_taps, 1.5)
    kept = covariance.keep_mouse(frames, PIXEL_FILTER, LIMITS_MM).reshape(-1, 40, 40).astype(float)
    blurred = np.einsum("ya,nab,xb->nyx", blur, kept, blur).reshape(150, -1)
    centred = blurred - blurred.mean(0)
    _, singular, rows = np.linalg.svd(centred, full_matrices=False)
    np.testing.assert_allclose(found.mean, blurred.mean(0), atol=1e-9)
    np.testing.assert_allclose(found.explained_variance, singular[:5] ** 2 / 149, rtol=1e-9)
    np.testing.assert_allclose(found.explained_variance_ratio, singular[:5] ** 2 / (centred**2).sum(), rtol=1e-9)
    overlap = np.abs(np.sum(found.components * rows[:5], axis=1))
    np.testing.assert_allclose(overlap, 1, atol=1e-9)
    assert (found.components.max(1) > -found.components.min(1)).all()


def test_moments_are_exact_whatever_the_chunks() -> None:
    frames = np.concatenate([crops(90, 2), np.full((2, 80, 80), 255, np.uint8), np.zeros((3, 80, 80), np.uint8)])
    frames = frames[:, 20:60, 20:60].copy()
    one, many = learned(frames, 95), learned(frames, 7)
    assert one.num_frames == many.num_frames == 92
    np.testing.assert_array_equal(one.components, many.components)
    np.testing.assert_array_equal(one.explained_variance, many.explained_variance)
    kept = covariance.keep_mouse(frames, PIXEL_FILTER, LIMITS_MM).astype(np.int64)
    moments = covariance.init(1600)
    covariance.step(moments, kept.astype(np.uint8))
    np.testing.assert_array_equal(moments.products[800], kept[:, 800] @ kept)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(EtholoopError, match="record more"):
        learned(crops(4, 0), 10)


def run_pca(folder: Path, *results: Path, options: tuple[str, ...] = ()):  # type: ignore[no-untyped-def]
    arguments = [*map(str, results), "--out", str(folder / "pca.h5"), "--scores", str(folder / "scores.h5"), *options]
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_command_writes_the_published_layouts(tmp_path: Path) -> None:
    first = write_results(tmp_path / "a.h5", "uuid-a", crops(60, 1), gap_after=9)
    second = write_results(tmp_path / "b.h5", "uuid-b", np.concatenate([crops(40, 2), np.zeros((2, 80, 80), np.uint8)]))
    broken = tmp_path / "c.h5"
    broken.write_text("no HDF5")
    result = run_pca(tmp_path, first, second, broken, options=("--components", "6"))
    assert result.exit_code == 0
    assert "c.h5" in result.stderr
    with h5py.File(tmp_path / "pca.h5") as file:
        shapes = {name: (data.shape, data.dtype) for name, data in file.items()}
    assert shapes["components"] == ((6, 6400), np.float32)
    assert set(shapes) == {"components", "singular_values", "explained_variance", "explained_variance_ratio", "mean"}
    with h5py.File(tmp_path / "scores.h5") as file:
        assert file["scores/uuid-a"].shape == (63, 6)
        missing = np.flatnonzero(np.isnan(file["scores/uuid-a"][:, 0]))
        np.testing.assert_array_equal(missing, [10, 11, 12])
        np.testing.assert_array_equal(np.flatnonzero(np.isnan(file["scores_idx/uuid-a"][:])), [10, 11, 12])
        assert file["scores_idx/uuid-a"][13] == 10
        assert np.isnan(file["scores/uuid-b"][-2:]).all()
        assert file["metadata/uuid-a/SubjectName"].asstr()[()] == "mouse 1"
        assert file.attrs["frame_rate_hz"] == 30
    extraction, projection = read_components(tmp_path / "pca.h5", 4)
    assert extraction.mm_per_crop_pixel == 1.5
    assert projection.components.shape == (4, 6400)
    assert projection.pixel_filter == PIXEL_FILTER
    with pytest.raises(ConfigError, match="6 components, 9"):
        read_components(tmp_path / "pca.h5", 9)


def test_bad_results_get_clear_errors(tmp_path: Path) -> None:
    good = write_results(tmp_path / "a.h5", "a", crops(5, 1))
    for damage, complaint in (
        (lambda f: f.pop("frames"), "no square crops"),
        (lambda f: f.__delitem__("metadata/uuid"), "no /metadata/uuid"),
        (lambda f: f["metadata/extraction"].pop("mm_per_crop_pixel"), "mm-per-crop-pixel"),
        (lambda f: f.pop("timestamps"), "neither time stamps nor"),
    ):
        path = Path(shutil.copy(good, tmp_path / "bad.h5"))
        with h5py.File(path, "a") as file:
            damage(file)
        with pytest.raises(FileFormatError, match=complaint):
            open_results(path)
    with pytest.raises(EtholoopError, match="give one of them"):
        run_pca(tmp_path, good, Path(shutil.copy(good, tmp_path / "b.h5")))


@needs_moseq
def test_components_span_those_published_for_the_real_mouse(tmp_path: Path) -> None:
    result = run_pca(tmp_path, MOSEQ / "results_00.h5", options=("--components", "20", "--dropped-frames", "floor"))
    assert result.exit_code == 0
    with h5py.File(tmp_path / "pca.h5") as ours, h5py.File(MOSEQ / "pca.h5") as theirs:
        overlap = np.abs(ours["components"][:10] @ theirs["components"][:10].T)
        ratio = ours["explained_variance_ratio"][:10] / theirs["explained_variance_ratio"][:10]
    assert np.diag(overlap)[:5].min() > 0.995
    assert np.diag(overlap).min() > 0.98
    assert np.abs(ratio - 1).max() < 0.1
    with h5py.File(tmp_path / "scores.h5") as ours, h5py.File(MOSEQ / "pca_scores.h5") as theirs:
        uuid = "5c72bf30-9596-4d4d-ae38-db9a7a28e912"
        np.testing.assert_array_equal(ours["scores_idx"][uuid], theirs["scores_idx"][uuid])


def test_hidden_pixels_are_filled_in_for_components_and_scores(tmp_path: Path) -> None:
    frames = crops(400, 5)
    rng = np.random.default_rng(0)
    covered = np.zeros(frames.shape, bool)
    for hidden in covered[::2]:
        first = int(rng.integers(10, 60))
        hidden[:, first : first + 12] = True
    scores, components = {}, {}
    for name in ("whole", "zeros", "told"):
        results = tmp_path / name / "results_00.h5"
        results.parent.mkdir()
        seen = frames if name == "whole" else np.where(covered, 0, frames).astype(np.uint8)
        write_results(results, "u", seen)
        if name == "told":
            with h5py.File(results, "a") as file:
                file["frames_covered"] = covered
        paths = (tmp_path / name / "pca.h5", tmp_path / name / "scores.h5")
        outcome = CliRunner().invoke(
            command, [str(results), "--out", str(paths[0]), "--scores", str(paths[1]), "--components", "6"]
        )
        assert outcome.exit_code == 0, outcome.output
        assert yaml.safe_load(paths[0].with_suffix(".yaml").read_text())["missing_data"] is (name == "told")
        components[name] = read_components(paths[0], 6)[1].components.astype(float)
        with h5py.File(paths[1]) as file:
            scores[name] = file["scores/u"][:]
    whole = components["whole"]
    kept = {name: np.linalg.svd(whole @ each.T)[1] for name, each in components.items()}
    assert kept["told"].min() > 0.9
    assert kept["told"].min() > kept["zeros"].min()
    reconstructed = {name: each @ components[name] for name, each in scores.items()}
    errors = {name: np.abs(each - reconstructed["whole"])[::2].mean() for name, each in reconstructed.items()}
    assert errors["told"] < 0.5 * errors["zeros"]


def test_filling_in_goes_on_until_the_components_stand_still(tmp_path: Path) -> None:
    frames = crops(150, 5)
    covered = np.zeros(frames.shape, bool)
    covered[::3, :, 30:40] = True
    path = write_results(tmp_path / "results_00.h5", "u", np.where(covered, 0, frames).astype(np.uint8))
    sessions = open_all((path,))[0]
    learning = Learning(PixelFilter(), 80, (10.0, 100.0))
    assert learn(sessions, learning, 4, Here()).changes == ()
    with h5py.File(path, "a") as file:
        file["frames_covered"] = covered
    learned = learn(open_all((path,))[0], learning, 4, Here())
    assert learned.settled
    assert len(learned.changes) >= 2
    assert learned.changes[-1] < SETTLED < learned.changes[0]
    assert learned.changes[-1] == min(learned.changes)
