"""`etholoop run`: one closed-loop session.

What takes seconds to import is imported once the command has spoken: someone waits with an animal in hand.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rig.session_run import SessionResult


@click.command(
    epilog="Example: etholoop run --rig rig.toml --model mice.model.h5 --protocol p.toml --subject m12 --out data"
)
@click.option("--rig", type=click.Path(path_type=Path), required=True, help="Rig file: camera, arena, board.")
@click.option("--model", type=click.Path(path_type=Path), required=True, help="Model bundle (*.model.h5).")
@click.option("--protocol", type=click.Path(path_type=Path), required=True, help="Protocol file (TOML).")
@click.option("--subject", required=True, help="Name of the animal.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for session folders.")
@click.option("--no-ui", is_flag=True, help="No terminal UI; one line of text a step.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON (implies --no-ui).")
def command(rig: Path, model: Path, protocol: Path, subject: str, out: Path, no_ui: bool, as_json: bool) -> None:
    """Run one closed-loop session: camera, decoder, board, recorder, terminal.

    Ends when the protocol or the recording is over, on Ctrl-C, or on a failure (exit code 5; the line is driven low
    first and what was recorded is kept). Everything is checked before the session folder is made.
    """
    click.echo("loading the program", err=True)
    from rig.session_checks import SessionRequest
    from rig.session_run import run_session
    from rig.tui.launcher import LiveScreen
    from rig.tui.terminal import no_screen

    quiet = no_ui or as_json or not sys.stdout.isatty()
    if not quiet and (why := no_screen()):
        click.echo(f"no terminal UI: {why}", err=True)
        quiet = True
    request = SessionRequest(rig=rig, model=model, protocol=protocol, subject=subject, out=out)
    screen = LiveScreen(lambda line: click.echo(line, err=True))
    try:
        result = run_session(request, screen.report, None if quiet else screen.open)
    finally:
        screen.close()
    if as_json:
        click.echo(json.dumps(result.summary | {"folder": str(result.folder)}))
    else:
        show(result)
    if result.failures:
        sys.exit(5)


def show(result: "SessionResult") -> None:
    """Print the summary for a person."""
    from rig.summary import as_text

    ending = result.summary["ending"]
    click.echo(f"\nended     {ending['reason']}")
    for failure in ending["failures"]:
        click.secho(f"FAILURE   {failure}", fg="red", bold=True)
    if ending["line"]:
        click.echo(f"line      {ending['line']}")
    if "unreadable" in result.summary:
        click.echo(result.summary["unreadable"])
    else:
        click.echo(as_text(result.summary))
    click.echo(f"data      {result.folder}")
