"""What pydantic finds wrong with a rig file, in the file's own words: table, key, value, what is allowed."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

SHOWN = 60


def explain(detail: ErrorDetails, raw: Mapping[str, Any]) -> str:
    """One problem of the rig file that was read as `raw`."""
    tables, key = _place(detail["loc"], raw)
    where = f"[{'.'.join(tables)}]" if tables else "the file"
    context = detail.get("ctx", {})
    match detail["type"]:
        case "missing":
            return f"{where}, key '{key}' is missing" if tables else f"[{key}] is missing"
        case "extra_forbidden":
            driver = raw.get(tables[0], {}).get("driver") if len(tables) == 1 else None
            return f"{where}, key '{key}': unknown key" + (f" where driver = '{driver}'" if driver else "")
        case "union_tag_not_found":
            keys = (
                ", ".join(f"'{name}'" for name in detail["input"]) if isinstance(detail["input"], dict) else "no table"
            )
            name = ".".join([*tables, key])
            return f"[{name}], key {context['discriminator']} is missing; the table has {keys}"
        case "union_tag_invalid":
            name = ".".join([*tables, key])
            return f"[{name}], {context['discriminator']} = '{context['tag']}': allowed: {context['expected_tags']}"
    value = repr(detail["input"])
    value = value if len(value) <= SHOWN else value[:SHOWN] + " ..."
    return f"{where}, key '{key}' = {value}: {detail['msg'].removeprefix('Value error, ')}"


def _place(location: tuple[int | str, ...], raw: Mapping[str, Any]) -> tuple[list[str], str]:
    """Tables and key of a problem, without the names of drivers that pydantic puts between them."""
    words: list[str] = []
    table: Any = raw
    for part in location:
        if isinstance(table, Mapping) and part not in table and part == table.get("driver"):
            continue
        words.append(str(part))
        table = table.get(part) if isinstance(table, Mapping) else None
    return words[:-1], words[-1] if words else ""
