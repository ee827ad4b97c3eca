"""Reader of moseq2 model files (joblib pickles, plain or compressed) that executes nothing from the file.

A pickle is a program for a stack machine whose instructions may import and call anything. Here the instructions are
parsed by the standard library's `pickletools.genops`, which only parses, and carried out by the machine below, which
builds numbers, texts, containers and numpy arrays of plain dtypes. Every other class or function that the file names
becomes an `Inert` object that keeps its arguments and state: enough to find the arrays inside a pickled model without
the package that defined it.

joblib writes an array as a small object of class NumpyArrayWrapper, and right behind the instruction that completes
it the array's bytes, since joblib 1.2 with a byte that counts the padding before them.
"""

import io
import pickletools
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from offline.inert import GlobalName, Inert, array_from_bytes, build, make, num_bytes
from online.errors import FileFormatError

MAX_DECOMPRESSED_BYTES = 4 * 2**30
_ARRAY_WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_COMPRESSED = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b")
_MARK = object()


def load_inert(path: Path) -> Any:
    """Read a joblib pickle (`.p`, `.pkl`, or zlib `.z`, gzip) without running anything in it.

    Raises
    ------
    FileFormatError
        if the file is absent, damaged, or holds something that cannot be read without running it.
    """
    try:
        raw = path.read_bytes()
        if raw[:2] in _COMPRESSED:
            raw = _decompress(raw)
        with warnings.catch_warnings(action="ignore"):  # of odd escapes in the texts of a damaged file
            return _Machine(io.BytesIO(raw)).run()
    except OSError as error:
        raise FileFormatError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, zlib.error) as error:
        raise FileFormatError(
            f"{path}: not a model file that can be read without running code from it ({error}); "
            "is it whole, and written by moseq2-model's learn-model?"
        ) from error


def _decompress(raw: bytes) -> bytes:
    """zlib or gzip, whichever it is."""
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    plain = decoder.decompress(raw, MAX_DECOMPRESSED_BYTES)
    if decoder.unconsumed_tail:
        raise ValueError("decompresses to more than 4 GiB")
    if not decoder.eof:
        raise ValueError("the compressed data end too soon")
    return plain


