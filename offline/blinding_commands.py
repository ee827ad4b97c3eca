"""`etholoop protocol seal` and `unblind`: who is in which arm, kept from those who run and score."""

import json
import secrets
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from offline.command_line import say
from offline.protocol_commands import read_protocol
from online.errors import ConfigError
from online.files.assignment import Sitting, commitment, open_arm, seal
from online.files.session_file import SessionReader
from online.files.whole_file import whole_file
from protocols.parse import parse_protocol
from protocols.rule_schema import RuleBase, ScheduledRule, TriggeredRule
from protocols.schema import Arm
from protocols.seal import ALIKE, looks

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("seal", epilog="Example: etholoop protocol seal study.toml -s m1 -s m2 -s m3 -s m4 --out study.sealed")
@click.argument("protocol", type=_FILE)
@click.option("-s", "--subject", "subjects", multiple=True, required=True, help="One for each animal.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write; never overwritten.")
def seal_command(protocol: Path, subjects: tuple[str, ...], out: Path) -> None:
    """Draw which subject is in which arm of PROTOCOL, and seal it: nobody sees the result, also not who draws.

    Arms are as equal in number as can be. Name the file in the protocol:  [assignment] sealed = "study.sealed". Keep it
    away from those who are to stay blind once the sessions are done: it is what unblinds them.
    """
    protocol_file = read_protocol(protocol)
    arms = [arm.name for arm in protocol_file.arms]
    if not arms:
        raise ConfigError(f"{protocol}: has no [[arms]] to assign subjects to")
    twice = sorted(subject for subject, count in Counter(subjects).items() if count > 1)
    if twice:
        raise ConfigError(f"--subject given twice: {', '.join(twice)}")
    if out.exists():
        raise ConfigError(f"{out} exists: an assignment is drawn once; choose another name to draw another")
    drawing = secrets.SystemRandom()
    places = drawing.sample(arms, len(arms)) * (len(subjects) // len(arms) + 1)
    drawn = dict(zip(drawing.sample(subjects, len(subjects)), places[: len(subjects)], strict=True))
    with whole_file(out) as temporary:
        temporary.write_text(seal(drawn, secrets.token_bytes(32)))
    for line in distinguishable(protocol_file.arms, protocol_file.rules):
        say(line)
    say(f"{len(subjects)} subjects in {len(arms)} arms, sealed in {out}")


def distinguishable(arms: Sequence[Arm], rules: Sequence[RuleBase]) -> list[str]:
    """A line for each thing that the seal cannot hide: by which screen, record or light will tell the arms apart."""
    named = {rule.name: rule for rule in rules}
    of_arms = [[named[name] for name in arm.rules] for arm in arms]
    outputs = {tuple(sorted((rule.shown_name, rule.output) for rule in arm)) for arm in of_arms}
    chances = {
        tuple(sorted((rule.shown_name, getattr(rule, "catch_probability", 0.0)) for rule in arm)) for arm in of_arms
    }
    lines = []
    if len(looks(arms, rules)) > 1:
        lines.append(ALIKE)
    if len(outputs) > 1:
        lines.append("screen and record will tell the arms apart by the outputs of their rules")
    if len(chances) > 1:
        lines.append(
            "who counts pulses and catches, or sees the light, will tell the arms apart by their catch_probability"
        )
    return lines


def _chance(rule: RuleBase) -> float:
    return rule.catch_probability if isinstance(rule, TriggeredRule | ScheduledRule) else 0.0


@click.command("unblind", epilog="Example: etholoop protocol unblind sessions/* --assignment study.sealed")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--assignment", required=True, type=_FILE, help="The sealed assignment that the sessions ran with.")
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
def unblind_command(sessions: tuple[Path, ...], assignment: Path, as_json: bool) -> None:
    """Say in which arm the subject of each session was, proved by the session's own record."""
    text = assignment.read_text()
    found = {str(session): _arm_of(session, text, str(assignment)) for session in sessions}
    if as_json:
        click.echo(json.dumps(found))
        return
    for session, arm in found.items():
        click.echo(f"{session}: {arm}")


def _arm_of(session: Path, text: str, path: str) -> str:
    with SessionReader(session) as reader:
        attributes = reader.attributes
        protocol = parse_protocol(reader.configuration("protocol").decode(), f"{session}: protocol")
    subject, name, kept = (str(attributes.get(key, "")) for key in ("subject", "session", "arm_commitment"))
    if not kept:
        raise ConfigError(f"{session}: was not blinded")
    for arm in protocol.arms:
        if commitment(text, Sitting(subject, name, arm.name), path) == kept:
            return arm.name
    assigned = open_arm(text, subject, path)
    why = "its subject is not in it" if assigned is None else "it was sealed again, or changed"
    raise ConfigError(f"{session}: did not run with {path}: {why}")
