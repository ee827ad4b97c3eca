"""`etholoop protocol check`, `schema` and `example`: from an empty page to a file that will run."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

from offline.command_line import FRAME_RATE, gather, say
from online.errors import ConfigError
from online.files.bundle import load_bundle
from online.files.names import by_name, load_names
from online.files.protocol_files import ProtocolFiles
from online.files.rig_channels import declared_channels
from protocols.examine import Bench, undeclared_channels, unfit_in_part, unfit_with_files
from protocols.parse import listed, parse_protocol, read_parts
from protocols.rule_schema import ScheduledRule, SyllableRule, TriggeredRule
from protocols.schema import Output, Protocol
from protocols.targets import nearest

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What was asked for; `rate` in Hz."""

    file: Path
    model: Path | None
    rate: float | None
    subject: str | None
    rig: Path | None
    as_json: bool


@click.command("check", epilog="Example: etholoop protocol check reinforce.toml --model mouse.model.h5 --rig rig.toml")
@click.argument("file", type=_FILE)
@click.option("--model", type=_FILE, help="Model bundle: are its syllables those that the protocol names?")
@click.option("--rate", type=FRAME_RATE, help="The camera's frames a second; by default the model's, or 30.")
@click.option("--subject", help="Subject whose arm is checked, where the protocol has arms.")
@click.option("--rig", type=_FILE, help="Rig file: does its board have the protocol's channels?")
@click.option("--json", "as_json", is_flag=True, help="Print the result for programs.")
@gather(CheckOptions)
def check_command(options: CheckOptions) -> None:
    """Find everything that is wrong with a protocol FILE before an animal is in the arena.

    Without --model only the file itself is checked. With it also what the model and the files that the protocol names
    must provide: syllables, pulse times, own rules, sealed arms; with --rig the channels. All mistakes are told
    together. Exit code 2 when something is wrong.
    """
    protocol = checked(options)
    if options.as_json:
        click.echo(json.dumps({"file": str(options.file), "ok": True, **summary_of(protocol)}))
        return
    for line in describe(protocol):
        click.echo(line)
    if options.model is None:
        say("syllables, times and files that it names were not checked: add --model")
    elif protocol.arms and options.subject is None:
        say("the subject's arm was not checked: add --subject")
    if options.rig is None:
        say("its channels were not checked: add --rig")


def checked(options: CheckOptions) -> Protocol:
    """A file without a mistake.

    Raises
    ------
    ConfigError
        with every mistake that can be found.
    """
    file = options.file
    parts, problems = read_parts(protocol_text(file), str(file))
    reader = ProtocolFiles(file.parent)
    bench = None if options.model is None else _bench(options.model, options.rate)
    if problems:
        problems += [] if bench is None else unfit_in_part(parts, bench, reader)
    elif bench is not None:
        problems = unfit_with_files(parts.protocol(), bench, options.subject, reader)[1]
    if options.rig is not None:
        problems += undeclared_channels(parts.all("outputs", Output), declared_channels(options.rig))
    if problems:
        raise ConfigError(listed(str(file), problems))
    return parts.protocol()


def _bench(model: Path, rate: float | None) -> Bench:
    bundle = load_bundle(model)
    num_syllables = bundle.arhmm.num_syllables
    names = by_name(load_names(model, num_syllables))
    return Bench(num_syllables, names, bundle.frame_rate_hz if rate is None else rate)


def protocol_text(file: Path) -> str:
    """What a file holds."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error


def read_protocol(file: Path) -> Protocol:
    """Parse a file."""
    return parse_protocol(protocol_text(file), str(file))


def summary_of(protocol: Protocol) -> dict[str, Any]:
    """What a program may want to know of a protocol."""
    return {
        "name": protocol.session.name,
        "duration_ms": sum(block.duration_ms for block in protocol.all_blocks()),
        "blocks": [block.model_dump() for block in protocol.all_blocks()],
        "rules": [rule.model_dump(by_alias=True) for rule in protocol.rules],
        "outputs": [output.model_dump() for output in protocol.outputs],
        "sync": protocol.sync_mode,
    }


def describe(protocol: Protocol) -> list[str]:
    """A protocol in a few lines, for its author to compare with what was meant."""
    total_ms = sum(block.duration_ms for block in protocol.all_blocks())
    lines = [f"{protocol.session.name}: {total_ms / 60_000:g} min, seed {protocol.session.seed}"]
    for block in protocol.all_blocks():
        rules = ", ".join(block.rules) or "no rule"
        lines.append(f"  block {block.name}: {block.duration_ms / 60_000:g} min, {rules}")
    lines += [f"  rule {rule.name}: {_rule_text(rule)}, to {rule.output}" for rule in protocol.rules]
    for output in protocol.trains.values():
        train = f"{output.count} pulses of {output.width_ms:g} ms each {output.period_ms or 0:g} ms"
        one = f"one pulse of {output.width_ms:g} ms"
        lines.append(f"  output {output.name}: channel {output.channel}, {one if output.count == 1 else train}")
    if protocol.sync_mode != "off":
        lines.append(f"  sync line: {protocol.sync_mode}")
    return lines


def _rule_text(rule: TriggeredRule | ScheduledRule) -> str:
    trials = f"refractory {rule.refractory_ms:g} ms, catch {rule.catch_probability:g}"
    if isinstance(rule, SyllableRule):
        of = " or ".join(str(syllable) for syllable in rule.target)
        what = f"P(not {of})" if rule.contingency == "reversed" else f"P({of})"
        waited = "" if rule.evidence_ms is None else f", {rule.evidence} {rule.evidence_ms:g} ms"
        return (
            f"{what} from {rule.enter:g} to below {rule.exit_threshold:g}{waited}, dwell {rule.dwell_ms:g} ms, {trials}"
        )
    return f"{getattr(rule, 'kind', '')}, {trials}"


@click.command("schema", epilog="Example: etholoop protocol schema > protocol.schema.json")
def schema_command() -> None:
    """Print the JSON Schema of protocol files, for editors that complete and check keys as one types.

    With Even Better TOML, put the line  #:schema ./protocol.schema.json  at the top of the protocol.
    """
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Protocol.model_json_schema(by_alias=True)}
    click.echo(json.dumps(schema, indent=1))


@click.command("example", epilog="Example: etholoop protocol example reinforce > reinforce.toml")
@click.argument("name", required=False)
def example_command(name: str | None) -> None:
    """Print the ready-made protocol NAME; without a name, list them all."""
    examples = {
        entry.name.removesuffix(".toml"): entry
        for entry in (files("protocols") / "library").iterdir()
        if entry.name.endswith("toml")
    }
    if name is None:
        width = max(map(len, examples))
        for known in sorted(examples):
            click.echo(f"{known:<{width}}  {examples[known].read_text().splitlines()[0].lstrip('# ')}")
        return
    if name not in examples:
        raise ConfigError(f"there is no example '{name}'; {nearest(name, examples)}")
    click.echo(examples[name].read_text(), nl=False)
