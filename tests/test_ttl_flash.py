"""`etholoop ttl flash`: with the real avrdude and a simulated boot loader, and with an avrdude that fails."""

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from online.errors import BoardError, BoardNotFound, BusyError, EtholoopError
from rig.ttl.flash_command import command
from rig.ttl.port import open_port
from rig.ttl.simulated_board import start_board_process, start_simulated_board
from tests.ttl_benches import needs_simavr

needs_avrdude = pytest.mark.skipif(not shutil.which("avrdude"), reason="needs: sudo apt-get install avrdude")
FAKE = """#!{python}
import pathlib, sys
words = sys.argv[1:]
file = words[words.index("-U") + 1].split(":")[2]
pathlib.Path({note!r}).write_text("\\n".join([*words, pathlib.Path(file).read_text()[:9]]))
sys.stderr.write({says!r})
sys.exit({code})
"""


@dataclass(frozen=True)
class Desk:
    """A port, and a folder for what avrdude notes."""

    port: str
    folder: Path

    def note(self) -> list[str]:
        return (self.folder / "note").read_text().split("\n")

    def fake_avrdude(self, monkeypatch: pytest.MonkeyPatch, code: int = 0, says: str = "") -> None:
        path = self.folder / "bin" / "avrdude"
        path.parent.mkdir()
        path.write_text(FAKE.format(python=sys.executable, note=str(self.folder / "note"), says=says, code=code))
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    process, port = start_simulated_board(tmp_path / "pins.csv")
    yield Desk(port, tmp_path)
    process.terminate()
    process.wait()


def flash(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


@needs_avrdude
@needs_simavr
def test_the_real_avrdude_writes_and_verifies_every_byte(tmp_path: Path) -> None:
    memory = tmp_path / "flash.bin"
    process, port = start_board_process("tests.bootloader", tmp_path / "pins.csv", "--flash", str(memory))
    done = flash("--port", port)
    process.terminate()
    process.wait()
    assert done.exit_code == 0, (done.output, done.exception)
    assert "runs firmware 1.2" in done.output
    assert flash("--out", str(tmp_path / "board.hex")).exit_code == 0
    built = bytes_of_hex(tmp_path / "board.hex")
    assert len(built) > 4_000
    assert memory.read_bytes()[: len(built)] == built


def bytes_of_hex(path: Path) -> bytes:
    records = [bytes.fromhex(line[1:]) for line in path.read_text().split()]
    return b"".join(record[4:-1] for record in records if record[3] == 0)


@needs_simavr
def test_avrdude_is_told_the_port_the_boot_loader_and_a_fresh_build(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.fake_avrdude(monkeypatch)
    done = flash("--port", desk.port, "--board", "nano-old")
    assert done.exit_code == 0, done.exception
    words = desk.note()
    for option, value in (("-P", desk.port), ("-b", "57600"), ("-p", "atmega328p"), ("-c", "arduino")):
        assert words[words.index(option) + 1] == value
    assert words[-1].startswith(":100000")
    assert "runs firmware 1.2" in done.output


def test_a_firmware_built_elsewhere_is_written_as_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.fake_avrdude(monkeypatch)
    (desk.folder / "mine.hex").write_text(":00000001FF\n")
    done = flash("--port", desk.port, "--hex", str(desk.folder / "mine.hex"))
    assert done.exit_code == 0, done.exception
    assert desk.note()[-1] == ":00000001"


@pytest.mark.parametrize(
    ("says", "advice"),
    [
        ("avrdude: stk500_recv(): programmer is not responding", "nano-old"),
        ("stk500_getsync() attempt 10 of 10: not in sync: resp=0x00", "nano-old"),
        ("avrdude error: verification mismatch", "shorter cable"),
        ("Expected signature for ATmega328P is 1E 95 0F", "not an ATmega328P"),
        ("something else", "see avrdude's words"),
    ],
)
def test_avrdudes_last_words_come_with_what_they_mean(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, says: str, advice: str
) -> None:
    desk.fake_avrdude(monkeypatch, 1, says)
    (desk.folder / "mine.hex").write_text(":00000001FF\n")
    done = flash("--port", desk.port, "--hex", str(desk.folder / "mine.hex"))
    assert isinstance(done.exception, BoardError)
    assert says in str(done.exception)
    assert advice in str(done.exception)


def test_what_is_missing_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(flash("--port", "/dev/nowhere").exception, BoardNotFound)
    monkeypatch.setenv("PATH", str(desk.folder))
    missing = flash("--port", desk.port).exception
    assert isinstance(missing, EtholoopError)
    assert "apt-get install avrdude" in str(missing)
    missing = flash("--out", str(desk.folder / "board.hex")).exception
    assert isinstance(missing, EtholoopError)
    assert "gcc-avr" in str(missing)
    assert flash().exit_code == flash("--port", "a", "--out", "b").exit_code == 2


def test_a_port_that_another_program_holds_is_told_before_anything_is_written(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.fake_avrdude(monkeypatch)
    held = open_port(desk.port, 115_200)
    assert isinstance(flash("--port", desk.port).exception, BusyError)
    assert not (desk.folder / "note").exists()
    held.close()
