"""Blinded arms: who is in which arm, sealed against the eyes of those who run and score the experiment.

A sealed assignment is a text file with a random secret; names of subjects stand in it as keyed hashes, and arms behind
a keystream. The program opens it to run a session and shows nothing. A session keeps a commitment, a keyed hash of
subject, session and arm: without the assignment file it tells nothing, with it the arm is proved. It keeps people from
knowing, not from finding out: whoever holds the assignment file can run this program.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from online.errors import FileFormatError

FORMAT = "etholoop assignment 1"
ARM_BYTES = 64


def seal(arms: Mapping[str, str], secret: bytes) -> str:
    """Text of a sealed assignment of subjects to arms, in an order that tells nothing."""
    entries = {_digest(secret, "subject", subject): _mask(secret, subject, arm) for subject, arm in arms.items()}
    fields = {"format": FORMAT, "secret": secret.hex(), "arms": dict(sorted(entries.items()))}
    return json.dumps(fields, indent=1) + "\n"


def open_arm(text: str, subject: str, path: str) -> str | None:
    """The arm of a subject, None when it is not in the assignment.

    Raises
    ------
    FileFormatError
        if the text is not a sealed assignment.
    """
    secret, arms = _read(text, path)
    masked = arms.get(_digest(secret, "subject", subject))
    if masked is None:
        return None
    raw = bytes(a ^ b for a, b in zip(bytes.fromhex(masked), _keystream(secret, subject), strict=True))
    return raw.rstrip(b"\0").decode()


@dataclass(frozen=True, slots=True)
class Sitting:
    """A subject's session, and an arm that it may have been in."""

    subject: str
    session: str
    arm: str


def commitment(text: str, sitting: Sitting, path: str) -> str:
    """What a session keeps of its subject's arm: a hash that only this assignment can make."""
    return _digest(_read(text, path)[0], "session", f"{sitting.subject}\x1f{sitting.session}\x1f{sitting.arm}")


def _read(text: str, path: str) -> tuple[bytes, dict[str, str]]:
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise ValueError
        return bytes.fromhex(fields["secret"]), fields["arms"]
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"{path}: not a sealed assignment; make one with 'etholoop protocol seal'") from error


def _digest(secret: bytes, kind: str, text: str) -> str:
    return blake2b(f"{kind}\x1f{text}".encode(), key=secret, digest_size=16).hexdigest()


def _keystream(secret: bytes, subject: str) -> bytes:
    return blake2b(f"arm\x1f{subject}".encode(), key=secret, digest_size=ARM_BYTES).digest()


def _mask(secret: bytes, subject: str, arm: str) -> str:
    padded = arm.encode().ljust(ARM_BYTES, b"\0")
    return bytes(a ^ b for a, b in zip(padded, _keystream(secret, subject), strict=True)).hex()
