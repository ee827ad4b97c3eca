"""What a pickle names, without its behaviour: inert objects, and numpy arrays rebuilt from checked parts only.

Nothing is imported or called on behalf of a file. Arrays are built from a dtype that matches a pattern of plain
numbers and texts, a shape, and bytes whose length agrees with both.
"""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DTYPE = re.compile(r"[<>|=]?(\?|[biufc]\d{1,2}|[SUV]\d{1,6}|O8?)")
_NUMPY_FUNCTION = re.compile(r"numpy\.(?:_core|core)\.(?:multiarray|numeric)\.(\w+)")


@dataclass(frozen=True, slots=True)
class GlobalName:
    """A class or function that a file names; never looked up."""

    path: str


@dataclass(slots=True, eq=False)
class Inert:
    """What a file would have made by calling `made_by`: arguments, state and items, and no behaviour."""

    made_by: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    def attributes(self) -> dict[str, Any]:
        """Attributes that the object's state names; empty when the state is of another kind."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return {str(k): v for part in parts if isinstance(part, dict) for k, v in part.items()}


@dataclass(slots=True)
class InertDtype:
    """A dtype under construction: the file states its byte order after its name."""

    dtype: np.dtype[Any]


def make(called: GlobalName, arguments: tuple[Any, ...]) -> Any:
    """What `called(*arguments)` stands for: a container, a number or an array of known kind, else an inert object."""
    numpy_function = _NUMPY_FUNCTION.fullmatch(called.path)
    name = f"numpy.{numpy_function[1]}" if numpy_function else called.path.replace("__builtin__", "builtins")
    maker = _MAKERS.get(name)
    return maker(*arguments) if maker else Inert(called.path, arguments)


def build(target: Any, state: Any) -> None:
    """Give a made object its state, in place.

    Raises
    ------
    ValueError
        if an array's or dtype's state is not of the plain kind.
    """
    if isinstance(target, Inert):
        target.state = state
    elif isinstance(target, InertDtype):
        target.dtype = _dtype_with_order(target.dtype, state)
    elif isinstance(target, np.ndarray):
        _version, shape, dtype, fortran, raw = state
        _check_shape(shape, dtype.dtype, raw)
        raw = raw.encode("latin-1") if isinstance(raw, str) else raw
        parts: Any = (1, shape, dtype.dtype, bool(fortran), raw)
        target.__setstate__(parts)
    # Attributes given to a plain container (a subclass of dict, say) have nowhere to go and are not needed.


def array_from_bytes(raw: bytes | bytearray, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """Writable array from its bytes in the file's order, "C" or "F"."""
    _check_shape(shape, dtype, raw)
    flat = np.frombuffer(raw, dtype).copy()
    return flat.reshape(shape[::-1]).T if order == "F" else flat.reshape(shape)


def num_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of an array; ValueError if the shape is none."""
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"{shape!r:.60} is not a shape")
    return math.prod(shape) * dtype.itemsize


def _check_shape(shape: Any, dtype: np.dtype[Any], raw: Any) -> None:
    expected = num_bytes(shape, dtype)
    if dtype.hasobject:
        good = isinstance(raw, list) and len(raw) == math.prod(shape)
    else:
        good = isinstance(raw, bytes | bytearray | str) and len(raw) == expected
    if not good:
        raise ValueError(f"an array of shape {shape} does not have the bytes it needs")


def _dtype(name: Any, *_flags: Any) -> InertDtype:
    if not isinstance(name, str) or not _DTYPE.fullmatch(name):
        raise ValueError(f"arrays of dtype {name!r:.60} are not read")
    return InertDtype(np.dtype(name))


def _dtype_with_order(dtype: np.dtype[Any], state: Any) -> np.dtype[Any]:
    _version, order, subarray, names, fields = state[:5]
    if any(part is not None for part in (subarray, names, fields)):
        raise ValueError("structured arrays are not read")
    return dtype.newbyteorder(order) if order in ("<", ">") else dtype


def _scalar(dtype: InertDtype, raw: Any) -> Any:
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw
    return array_from_bytes(raw, dtype.dtype, (1,), "C")[0]


def _frombuffer(raw: Any, dtype: InertDtype, shape: Any, order: Any) -> NDArray[Any]:
    """Array as protocol 5 writes it."""
    return array_from_bytes(raw, dtype.dtype, shape, order)


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Bytes as protocol 2 writes them: a text and the name of the encoding that turns it back."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text encoding {encoding!r:.20} is not read")
    return text.encode("latin-1")


def _mapping(items: Iterable[tuple[Any, Any]] = ()) -> dict[Any, Any]:
    return dict(items)


_MAKERS: dict[str, Callable[..., Any]] = {
    "numpy.scalar": _scalar,
    "numpy._reconstruct": lambda *_arguments: np.zeros(0, np.uint8),
    "numpy._frombuffer": _frombuffer,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
    "builtins.set": lambda items=(): set(items),
    "builtins.frozenset": lambda items=(): frozenset(items),
    "builtins.list": lambda items=(): list(items),
    "builtins.tuple": lambda items=(): tuple(items),
    "builtins.dict": _mapping,
    "builtins.bytes": lambda items=b"": bytes(items) if isinstance(items, list | bytes) else b"",
    "collections.OrderedDict": _mapping,
    "collections.defaultdict": lambda *_factory: {},
    "copyreg._reconstructor": lambda made, *_rest: Inert(made.path),
    "copy_reg._reconstructor": lambda made, *_rest: Inert(made.path),
}
