"""The tree of errors that `online.errors` draws is the one that the code has."""

import re
from pathlib import Path

import online.errors

ROOT = Path(online.errors.__file__).parent.parent


def drawn() -> dict[str, str]:
    """Parent of each error, as drawn."""
    path: list[tuple[int, str]] = []
    parents = {}
    for line in (online.errors.__doc__ or "").splitlines():
        found = re.match(r"^([ │├└─]+)([A-Z]\w+)", line)
        if found:
            depth = len(found[1])
            path = [(d, name) for d, name in path if d < depth]
            parents[found[2]] = path[-1][1] if path else "Exception"
            path.append((depth, found[2]))
    return parents


def test_every_error_is_drawn_under_its_parent() -> None:
    sources = [path for roof in ("online", "protocols", "rig", "offline") for path in (ROOT / roof).rglob("*.py")]
    classes = {
        name: parent
        for path in sources
        for name, parent in re.findall(r"^class (\w+)\((\w+)[, \w]*\):", path.read_text(), re.MULTILINE)
    }
    found = {"EtholoopError": "Exception"}
    while new := {name: parent for name, parent in classes.items() if parent in found and name not in found}:
        found |= new
    assert len(found) > 15
    assert drawn() == found
