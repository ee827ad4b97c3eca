"""A firmware with one of its limits or checks taken away, which the short suite must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` becomes `new` in the one place where it stands; `hint` is the rule that is likely to notice.

    `near_wrap`: of the firmware whose clock begins shortly before its low half wraps.
    """

    name: str
    hint: str
    old: str
    new: str
    near_wrap: bool = False
