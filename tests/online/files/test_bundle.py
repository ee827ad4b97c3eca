"""A bundle survives the disk bit for bit; every damaged, foreign or incomplete file is refused by name."""

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest

from online.errors import FileFormatError
from online.files import bundle as bundle_file
from online.files.bundle import bundle_sha256, load_bundle, save_bundle
from online.model import (
    CropStatistics,
    ExtractionSettings,
    ModelBundle,
    NoveltyCalibration,
    PixelFilter,
    Projection,
    Provenance,
    Whitening,
)
from online.simulation.arhmm import random_arhmm


def a_bundle(*, rig: bool = True, nu: float | None = 4.0) -> ModelBundle:
    rng = np.random.default_rng(0)
    levels = np.linspace(0.1, 0.9, 9)
    components = rng.normal(size=(3, 6400)).astype(np.float32)
    known = CropStatistics(components[0] + 1, components[:2], np.array([3, 2], np.float32))
    return ModelBundle(
        frame_rate_hz=30.0,
        extraction=ExtractionSettings(mm_per_crop_pixel=1.86) if rig else None,
        projection=Projection(components, None, PixelFilter(), known) if rig else None,
        whitening=Whitening(rng.normal(size=3), np.eye(3)),
        arhmm=random_arhmm(0, 5, 3, degrees_of_freedom=nu),
        usage=np.full(5, 0.2),
        provenance=Provenance(
            "test", "2024-01-01T00:00:00Z", "learned", seed=3, data_sha256={f"session {i}": "00" for i in range(2000)}
        ),
        novelty=NoveltyCalibration(levels, levels - 5, levels + 1, 1000.0) if rig else None,
    )


def assert_same(a: object, b: object) -> None:
    if dataclasses.is_dataclass(a):
        assert type(a) is type(b)
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b
        assert type(a) is type(b)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "mouse.model.h5"
    save_bundle(path, a_bundle())
    return path


@pytest.mark.parametrize("rig", [True, False])
@pytest.mark.parametrize("nu", [None, 4.0])
def test_a_bundle_survives_the_disk(tmp_path: Path, rig: bool, nu: float | None) -> None:
    path = tmp_path / "mouse.model.h5"
    content = save_bundle(path, a_bundle(rig=rig, nu=nu))
    assert_same(load_bundle(path), a_bundle(rig=rig, nu=nu))
    assert bundle_sha256(path) == content
    assert [p.name for p in tmp_path.iterdir()] == ["mouse.model.h5"]


def test_the_hash_is_of_the_content(tmp_path: Path) -> None:
    a, b, c = (save_bundle(tmp_path / f"{n}.model.h5", x) for n, x in zip("abc", variants(), strict=True))
    assert a == b != c


def variants() -> tuple[ModelBundle, ModelBundle, ModelBundle]:
    bundle = a_bundle()
    usage = bundle.usage.copy()
    usage[0] += 1e-16
    return bundle, a_bundle(), dataclasses.replace(bundle, usage=np.nextafter(bundle.usage, 1))


def test_a_bundle_without_transition_matrix_says_what_to_do(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        del file["arhmm/transition_matrix"]
        reseal(file)
    with pytest.raises(FileFormatError, match=r"transition_matrix.*etholoop model import"):
        load_bundle(saved)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("arhmm/ar_bias", np.zeros((5, 3), np.float32), "arhmm/ar_bias"),
        ("arhmm/ar_bias", np.full((5, 3), np.nan), "ar_bias is not finite"),
        ("arhmm/transition_matrix", np.eye(5) * 0.5, "rows must sum to 1"),
        ("arhmm/ar_covariance", -np.tile(np.eye(3), (5, 1, 1)), "positive definite"),
        ("whitening/cholesky", np.zeros((3, 3)), "positive diagonal"),
        ("whitening/cholesky", np.triu(np.ones((3, 3))), "lower triangular"),
        ("usage", np.array([1.0, -0.1, 0.1, 0.0, 0.0]), "not negative"),
        ("provenance/transition_source", "guessed", "transition_source"),
        ("usage", np.ones(4), "usage must be"),
        ("novelty/levels", np.ones(9), "between 0 and 1"),
        ("surprise", np.ones(4), "unknown field 'surprise'"),
    ],
)
def test_every_field_is_checked(saved: Path, field: str, value: object, message: str) -> None:
    with h5py.File(saved, "r+") as file:
        if field in file:
            del file[field]
        file[field] = value
        reseal(file)
    with pytest.raises(FileFormatError, match=message):
        load_bundle(saved)


def test_an_altered_file_is_refused(saved: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file["usage"][0] = 0.25
    with pytest.raises(FileFormatError, match="does not match its hash"):
        load_bundle(saved)


def test_a_newer_schema_a_foreign_file_and_no_file_are_refused(saved: Path, tmp_path: Path) -> None:
    with h5py.File(saved, "r+") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(FileFormatError, match="schema version 99"):
        load_bundle(saved)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match="not a model bundle"):
        load_bundle(tmp_path / "other.h5")
    (tmp_path / "text.model.h5").write_text("hello")
    with pytest.raises(FileFormatError, match="not a readable HDF5 file"):
        load_bundle(tmp_path / "text.model.h5")
    with pytest.raises(FileFormatError, match="no such file"):
        load_bundle(tmp_path / "absent.model.h5")


def test_a_file_cut_short_is_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for size in (0, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:size])
        with pytest.raises(FileFormatError):
            load_bundle(saved)


def test_a_failed_write_leaves_the_old_bundle(saved: Path) -> None:
    before = saved.read_bytes()
    broken = a_bundle()
    object.__setattr__(broken, "usage", np.array([object()], dtype=object))
    with pytest.raises(TypeError):
        save_bundle(saved, broken)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def reseal(file: h5py.File) -> None:
    """Make the stored hash fit what a test has written, so that the check behind the hash is reached."""
    file.flush()
    file.attrs["content_sha256"] = bundle_file._content_sha256(bundle_file._read(file))
