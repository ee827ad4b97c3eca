"""What does not change while a session runs: names, protocol, arena, sizes. Read once from the private directory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from online.arena import Arena
from online.errors import EtholoopError
from online.files.arena_file import load_arena
from online.files.bundle import load_bundle
from online.files.names import load_names
from protocols.parse import parse_protocol
from protocols.rule_schema import SyllableRule, TriggeredRule
from protocols.schema import Protocol


class ShownCamera(BaseModel):
    """The part of `CameraInfo` that a screen needs."""

    model_config = ConfigDict(frozen=True)

    depth_unit_mm: float
    rate_hz: float


class ShownLaunch(BaseModel):
    """The part of `rig.launch.Launch` that a screen needs; the whole of it would load the cameras, and take seconds."""

    model_config = ConfigDict(frozen=True)

    model: Path
    named_model: Path | None = None
    protocol: Path
    subject: str
    session_name: str
    arena: Path | None = None
    camera: ShownCamera | None = None
    session_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """Facts as far as they are known; `problems` says what could not be read and why; `live` is False for a replay."""

    subject: str = ""
    session: str = ""
    model: str = ""
    model_path: Path | None = None
    names: dict[int, str] = field(default_factory=dict)
    protocol: Protocol | None = None
    arena: Arena | None = None
    depth_unit_mm: float = 1.0
    rate_hz: float | None = None
    session_dir: Path | None = None
    min_height_mm: float = 10.0
    max_height_mm: float = 100.0
    live: bool = True
    problems: tuple[str, ...] = ()

    def name(self, syllable: int) -> str:
        """The syllable's name, or an empty text."""
        return self.names.get(syllable, "")

    def block_spans(self) -> list[tuple[str, float, float]]:
        """Names of the protocol's blocks, and the session's time in ms at which each begins and ends, in order."""
        blocks = self.protocol.all_blocks() if self.protocol else ()
        ends_ms = accumulate(block.duration_ms for block in blocks)
        return [(block.name, end_ms - block.duration_ms, end_ms) for block, end_ms in zip(blocks, ends_ms, strict=True)]

    def written_rule(self, shown_name: str) -> TriggeredRule | None:
        """The rule of the protocol that is shown by this name, where it waits for something."""
        rules = self.protocol.rules if self.protocol else ()
        found = (rule for rule in rules if rule.shown_name == shown_name and isinstance(rule, TriggeredRule))
        return next(found, None)

    def exit_threshold(self, shown_name: str) -> float | None:
        """Probability below which a bout of a rule ends, where the rule has one."""
        rule = self.written_rule(shown_name)
        return rule.exit_threshold if isinstance(rule, SyllableRule) else None


def load_facts(run_dir: Path) -> SessionFacts:
    """Read `launch.json` and the files that it names; what cannot be read is reported, and the screen goes on."""
    problems: list[str] = []

    def attempt(what: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return read()
        except (EtholoopError, OSError, ValueError) as error:
            problems.append(f"{what}: {error}")
            return {}

    known = attempt(
        "launch.json",
        lambda: facts_of_launch(ShownLaunch.model_validate_json((run_dir / "launch.json").read_text())),
    )
    launch: ShownLaunch | None = known.pop("launch", None)
    if launch is not None:
        known |= attempt("model", lambda: facts_of_model(launch.model))
        known |= attempt("protocol", lambda: {"protocol": parse_protocol(launch.protocol.read_text(), "protocol")})
        if launch.arena is not None:
            arena = launch.arena
            known |= attempt("arena", lambda: {"arena": load_arena(arena)})
    return SessionFacts(**known, problems=tuple(problems))


def facts_of_launch(launch: ShownLaunch) -> dict[str, Any]:
    """What the supervisor wrote of the session."""
    camera = launch.camera
    known: dict[str, Any] = {
        "launch": launch,
        "subject": launch.subject,
        "session": launch.session_name,
        "session_dir": launch.session_dir,
        "model_path": launch.named_model or launch.model,
    }
    return known | ({"depth_unit_mm": camera.depth_unit_mm, "rate_hz": camera.rate_hz} if camera else {})


def facts_of_model(path: Path) -> dict[str, Any]:
    """Names and height range of a model bundle."""
    bundle = load_bundle(path)
    facts: dict[str, Any] = {"model": path.name, "names": load_names(path, bundle.arhmm.num_syllables)}
    if bundle.extraction is not None:
        facts["min_height_mm"] = bundle.extraction.min_height_mm
        facts["max_height_mm"] = bundle.extraction.max_height_mm
    return facts
