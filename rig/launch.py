"""What the supervisor tells a child at its start: one JSON file in the session's private directory."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from online.files.assignment import open_arm
from online.files.whole_file import whole_file
from rig.cameras.protocol import CameraInfo
from rig.configuration import RigConfig


class Launch(BaseModel):
    """Paths and choices of one session. `camera` and `session_dir` are filled in as they become known.

    `model` is a copy that nobody edits; `named_model` is the one that was asked for, beside which names are kept.
    `materials`: what the protocol refers to, as JSON; `arm`: the subject's where it is open; `sealed`: text of the
    assignment where it is not, so that no file says the arm.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    run_dir: Path
    rig: RigConfig
    model: Path
    named_model: Path | None = None
    protocol: Path
    subject: str
    session_name: str
    materials: str
    arm: str | None = None
    sealed: str | None = None
    arena: Path | None = None
    camera: CameraInfo | None = None
    session_dir: Path | None = None
    attributes: dict[str, Any] = {}

    @property
    def own_arm(self) -> str | None:
        """The subject's arm."""
        return self.arm if self.sealed is None else open_arm(self.sealed, self.subject, "the sealed assignment")

    def save(self) -> Path:
        """Write to the private directory, whole or not at all."""
        path = self.run_dir / "launch.json"
        with whole_file(path) as temporary:
            temporary.write_text(self.model_dump_json())
        return path

    @staticmethod
    def load(run_dir: Path) -> "Launch":
        """Read what the supervisor saved."""
        return Launch.model_validate_json((run_dir / "launch.json").read_text())
