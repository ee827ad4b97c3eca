"""One session from beginning to end: check everything, prepare, run, end, summarise.

Everything that can be known to be wrong is found before a session folder exists; whatever goes wrong after that is
in the folder's record.
"""

import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Any

from online.arena import Intrinsics, foreign_camera
from online.errors import ConfigError, EtholoopError, FileFormatError
from online.files.arena_file import load_arena, save_arena
from online.files.bundle import bundle_sha256
from online.files.mask_file import with_mask
from online.files.names import load_names, names_path
from online.files.protocol_files import ProtocolFiles
from online.files.whole_file import whole_file
from online.pipeline import phases_of
from protocols.materials import to_json
from protocols.parse import parse_protocol
from protocols.schema import Protocol
from rig.arena_command import arena_from_recording
from rig.cameras.protocol import CameraInfo
from rig.clock import SystemClock
from rig.configuration import RigConfig
from rig.launch import Launch
from rig.private_directory import private_directory, sweep
from rig.session_checks import Checked, SessionRequest, check_request
from rig.summary import summarise
from rig.supervisor import Ending, Supervisor
from rig.ttl.configuration import SIMULATED, prepare_board
from rig.ttl.simulated_board import end_board_process
from rig.watched import watched

Report = Callable[[str], None]
PACKAGES = ("etholoop", "numpy", "numba", "h5py", "pyzmq", "msgpack", "pyserial", "pydantic")


@dataclass(frozen=True, slots=True)
class SessionResult:
    """Where a session's data are, and how it went; `failures` is empty when all went well."""

    folder: Path
    summary: dict[str, Any]
    failures: list[str]


def find_arena(rig: RigConfig, camera: CameraInfo, run_dir: Path) -> Path:
    """The arena file to use: the rig's own, or one calibrated now from the recording to be played."""
    if rig.arena.file is not None:
        arena = load_arena(rig.arena.file)
        lens = Intrinsics(camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px)
        if complaint := foreign_camera(arena, camera.height, camera.width, lens):
            raise ConfigError(f"{rig.arena.file} is not this camera's: {complaint}; run `etholoop arena` again")
        if rig.arena.mask is None:
            return rig.arena.file
    else:
        arena = arena_from_recording(rig.camera, camera, rig.arena.seed)
    path = run_dir / "arena.toml"
    save_arena(arena if rig.arena.mask is None else with_mask(arena, rig.arena.mask), path)
    return path


def attributes_of(
    request: SessionRequest, checked: Checked, launch: Launch, camera: CameraInfo, board: str
) -> dict[str, Any]:
    """What the session file says of itself."""
    started = datetime.now(UTC).astimezone()
    clock, declared = SystemClock(), checked.rig.board
    return {
        "subject": request.subject,
        "session": launch.session_name,
        "started_at": started.isoformat(),
        "started_time_ns": clock.now_ns(),
        "seeds": {"protocol": checked.protocol.session.seed, "arena": checked.rig.arena.seed},
        "model_sha256": checked.model_sha256,
        "protocol_sha256": sha256(launch.protocol.read_bytes()).hexdigest(),
        "materials_sha256": sha256(launch.materials.encode()).hexdigest(),
        "arm_commitment": arm_commitment(request, checked, launch.session_name),
        "names": load_names(launch.model, checked.bundle.arhmm.num_syllables),
        "camera": asdict(camera),
        "board": json.loads(board),
        "loopback": {name: [declared.channels[name], number] for name, number in declared.loopback.items()},
        "versions": {p: version(p) for p in PACKAGES} | {"python": sys.version.split()[0]},
    }


def arm_commitment(request: SessionRequest, checked: Checked, name: str) -> str:
    """What the session keeps of a sealed arm; empty where none is sealed."""
    assignment, arm = checked.protocol.assignment, checked.materials.arm
    if assignment is None or assignment.sealed is None or arm is None:
        return ""
    return ProtocolFiles(request.protocol.parent).commitment(assignment.sealed, request.subject, name, arm)


def sealed_assignment(protocol: Protocol, folder: Path) -> str | None:
    """Text of the assignment under seal, which the online process opens for itself; None where arms are open."""
    assignment = protocol.assignment
    if assignment is None or assignment.sealed is None:
        return None
    return ProtocolFiles(folder).source(assignment.sealed)


