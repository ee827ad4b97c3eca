"""The one command, `etholoop`: subcommands are found in the entry-point group `etholoop.commands`.

The name of an entry point is the words after `etholoop` ("run", "model import"); its value is a click command.
Nothing is imported until its command is called, so that `etholoop run` never waits for training code.
"""

import ast
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import click

from online.errors import EtholoopError

GROUP = "etholoop.commands"
GROUP_HELP = {
    "model": "Bring in a model made by moseq2, or look into a model bundle.",
    "protocol": "Check protocol files, print examples, blind and unblind.",
    "bench": "Measure how fast this machine is.",
    "ttl": "The board: write its firmware, examine it.",
}
UNUSABLE_FILE = 3
HELP = """Closed-loop stimulation on behavioural syllables.

Start with: etholoop demo. At the rig: cameras, arena, model import, protocol check, then rig (by keys) or run. To
learn a model: extract, pca, train. Every command has --help with an example.
"""


class LazyGroup(click.Group):
    """Group whose commands are entry points with the prefix `words`."""

    def __init__(self, words: tuple[str, ...], help_text: str) -> None:
        super().__init__(name=words[-1] if words else "etholoop", help=help_text)
        self.words = words

    def _below(self) -> dict[str, list[EntryPoint]]:
        below: dict[str, list[EntryPoint]] = {}
        for entry in entry_points(group=GROUP):
            words = tuple(entry.name.split())
            if words[: len(self.words)] == self.words and len(words) > len(self.words):
                below.setdefault(words[len(self.words)], []).append(entry)
        return below

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the commands and groups below this one."""
        return sorted(self._below())

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command, or make the group of commands that begin with `name`."""
        entries = self._below().get(name)
        if not entries:
            return None
        words = (*self.words, name)
        if entries[0].name == " ".join(words):
            try:
                command: click.Command = entries[0].load()
            except ModuleNotFoundError as error:
                extra = "neural" if error.name in ("neo", "pynwb") else "offline"
                raise click.ClickException(
                    f"'etholoop {' '.join(words)}' needs the package {error.name!r}: pip install 'etholoop[{extra}]'"
                ) from error
            return command
        return LazyGroup(words, GROUP_HELP.get(name, f"Commands about the {name}."))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with advice where the name is unknown."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), n=1, cutoff=0.5) if args else []
            if not close or "did you mean" in error.format_message().lower():
                raise
            raise click.UsageError(f"{error.format_message()} Did you mean '{close[0]}'?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands with the first sentence of their help, and groups with their commands; import none of them."""
        rows = []
        for name, entries in sorted(self._below().items()):
            words = " ".join((*self.words, name))
            own = next((entry for entry in entries if entry.name == words), None)
            rows.append((name, _first_sentence(own) if own else ", ".join(sorted(e.name for e in entries))))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_sentence(entry: EntryPoint) -> str:
    """First sentence of the docstring of a command's function, read from its source: importing would take seconds."""
    spec = find_spec(entry.module)
    if spec is None or spec.origin is None:
        return "not installed"
    for node in ast.parse(Path(spec.origin).read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
            text = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
            return re.split(r"(?<=[a-z)])[.:;] ", text)[0].rstrip(".")
    return ""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `etholoop` script."""
    group = LazyGroup((), HELP)
    group = click.version_option(package_name="etholoop")(group)
    try:
        group.main(args=None if arguments is None else list(arguments), prog_name="etholoop", standalone_mode=False)
    except EtholoopError as error:
        click.echo(f"etholoop: {error}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        click.echo(f"etholoop: {error.strerror or error}" + (f": {error.filename}" if error.filename else ""), err=True)
        sys.exit(UNUSABLE_FILE)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("etholoop: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