class _Machine:
    """Carries out one pickle; `file` stands at its first byte and, afterwards, behind its last."""

    def __init__(self, file: io.BytesIO) -> None:
        self.file = file
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Result of the program."""
        for opcode, argument, _position in pickletools.genops(self.file):
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in _LITERALS:
                self.stack.append(argument)
            elif opcode.name in _VALUES:
                self.stack.append(_VALUES[opcode.name]())
            elif opcode.name in _INSTRUCTIONS:
                _INSTRUCTIONS[opcode.name](self, argument)
            elif opcode.name not in ("PROTO", "FRAME"):
                raise ValueError(f"the instruction {opcode.name} is not read")
        raise ValueError("the file ends too soon")

    def to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        above = []
        while (value := self.stack.pop()) is not _MARK:
            above.append(value)
        return above[::-1]

    def put(self, argument: Any) -> None:
        self.memo[len(self.memo) if argument is None else argument] = self.stack[-1]

    def drop(self, _argument: Any) -> None:
        self.stack.pop()

    def drop_to_mark(self, _argument: Any) -> None:
        self.to_mark()

    def get(self, argument: Any) -> None:
        self.stack.append(self.memo[argument])

    def add(self, items: list[Any]) -> None:
        """Append to a list, a set or an inert object."""
        target = self.stack[-1]
        if isinstance(target, set):
            target.update(items)
        else:
            (target.items if isinstance(target, Inert) else target).extend(items)

    def set_items(self, items: list[Any]) -> None:
        """Keys and values in turn, into a dict or an inert object."""
        pairs = zip(items[::2], items[1::2], strict=True)
        target = self.stack[-1]
        if isinstance(target, Inert):
            target.items.extend(pairs)
        else:
            target.update(pairs)

    def name_global(self, module: Any, name: Any) -> None:
        self.stack.append(GlobalName(f"{module}.{name}"))

    def call(self, called: Any, arguments: Any) -> None:
        """REDUCE: what calling stands for."""
        if not isinstance(called, GlobalName):
            self.stack.append(Inert("an object of the file", tuple(arguments)))
        else:
            self.stack.append(make(called, tuple(arguments)))

    def new(self, made_by: Any, arguments: Any) -> None:
        """NEWOBJ and its like: an instance of a class."""
        self.stack.append(Inert(getattr(made_by, "path", "an object of the file"), tuple(arguments)))

    def build(self) -> None:
        """Give the object below its state; an array announced by joblib is read here."""
        state = self.stack.pop()
        target = self.stack[-1]
        build(target, state)
        if isinstance(target, Inert) and target.made_by == _ARRAY_WRAPPER:
            self.stack[-1] = self.read_array(target.attributes())

    def read_array(self, wrapper: dict[str, Any]) -> Any:
        """Array whose bytes follow in the file."""
        dtype = wrapper["dtype"].dtype
        if dtype.hasobject:
            return _Machine(self.file).run()
        if wrapper.get("numpy_array_alignment_bytes") is not None:
            padding = self.file.read(1)
            self.file.read(padding[0])
        raw = self.file.read(num_bytes(wrapper["shape"], dtype))
        return array_from_bytes(raw, dtype, wrapper["shape"], wrapper["order"])


def _instance(machine: _Machine, argument: Any) -> None:
    """INST: the class in the instruction, the arguments above the mark."""
    machine.new(GlobalName(argument.replace(" ", ".")), machine.to_mark())


def _object(machine: _Machine, _argument: Any) -> None:
    """OBJ: class and arguments above the mark."""
    made_by, *arguments = machine.to_mark()
    machine.new(made_by, arguments)


def _new_with_names(machine: _Machine, _argument: Any) -> None:
    """NEWOBJ_EX: class, arguments, named arguments."""
    made_by, arguments, named = machine.stack[-3:]
    del machine.stack[-3:]
    machine.new(made_by, (*arguments, named))


def _two(method: Callable[[_Machine, Any, Any], None]) -> Callable[[_Machine, Any], None]:
    """An instruction that takes the two topmost values of the stack."""

    def instruction(machine: _Machine, _argument: Any) -> None:
        first, second = machine.stack[-2:]
        del machine.stack[-2:]
        method(machine, first, second)

    return instruction


def _tuple_of(count: int) -> Callable[[_Machine, Any], None]:
    def instruction(machine: _Machine, _argument: Any) -> None:
        made = tuple(machine.stack[-count:])
        del machine.stack[-count:]
        machine.stack.append(made)

    return instruction


def _collect(kind: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    """An instruction that makes one value of everything above the mark."""

    def instruction(machine: _Machine, _argument: Any) -> None:
        machine.stack.append(kind(machine.to_mark()))

    return instruction


_INTEGERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_LITERALS = _INTEGERS | _TEXTS | _BYTES | {"FLOAT", "BINFLOAT"}
_VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "POP": _Machine.drop,
    "POP_MARK": _Machine.drop_to_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.stack[-1]),
    "LIST": _collect(list),
    "TUPLE": _collect(tuple),
    "DICT": _collect(lambda items: dict(zip(items[::2], items[1::2], strict=True))),
    "FROZENSET": _collect(frozenset),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "APPEND": lambda machine, _: machine.add([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.add(machine.to_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.to_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.stack.pop(), machine.stack.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.to_mark()),
    "GLOBAL": lambda machine, argument: machine.name_global(*argument.split(" ", 1)),
    "STACK_GLOBAL": _two(_Machine.name_global),
    "REDUCE": _two(_Machine.call),
    "NEWOBJ": _two(_Machine.new),
    "NEWOBJ_EX": _new_with_names,
    "INST": _instance,
    "OBJ": _object,
    "BUILD": lambda machine, _: machine.build(),
}
