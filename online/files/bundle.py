"""The model bundle on disk (`*.model.h5`): one HDF5 file, checked field by field when it is read.

Layout: a dataclass is a group, arrays and texts are datasets (a table of texts is JSON), numbers are attributes; a
value of None is not stored. The root carries `format`, `schema_version` and `content_sha256`, the hash of every name
and value below it: a file that was cut short or altered is refused, and equal content has equal hashes.
"""

import dataclasses
import hashlib
import json
import types
import typing
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from online.errors import ConfigError, FileFormatError
from online.files.whole_hdf5 import whole_hdf5
from online.model import ModelBundle

FORMAT = "etholoop model"
SCHEMA_VERSION = 1
SUFFIX = ".model.h5"

_ADVICE = {
    "transition_matrix": "without it nothing can be decoded over time; import the model again with "
    "'etholoop model import', which reads it from the model object or estimates it from the labels",
}
_Flat = dict[str, Any]


def require_bundle_name(option: str, path: Path) -> None:
    """Raise a ConfigError where what `option` names is no name of a bundle."""
    if not path.name.endswith(SUFFIX):
        raise ConfigError(f"{option} {path}: the name of a bundle ends in {SUFFIX}")


def save_bundle(path: Path, bundle: ModelBundle) -> str:
    """Write a bundle under a temporary name, then rename it; return its content hash."""
    flat = _flatten(bundle, "")
    content = _content_sha256(flat)
    with whole_hdf5(path) as file:
        for name, value in flat.items():
            _write(file, name, value)
        file.attrs.update(format=FORMAT, schema_version=SCHEMA_VERSION, content_sha256=content)
    return content


def load_bundle(path: Path) -> ModelBundle:
    """Read a bundle and check all of it.

    Raises
    ------
    FileFormatError
        if the file is no bundle, is damaged, was written by a newer version, or lacks or contradicts a field.
    """
    flat, claimed = _read_marked(path)
    content = _content_sha256(flat)
    try:
        bundle: ModelBundle = _build(ModelBundle, flat, "")
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    if flat:
        raise FileFormatError(f"{path}: unknown field {min(flat)[1:]!r}: the file was written by another version")
    _require_same(path, claimed, content)
    return bundle


def bundle_sha256(path: Path) -> str:
    """Content hash of a bundle, verified against what the file holds."""
    flat, claimed = _read_marked(path)
    content = _content_sha256(flat)
    _require_same(path, claimed, content)
    return content


def _require_same(path: Path, claimed: object, content: str) -> None:
    if claimed != content:
        raise FileFormatError(f"{path}: its content does not match its hash: the file was altered or damaged")


def _read_marked(path: Path) -> tuple[_Flat, object]:
    """The fields of a bundle and the content hash that it claims."""
    if not path.is_file():
        raise FileFormatError(
            f"{path}: no such file; a model bundle ({SUFFIX}) comes from 'etholoop train' or 'etholoop model import'"
        )
    try:
        with h5py.File(path, "r") as file:
            marks = {name: file.attrs.get(name) for name in ("format", "schema_version", "content_sha256")}
            flat = _read(file)
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:
        raise FileFormatError(
            f"{path}: not a readable HDF5 file: if it is a model bundle ({SUFFIX}), it was cut short, "
            "copy it again; a model of moseq2 becomes one by 'etholoop model import'"
        ) from error
    if marks["format"] != FORMAT:
        raise FileFormatError(f"{path}: not a model bundle; make one with 'etholoop model import' or 'etholoop train'")
    if marks["schema_version"] != SCHEMA_VERSION:
        raise FileFormatError(
            f"{path}: model bundle of schema version {marks['schema_version']}, this program reads {SCHEMA_VERSION}: "
            "use the version of Etholoop that wrote it, or make the bundle again"
        )
    return flat, marks["content_sha256"]


def _flatten(value: Any, prefix: str) -> _Flat:
    if value is None:
        return {}
    if isinstance(value, dict):
        return {prefix: json.dumps(value, sort_keys=True)}
    if not dataclasses.is_dataclass(value):
        return {prefix: value}
    flat: _Flat = {}
    for field in dataclasses.fields(value):
        flat |= _flatten(getattr(value, field.name), f"{prefix}/{field.name}")
    return flat


def _content_sha256(flat: _Flat) -> str:
    digest = hashlib.sha256()
    for name in sorted(flat):
        value = flat[name]
        digest.update(f"{name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype.newbyteorder('<').str} {value.shape}\0".encode())
            digest.update(np.ascontiguousarray(value, value.dtype.newbyteorder("<")).tobytes())
        else:
            digest.update(f"{json.dumps(value)}\0".encode())
    return digest.hexdigest()


def _write(file: h5py.File, name: str, value: Any) -> None:
    group, _, leaf = name.rpartition("/")
    parent = file.require_group(group) if group else file
    if isinstance(value, np.ndarray | str):
        parent.create_dataset(leaf, data=value)
    else:
        parent.attrs[leaf] = value


def _read(group: h5py.Group, prefix: str = "") -> _Flat:
    flat: _Flat = {}
    for name, value in group.attrs.items():
        if prefix or name not in ("format", "schema_version", "content_sha256"):
            flat[f"{prefix}/{name}"] = value.item() if isinstance(value, np.generic) else value
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            flat |= _read(item, f"{prefix}/{name}")
        elif h5py.check_string_dtype(item.dtype) is not None:
            flat[f"{prefix}/{name}"] = item.asstr()[()]
        else:
            flat[f"{prefix}/{name}"] = np.asarray(item)
    return flat


def _build(kind: Any, flat: _Flat, prefix: str) -> Any:
    """Take the fields of dataclass `kind` out of `flat` and build it."""
    values: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name = f"{prefix}/{field.name}"
        inner, optional = _without_none(hints[field.name])
        if dataclasses.is_dataclass(inner):
            if any(key.startswith(f"{name}/") for key in flat) or not optional:
                values[field.name] = _build(inner, flat, name)
            else:
                values[field.name] = None
        elif name in flat:
            values[field.name] = _checked(inner, flat.pop(name), name)
        elif optional:
            values[field.name] = None
        else:
            advice = _ADVICE.get(field.name, "the bundle is incomplete; make it again")
            raise FileFormatError(f"the field {name[1:]!r} is missing: {advice}")
    return kind(**values)


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0], len(rest) < len(typing.get_args(hint))
    return hint, False


def _checked(kind: Any, value: Any, name: str) -> Any:
    """Refuse a value whose type or kind of number is not the field's."""
    origin = typing.get_origin(kind)
    if origin is np.ndarray:
        dtype = np.dtype(typing.get_args(typing.get_args(kind)[1])[0])
        good = isinstance(value, np.ndarray) and value.dtype == dtype
    elif origin is typing.Literal:
        good = value in typing.get_args(kind)
    elif origin is dict:
        value = _parsed(value)
        good = isinstance(value, dict)
    elif kind is float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        value = float(value) if good else value
    else:
        good = type(value) is kind
    if not good:
        raise FileFormatError(f"the field {name[1:]!r} holds {value!r:.60}, which is not a valid {kind}")
    return value


def _parsed(value: Any) -> Any:
    try:
        return json.loads(value)
    except (TypeError, json.JSONDecodeError):
        return None