@contextmanager
def interrupts_stop(supervisor: Supervisor) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the session in good order; a second Ctrl-C changes nothing."""

    def wish(number: int, frame: FrameType | None) -> None:
        supervisor.stop_wish = f"stopped by {signal.Signals(number).name}"

    before = {number: signal.signal(number, wish) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_session(request: SessionRequest, report: Report, screen: Callable[[Path], None] | None) -> SessionResult:
    """Run one session. `screen` is called with the private directory once the session runs, to open a terminal UI.

    Raises
    ------
    EtholoopError
        when the session could not start; nothing is left behind then.
    """
    report("checking the rig file, the model and the protocol")
    checked = check_request(request)
    sweep(lambda left: conclude_killed(left, report))
    if checked.rig.board.port == SIMULATED:
        report("board: starting the simulated one")
    with private_directory() as run_dir, board_of(checked.rig, run_dir) as rig:
        model, protocol = freeze(request, checked, run_dir)
        sealed = sealed_assignment(checked.protocol, request.protocol.parent)
        launch = Launch(
            run_dir=run_dir,
            rig=rig,
            model=model,
            named_model=request.model.resolve(),
            protocol=protocol,
            subject=request.subject,
            session_name=f"{datetime.now(UTC).astimezone():%Y-%m-%d_%H-%M-%S}_{safe_name(request.subject)}",
            materials=to_json(checked.materials),
            arm=checked.materials.arm if sealed is None else None,
            sealed=sealed,
        )
        supervisor = Supervisor(launch, SystemClock(), report)
        with interrupts_stop(supervisor):
            try:
                folder = prepare(supervisor, request, checked)
                if screen is not None:
                    screen(run_dir)
                with watched(supervisor.launch, report):
                    supervisor.run()
            finally:
                supervisor.close()
            return conclude(supervisor, folder)


def freeze(request: SessionRequest, checked: Checked, run_dir: Path) -> tuple[Path, Path]:
    """Copies of model (with its names) and protocol that nobody edits: what runs is what is recorded.

    Raises
    ------
    ConfigError
        if either changed since it was checked.
    """
    copies = run_dir / "frozen"
    copies.mkdir()
    names = names_path(request.model)
    for path in (request.model, request.protocol, *([names] if names.exists() else [])):
        shutil.copyfile(path, copies / path.name)
    model, protocol = copies / request.model.name, copies / request.protocol.name
    same = parse_protocol(protocol.read_text(), str(request.protocol)) == checked.protocol
    if not same or bundle_sha256(model) != checked.model_sha256:
        raise ConfigError(f"{request.protocol} or {request.model} changed while the session was being prepared: again")
    return model, protocol


@contextmanager
def board_of(rig: RigConfig, run_dir: Path) -> Iterator[RigConfig]:
    """The rig with the port of its board; a simulated board lives until the end of the block."""
    board, simulated = prepare_board(rig.board, run_dir / "pins.csv")
    try:
        yield rig.model_copy(update={"board": board})
    finally:
        if simulated is not None:
            end_board_process(simulated)


def prepare(supervisor: Supervisor, request: SessionRequest, checked: Checked) -> Path:
    """Bring every process up and start the session; the folder is made last, when nothing can be wrong any more."""
    launch = supervisor.launch
    camera = supervisor.prepare_camera()
    phases_of(checked.bundle.frame_rate_hz, camera.rate_hz)
    supervisor.report(f"camera: {camera.name}, {camera.width} x {camera.height} at {camera.rate_hz:g} Hz")
    supervisor.report(f"arena: {checked.rig.arena.file or 'being calibrated from the recording'}")
    arena = find_arena(checked.rig, camera, launch.run_dir)
    supervisor.launch = launch = launch.model_copy(update={"camera": camera, "arena": arena.resolve()})
    board = supervisor.prepare("online")
    folder = request.out / launch.session_name
    try:
        folder.mkdir()
    except OSError as error:
        raise ConfigError(f"{folder} cannot be made: {error.strerror}; start again") from error
    try:
        supervisor.launch = launch.model_copy(
            update={
                "session_dir": folder.resolve(),
                "attributes": attributes_of(request, checked, launch, camera, board),
            }
        )
        copy_configuration(request, launch, arena, folder)
        supervisor.prepare("recorder")
        supervisor.start()
    except (EtholoopError, OSError) as error:
        supervisor.nursery.kill()
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise ConfigError(f"--out {request.out}: cannot be written to: {error.strerror or error}") from error
        raise
    supervisor.report(f"session runs; data in {folder}")
    supervisor.report(f"watch or control it elsewhere: etholoop attach {launch.run_dir}")
    return folder


def copy_configuration(request: SessionRequest, launch: Launch, arena: Path, folder: Path) -> None:
    """Keep the files that ran beside the recording."""
    shutil.copyfile(launch.protocol, folder / "protocol.toml")
    shutil.copyfile(request.rig, folder / "rig.toml")
    save_arena(load_arena(arena), folder / "arena.toml")


def conclude(supervisor: Supervisor, folder: Path) -> SessionResult:
    """Read the session file back, write `summary.json`, keep the logs; a disk that is full is one more failure."""
    supervisor.report("the summary is being written")
    summary = summary_of(folder, supervisor.ending)
    try:
        keep(summary, supervisor.launch.run_dir, folder)
    except OSError as error:
        supervisor.ending.failures.append(
            f"summary.json or a log could not be written to {folder}: {error.strerror or error}"
        )
    return SessionResult(folder, summary, supervisor.ending.failures)


def conclude_killed(run_dir: Path, report: Report) -> None:
    """Write the summary, and keep the logs, of an earlier session whose supervisor was killed."""
    try:
        folder = Launch.load(run_dir).session_dir
    except (OSError, ValueError):  # killed before it had begun
        return
    if folder is None or not (folder / "session.h5").exists() or (folder / "summary.json").exists():
        return
    line = "unknown: the online process drove it low, or the board's own watchdog"
    keep(summary_of(folder, Ending("supervisor: killed", ["supervisor: killed"], line)), run_dir, folder)
    report(f"{folder}: the supervisor of this session was killed; its summary is written now")


def summary_of(folder: Path, ending: Ending) -> dict[str, Any]:
    """The summary of a session's file, or why it cannot be read, with how the session ended."""
    try:
        summary = summarise(folder)
    except (FileFormatError, OSError, KeyError) as error:
        summary = {"unreadable": f"{folder / 'session.h5'}: {error}"}
    return summary | {"ending": {"reason": ending.reason, "failures": ending.failures, "line": ending.line_low}}


def keep(summary: dict[str, Any], run_dir: Path, folder: Path) -> None:
    """Write the summary, then the processes' logs, into the session's folder."""
    with whole_file(folder / "summary.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=1))
    for log in (*run_dir.glob("*.csv"), *run_dir.glob("*.log")):
        shutil.copyfile(log, folder / log.name)


def safe_name(subject: str) -> str:
    """The subject's name as part of a folder's name."""
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in subject)
