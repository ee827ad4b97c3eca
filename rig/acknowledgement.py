"""An operator's acknowledgement of an alert: the words of the command, and what an event of the record says of it."""

from dataclasses import dataclass

from online.files.tables import CUT

COMMAND = "acknowledge"
NOWHERE = "somewhere"
_CUT = CUT.decode()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Where it was given, and the alert that it means."""

    place: str
    source: str
    text: str

    def means(self, source: str, text: str) -> bool:
        """Whether it means this alert; of a long one the record may hold the beginning alone."""
        cut = self.text.endswith(_CUT)
        same = text.startswith(self.text.removesuffix(_CUT)) if cut else text == self.text
        return same and source == self.source


def words_of(place: str, source: str, text: str) -> str:
    """The text of the command."""
    return f"{place or NOWHERE}: {source}: {text}"


def acknowledgement_of(detail: str) -> Acknowledgement | None:
    """What an event of a command says; None where it is another command."""
    name, _, words = detail.partition(" ")
    parts = words.split(": ", 2)
    return Acknowledgement(*parts) if name == COMMAND and len(parts) == 3 else None
