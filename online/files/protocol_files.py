"""The files that a protocol names, relative to its own folder: sessions, Python rules, sealed assignments."""

from dataclasses import dataclass
from pathlib import Path

from online.errors import FileFormatError
from online.files import assignment, session_pulses


@dataclass(frozen=True, slots=True)
class ProtocolFiles:
    """Reads what `protocols.materials.gather` asks for."""

    folder: Path

    def pulse_times_ms(self, path: str) -> tuple[float, ...]:
        """Times of the pulses of a session folder, or those in a text file."""
        return session_pulses.pulse_times_ms(self.folder / path)

    def source(self, path: str) -> str:
        """Text of a Python file."""
        return self._text(path)

    def arm(self, path: str, subject: str) -> str | None:
        """Arm of a subject in a sealed assignment, None when it is not there."""
        return assignment.open_arm(self._text(path), subject, path)

    def commitment(self, path: str, subject: str, session: str, arm: str) -> str:
        """What a session keeps of its subject's sealed arm."""
        return assignment.commitment(self._text(path), assignment.Sitting(subject, session, arm), path)

    def _text(self, path: str) -> str:
        try:
            return (self.folder / path).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{self.folder / path}, which the protocol names, cannot be read: {error}") from error
