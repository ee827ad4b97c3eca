"""What is checked before anything starts: the files of a session, and whether they fit each other."""

import tempfile
from dataclasses import asdict, dataclass, replace
from importlib.metadata import packages_distributions
from pathlib import Path

from online.errors import ConfigError
from online.files.arena_file import load_arena
from online.files.bundle import bundle_sha256, load_bundle
from online.files.mask_file import with_mask
from online.files.names import by_name, load_names
from online.files.protocol_files import ProtocolFiles
from online.model import ModelBundle
from online.pipeline import check_fills_masks
from protocols.build import lead_ms, train_of
from protocols.examine import Bench, undeclared_channels, unfit_in_part, unfit_with_files
from protocols.materials import Materials
from protocols.parse import listed, read_parts
from protocols.rule_schema import ScheduledRule
from protocols.schema import Protocol
from protocols.schema_types import GRID_US
from rig.configuration import RigConfig, load_rig
from rig.ttl.configuration import impossible_trains
from rig.ttl.limits import limits_refusal
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.watch_keys import rig_keys

LONGEST_SUBJECT = 100


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What the experimenter asked for."""

    rig: Path
    model: Path
    protocol: Path
    subject: str
    out: Path


@dataclass(frozen=True, slots=True)
class Checked:
    """Files that were read and found to fit each other."""

    rig: RigConfig
    bundle: ModelBundle
    model_sha256: str
    protocol: Protocol
    materials: Materials


def check_installation() -> None:
    """Another distribution called `rig` would shadow ours."""
    owners = set(packages_distributions().get("rig", []))
    if owners - {"etholoop"}:
        raise ConfigError(
            f"the package name 'rig' belongs to {', '.join(sorted(owners))} here: install etholoop into a virtual "
            "environment of its own"
        )


def check_request(request: SessionRequest) -> Checked:
    """Read and check every file; nothing is started, and nothing written but an `--out` folder that was missing.

    Raises
    ------
    ConfigError, FileFormatError
        for the first file that will not do, with all of its problems.
    """
    check_installation()
    rig = load_rig(request.rig)
    bundle = load_bundle(request.model)
    if not bundle.runs_at_rig:
        raise ConfigError(f"{request.model}: trained from scores alone, cannot run at a rig: train with --pca pca.h5")
    protocol, materials = check_protocol_file(request, rig, bundle)
    check_watch(rig)
    if check_arena(request.rig, rig):
        check_fills_masks(bundle)
    check_subject(request.subject)
    check_writable(request.out)
    return Checked(rig, bundle, bundle_sha256(request.model), protocol, materials)


def check_watch(rig: RigConfig) -> None:
    """Where others may look, the rig's own key must be there, and nobody else's to read."""
    if rig.watch is not None:
        rig_keys(rig.watch.keys)


def check_protocol_file(request: SessionRequest, rig: RigConfig, bundle: ModelBundle) -> tuple[Protocol, Materials]:
    """Read the protocol and everything that it refers to, and ask whether rig, model and subject fit it.

    Raises
    ------
    ConfigError, FileFormatError
        with all problems.
    """
    try:
        text = request.protocol.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{request.protocol}: cannot be read: {error}") from error
    parts, problems = read_parts(text, str(request.protocol))
    bench = Bench(
        bundle.arhmm.num_syllables,
        by_name(load_names(request.model, bundle.arhmm.num_syllables)),
        bundle.frame_rate_hz,
    )
    reader = ProtocolFiles(request.protocol.parent)
    if problems:
        raise ConfigError(listed(str(request.protocol), problems + unfit_in_part(parts, bench, reader)))
    protocol = parts.protocol()
    materials, problems = unfit_with_files(protocol, bench, request.subject, reader)
    problems += [*undeclared_channels(protocol.trains.values(), rig.board.channels), *missing_sync(protocol, rig)]
    problems += [*unkept_limits(protocol), *undoable_trains(protocol, rig, bundle.frame_rate_hz)]
    if problems:
        fit = f"{request.protocol}, {request.model} and {request.rig} do not fit"
        raise ConfigError(f"{fit}:\n" + "\n".join(f"  {line}" for line in problems))
    return protocol, materials


def check_subject(subject: str) -> None:
    """A name that a folder, a file's attributes and a person can hold."""
    if not subject.strip():
        raise ConfigError("--subject must not be empty")
    if not subject.isprintable() or len(subject.encode()) > LONGEST_SUBJECT:
        raise ConfigError(f"--subject {subject!r}: give printable text of at most {LONGEST_SUBJECT} bytes")


def missing_sync(protocol: Protocol, rig: RigConfig) -> list[str]:
    """A sync output that the rig's board has not."""
    if protocol.sync_mode == "off" or rig.board.driver == "etholoop":
        return []
    return [f'[[outputs]] with sync = "{protocol.sync_mode}": a {rig.board.driver} board has no sync output']


def board_limits(protocol: Protocol) -> BoardLimits:
    """The protocol's limits in the board's units."""
    limits = protocol.limits
    return BoardLimits(
        max_width_us=round(limits.max_width_ms * 1000),
        max_duty=limits.max_duty,
        window_us=round(limits.window_ms * 1000),
        min_interval_us=round(limits.min_interval_ms * 1000),
        max_pulses=limits.max_pulses,
    )


def unkept_limits(protocol: Protocol) -> list[str]:
    """Limits beyond what every board has built in, which it would refuse when the session starts."""
    complaint = limits_refusal(board_limits(protocol))
    return [f"[limits]: {complaint}"] if complaint else []


def undoable_trains(protocol: Protocol, rig: RigConfig, frame_rate_hz: float) -> list[str]:
    """Trains that the rig's board cannot do at all, which it would refuse amid the session, one by one.

    A scheduled trial is asked for ahead of its time, with what is left as the train's delay: the longest is checked.
    """
    wanted = {f"[[outputs]] {name!r}": train_of(output) for name, output in protocol.trains.items()}
    ahead_ms = max(0.0, lead_ms(protocol, frame_rate_hz) - protocol.timing.command_ms)
    for rule in protocol.rules:
        train = train_of(protocol.output(rule.output), rule.delay_ms)
        if isinstance(rule, ScheduledRule):
            train = replace(train, delay_us=train.delay_us + round(ahead_ms * 1000 / GRID_US) * GRID_US)
        if train not in wanted.values():
            wanted[f"[[rules]] {rule.name!r}"] = train
    declared = rig.board.channels.values()
    trains = {who: PulseTrain(**asdict(train)) for who, train in wanted.items() if train.channel in declared}
    return impossible_trains(rig.board, trains, board_limits(protocol))


def check_arena(path: Path, rig: RigConfig) -> bool:
    """An arena that is named must be readable; one must be named unless a recording gives it. True if it has a mask."""
    if rig.arena.file is not None:
        arena = load_arena(rig.arena.file)
        if rig.arena.mask is not None:
            with_mask(arena, rig.arena.mask)
        return arena.has_mask or rig.arena.mask is not None
    if not rig.arena.from_recording:
        raise ConfigError(f'{path}: names no arena: run `etholoop arena` and set [arena] file = "arena.toml"')
    return rig.arena.mask is not None


def check_writable(folder: Path) -> None:
    """Refuse a folder that cannot hold a session, before anything starts."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f"--out {folder}: cannot be written to: {error.strerror}") from error
