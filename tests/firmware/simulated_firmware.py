"""The real firmware in a simulated ATmega328P: compiled here, run by simavr in this process, in simulated time."""

import ctypes
import functools
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rig.ttl.emulated_lines import Edge
from rig.ttl.firmware_build import SOURCE_FOLDER, compile_command
from rig.ttl.simulated_board import LATENESS_US

CYCLES_PER_US = 16
QUEUE_LENGTH = 65536
STORE_BYTES = 1024
NEAR_WRAP = "-DCLOCK_START_MS=429492125ull"  # 4.6 s before slots overflow, and microseconds too
QUANTUM_US = 500  # of the paced board
NEEDED = "sudo apt-get install gcc-avr avr-libc libsimavr-dev libelf-dev"
SHIM_SOURCE = Path(__file__).parent / "simavr_shim.c"


class Stamped(ctypes.Structure):
    _fields_ = (("cycle", ctypes.c_uint64), ("value", ctypes.c_uint32), ("level", ctypes.c_uint32))


def is_available() -> bool:
    """True where the tool chain and the simulator are installed."""
    return bool(shutil.which("avr-gcc") and shutil.which("cc") and Path("/usr/include/simavr/sim_avr.h").exists())


def _built(name: str, inputs: bytes, command: list[str]) -> Path:
    """Build once for these inputs, whichever test process comes first."""
    key = hashlib.sha256(inputs + " ".join(command).encode()).hexdigest()[:16]
    target = Path(tempfile.gettempdir()) / f"etholoop-{key}-{name}"
    if not target.exists():
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / name
            done = subprocess.run([*command, "-o", str(fresh)], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
            shutil.copy(fresh, target.with_suffix(f".{id(fresh)}"))
            target.with_suffix(f".{id(fresh)}").replace(target)
    return target


@functools.cache
def build_firmware(*options: str) -> Path:
    """The firmware as an ELF file."""
    sources = b"".join(path.read_bytes() for path in sorted(SOURCE_FOLDER.glob("*.[ch]")))
    return _built("board.elf", sources, [*compile_command(), *options])


def build_mutant(folder: Path, name: str, old: str, new: str, *options: str) -> Path:
    """The firmware with `old` replaced by `new`; `old` must be there exactly once in all of its sources."""
    shutil.copytree(SOURCE_FOLDER, folder / name)
    sources = [path for path in sorted((folder / name).glob("*.[ch]")) if old in path.read_text()]
    if [path.read_text().count(old) for path in sources] != [1]:
        raise AssertionError(f"mutant {name}: {old!r} is not there exactly once, but in {[p.name for p in sources]}")
    sources[0].write_text(sources[0].read_text().replace(old, new))
    target = folder / f"{name}.elf"
    command = [*compile_command(folder / name), "-Wno-error", "-w", *options, "-o", str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target


@functools.cache
def _library() -> ctypes.CDLL:
    options = ["cc", "-O2", "-shared", "-fPIC", str(SHIM_SOURCE), "-lsimavr", "-lelf"]
    library = ctypes.CDLL(str(_built("simavr_shim.so", SHIM_SOURCE.read_bytes(), options)))
    pointer, u64, u32 = ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32
    stamps = ctypes.POINTER(Stamped)
    for name, result, arguments in (
        ("new", pointer, (ctypes.c_char_p,)),
        ("free", None, (pointer,)),
        ("feed", None, (pointer, ctypes.c_char_p, u32, u64)),
        ("run", ctypes.c_int, (pointer, u64)),
        ("input", None, (pointer, u32, u32)),
        ("wire", None, (pointer, u32, u32)),
        ("reset", None, (pointer,)),
        ("hang", None, (pointer, ctypes.c_int)),
        ("store", None, (pointer, ctypes.c_char_p, u32, ctypes.c_int)),
        ("ports", None, (pointer, ctypes.c_char_p)),
        ("cycle", u64, (pointer,)),
        ("resets", u32, (pointer,)),
        ("take_edges", u32, (pointer, stamps)),
        ("take_sent", u32, (pointer, stamps)),
    ):
        function = getattr(library, f"simulation_{name}")
        function.restype, function.argtypes = result, arguments
    return library


@dataclass(frozen=True, slots=True)
class SentByte:
    """A byte from the board, and when its last bit was on the wire."""

    time_us: float
    byte: int


class SimulatedFirmware:
    """A board with its firmware. Times are microseconds since it was switched on (`CYCLES_PER_US` cycles each)."""

    def __init__(self, elf: Path) -> None:
        self._library = _library()
        self._pointer = self._library.simulation_new(str(elf).encode())
        assert self._pointer, f"simavr cannot read {elf}"
        self._buffer = (Stamped * QUEUE_LENGTH)()

    def close(self) -> None:
        """Free it."""
        self._library.simulation_free(self._pointer)

    @property
    def now_us(self) -> float:
        """Simulated time."""
        return float(self._library.simulation_cycle(self._pointer)) / CYCLES_PER_US

    def feed(self, data: bytes, time_us: float | None = None) -> None:
        """Put bytes on the wire to the board from `time_us` (now) on."""
        cycle = self._library.simulation_cycle(self._pointer) if time_us is None else round(time_us * CYCLES_PER_US)
        self._library.simulation_feed(self._pointer, data, len(data), cycle)

    def run_until(self, time_us: float) -> None:
        """Let simulated time pass."""
        state = self._library.simulation_run(self._pointer, round(time_us * CYCLES_PER_US))
        assert state == 0, f"the processor ended in state {state}"

    def run_for(self, duration_us: float) -> None:
        """Let simulated time pass."""
        self.run_until(self.now_us + duration_us)

    def set_input(self, index: int, level: int) -> None:
        """What the outside world does to an input."""
        self._library.simulation_input(self._pointer, index, level)

    def wire(self, output: int, index: int) -> None:
        """From now on an input follows an output."""
        self._library.simulation_wire(self._pointer, output, index)

    def reset(self) -> None:
        """What opening the port does to an Arduino Uno, without the boot loader's second."""
        self._library.simulation_reset(self._pointer)

    def hang(self, interrupts_on: bool) -> None:
        """The program runs astray."""
        self._library.simulation_hang(self._pointer, interrupts_on)

    def store(self) -> bytes:
        """What outlives a reset."""
        buffer = ctypes.create_string_buffer(STORE_BYTES)
        self._library.simulation_store(self._pointer, buffer, STORE_BYTES, 0)
        return buffer.raw

    def set_store(self, content: bytes) -> None:
        """As if it had been damaged."""
        self._library.simulation_store(self._pointer, content, STORE_BYTES, 1)

    def pins(self) -> tuple[set[str], set[str]]:
        """Which pins the program drives, and which it pulls up."""
        buffer = ctypes.create_string_buffer(9)
        self._library.simulation_ports(self._pointer, buffer)
        driven, pulled_up = set(), set()
        for n, port in enumerate("BCD"):
            direction, level = buffer.raw[3 * n + 1], buffer.raw[3 * n + 2]
            for bit in range(8):
                if direction >> bit & 1:
                    driven.add(f"P{port}{bit}")
                elif level >> bit & 1:
                    pulled_up.add(f"P{port}{bit}")
        return driven, pulled_up

    @property
    def resets(self) -> int:
        """How often it was reset since it was switched on."""
        return int(self._library.simulation_resets(self._pointer))

    def take_edges(self) -> list[tuple[float, int, int]]:
        """Edges since the last call: time in us, output, level."""
        count = self._library.simulation_take_edges(self._pointer, self._buffer)
        return [(s.cycle / CYCLES_PER_US, s.value, s.level) for s in self._buffer[:count]]

    def take_sent(self) -> list[SentByte]:
        """Bytes sent since the last call."""
        count = self._library.simulation_take_sent(self._pointer, self._buffer)
        return [SentByte(s.cycle / CYCLES_PER_US, s.value) for s in self._buffer[:count]]


class FirmwareProgram:
    """The simulated firmware as a `rig.ttl.simulated_board.BoardProgram`, for the paced board behind a pty."""

    def __init__(self, elf: Path, switched_on_us: int = 0, loopback: Sequence[tuple[int, int]] = ()) -> None:
        self._firmware = SimulatedFirmware(elf)
        for output, index in loopback:
            self._firmware.wire(output, index)
        self._firmware.run_until(switched_on_us)
        self._offset_us = switched_on_us

    def step(self, time_us: int, data: bytes) -> bytes:
        """See BoardProgram."""
        if data:
            self._firmware.feed(data)
        self._firmware.run_until(time_us + self._offset_us)
        return bytes(sent.byte for sent in self._firmware.take_sent())

    def wake_us(self) -> int:
        """See BoardProgram."""
        return int(self._firmware.now_us) - self._offset_us + QUANTUM_US

    def excuse(self, late_us: int, heard: bool) -> int:
        """See BoardProgram: the processor stands still."""
        return max(0, late_us - LATENESS_US)

    def take_edges(self) -> list[Edge]:
        """See BoardProgram."""
        return [Edge(round(t) - self._offset_us, output, level) for t, output, level in self._firmware.take_edges()]

    def reset(self) -> None:
        """See BoardProgram."""
        self._firmware.reset()
