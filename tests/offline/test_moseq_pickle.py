"""Model files are read without running anything in them, and as joblib itself would read them."""

import contextlib
import os
import pickle
import sys
import types
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.inert import Inert
from offline.moseq_pickle import load_inert
from online.errors import FileFormatError


class Attack:
    """Pickles into a call of os.system."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


class BuildAttack:
    """Pickles into an object whose __setstate__ would run code."""

    def __getstate__(self) -> dict[str, Any]:
        return {"x": 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise AssertionError("code from the file was run")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    path, witness = tmp_path / "model.p", tmp_path / "witness"
    path.write_bytes(pickle.dumps({"a": Attack(witness), "b": BuildAttack()}, protocol))
    raw = load_inert(path)
    assert isinstance(raw["a"], Inert)
    assert raw["a"].made_by in ("posix.system", "nt.system")
    assert raw["b"].attributes() == {"x": 1}
    assert not witness.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cbuiltins\neval\n(S'1/0'\ntR.",
        b"(S'touch witness'\nios\nsystem\n.",
        b"(cos\nsystem\nS'touch witness'\no.",
        b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(S'true'\ntS'b'\ntR.",
        b"cjoblib.numpy_pickle\nload\n(S'other.p'\ntR.",
    ],
)
def test_hand_written_programs_stay_inert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: bytes) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.p").write_bytes(program)
    load_inert(Path("model.p"))
    assert [p.name for p in tmp_path.iterdir()] == ["model.p"]


@pytest.mark.parametrize(
    "program",
    [
        b"\x82\x01.",  # an extension code
        b"Pabc\n.",  # a persistent id
        b"cnumpy\ndtype\n(S'f8,i4'\ntR.",  # a structured dtype
        b"c_codecs\nencode\n(Vx\nS'unicode_escape'\ntR.",
        b"h\x07.",  # a memo that was never filled
        b".",
        b"N",
        b"",
        b"\xff\xff\xff",
    ],
)
def test_what_cannot_be_read_safely_is_refused(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "model.p"
    path.write_bytes(program)
    with pytest.raises(FileFormatError, match=r"model\.p"):
        load_inert(path)


def test_an_array_may_not_lie_about_its_size(tmp_path: Path) -> None:
    raw = pickle.dumps(np.arange(4, dtype=np.int16), 2)
    state = b"K\x04\x85q"
    assert state in raw
    (tmp_path / "model.p").write_bytes(raw.replace(state, b"K\xf0\x85q"))
    with pytest.raises(FileFormatError, match="does not have the bytes it needs"):
        load_inert(tmp_path / "model.p")


def an_example() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "c order": rng.normal(size=(3, 4)),
        "fortran order": np.asfortranarray(rng.normal(size=(3, 4))),
        "empty": np.zeros((0, 3)),
        "scalar array": np.array(3.5),
        "big endian": np.arange(5, dtype=">i4"),
        "int16": [np.arange(7, dtype=np.int16).reshape(1, 7)] * 2,
        "float scalar": np.float64(2.5),
        "bool scalar": np.bool_(True),
        "objects": np.array([np.arange(2), "text", None], dtype=object),
        "texts": np.array(["a", "bc"]),
        "ordered": OrderedDict([("a", 1)]),
        "default": defaultdict(list, {"a": [1]}),
        "plain": {"s": {1, 2}, "t": (1, (2,), 3, 4), "n": None, "f": -1.5, "b": b"\x00\xff", "big": 2**70, "z": 1j},
    }


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, np.ndarray) and a.dtype != object:
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, list | tuple | np.ndarray):
        assert len(a) == len(b)
        for left, right in zip(a, b, strict=True):
            assert_same(left, right)
    elif isinstance(a, complex):
        assert b.made_by.endswith("complex")
    else:
        assert a == b


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3)])
def test_it_reads_what_joblib_writes(tmp_path: Path, protocol: int, compress: Any) -> None:
    path = tmp_path / "model.p"
    joblib.dump(an_example(), path, compress=compress, protocol=protocol)
    assert_same(an_example(), load_inert(path))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_reads_plain_pickles(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "model.p").write_bytes(pickle.dumps(an_example(), protocol))
    assert_same(an_example(), load_inert(tmp_path / "model.p"))


def test_an_unknown_class_keeps_its_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("absent_package")
    exec("class Model: pass\nclass Rows(list): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "absent_package", module)
    model = module.Model()
    model.weights, model.rows = np.eye(3), module.Rows([1, 2])
    joblib.dump({"model": model}, tmp_path / "model.p")
    monkeypatch.delitem(sys.modules, "absent_package")
    read = load_inert(tmp_path / "model.p")["model"]
    assert read.made_by == "absent_package.Model"
    np.testing.assert_array_equal(read.attributes()["weights"], np.eye(3))
    assert read.attributes()["rows"].items == [1, 2]
    assert "absent_package" not in sys.modules


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_is_an_error_or_other_data_and_never_a_crash(tmp_path_factory: Any, data: st.DataObject) -> None:
    raw = bytearray(pickle.dumps(an_example(), data.draw(st.integers(0, 5))))
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "model.p"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(FileFormatError):
        load_inert(path)


def test_a_truncated_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.z"
    joblib.dump(an_example(), path, compress=3)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match="end too soon"):
        load_inert(path)
