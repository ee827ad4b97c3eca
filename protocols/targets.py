"""Syllables by name or number become indices of the model at hand."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Advice that ends a message about an unknown word."""
    known = sorted(allowed)
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return "allowed: " + ", ".join(f"'{name}'" for name in known) if known else "there is none to choose from"


def resolve(
    target: Iterable[str | int], num_syllables: int, names: Mapping[str, tuple[int, ...]]
) -> tuple[tuple[int, ...], list[str]]:
    """Indices in rising order without repeats, and a line for each syllable that the model lacks."""
    indices: set[int] = set()
    problems = []
    for wanted in target:
        if isinstance(wanted, str):
            if wanted not in names:
                advice = (
                    nearest(wanted, names)
                    if names
                    else "it has no names: write numbers, or name them with `etholoop names`"
                )
                problems.append(f"'{wanted}': the model has no syllable of this name; {advice}")
            indices.update(names.get(wanted, ()))
        elif wanted >= num_syllables:
            problems.append(f"{wanted}: the model has syllables 0 ... {num_syllables - 1}")
        else:
            indices.add(wanted)
    return tuple(sorted(indices)), problems
