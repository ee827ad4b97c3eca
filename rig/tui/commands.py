"""`etholoop rig`, `attach`, `watch` and `browse`. textual is imported only when a screen opens."""

from pathlib import Path

import click

from online.errors import ConfigError
from rig.clock import SystemClock
from rig.tui.recorded import Recorded
from rig.tui.running import choose_session, where_it_runs
from rig.tui.terminal import check_terminal


@click.command(epilog="Example: etholoop attach")
@click.argument("run_dir", type=click.Path(path_type=Path), required=False)
def attach(run_dir: Path | None) -> None:
    """Open the live screen on a running session, with control.

    RUN_DIR is the session's private directory, which `etholoop run` names; without it the only session that runs is
    taken. Leaving the screen leaves the session running.
    """
    chosen = choose_session(run_dir)
    check_terminal()
    from rig.tui.live import LiveApp

    reason = LiveApp(chosen).run()
    if reason:
        click.echo(reason)


@click.command(
    epilog="Examples: etholoop watch data/2025-03-01_10-15-00_m12 --speed 4; "
    "etholoop watch tcp://192.168.1.5:5670 --key anna.watch"
)
@click.argument("place", required=False)
@click.option("--speed", type=click.FloatRange(0.1, 64), default=1.0, show_default=True, help="Of a replay.")
@click.option("--key", type=click.Path(path_type=Path), help="Key file for an address (`etholoop keys` makes it).")
@click.option("--web", is_flag=True, help="In a browser on this machine (needs the extra 'web'), view-only.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of --web; 0: any.")
def watch(place: str | None, speed: float, key: Path | None, web: bool, port: int) -> None:
    """Look at a session without touching it.

    PLACE is a session's folder, which is played again (or shown as it runs), the private directory of one that runs,
    or the address (tcp://HOST:PORT) that [watch] of a rig file on another machine names; without PLACE the only
    session that runs here is taken.
    """
    if speed != speed:  # click lets NaN pass any range
        raise ConfigError("--speed nan: give a number from 0.1 to 64")
    if place is not None and "://" in place and not place.startswith("ipc://"):
        watch_address(place, key, web)
        return
    chosen = where_it_runs(folder_of(place)) if place else choose_session(None)
    if web:
        serve_web(chosen, speed, port)
        return
    check_terminal()
    from rig.tui.replay_screen import WatchApp

    reason = WatchApp(chosen, speed).run()
    if reason:
        click.echo(reason)


def folder_of(place: str) -> Path:
    """A place on this machine; raises ConfigError where there is none."""
    path = Path(place.removeprefix("ipc://"))
    if not path.exists():
        raise ConfigError(f"{place}: no such folder; a session on another machine is named tcp://HOST:PORT")
    return path


def watch_address(address: str, key: Path | None, web: bool) -> None:
    """Look at a session of another machine."""
    if key is None:
        raise ConfigError(f"{address} needs --key: a file NAME.watch, which `etholoop keys` makes at the rig")
    if web:
        raise ConfigError("--web shows sessions of this machine: call it there, or leave it out")
    check_terminal()
    from rig.tui.remote_feed import RemoteFeed
    from rig.tui.replay_screen import RemoteApp
    from rig.watch_keys import watch_key

    reason = RemoteApp(RemoteFeed(address, watch_key(key), SystemClock())).run()
    if reason:
        click.echo(reason)


def serve_web(place: Path, speed: float, port: int) -> None:
    """Serve the view-only screen; raises ConfigError where the extra is not installed."""
    try:
        from rig.tui.web import serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"--web needs the package {error.name!r}: pip install 'etholoop[web]'") from error
    if not (place / "launch.json").exists():
        Recorded(place).close()
    serve(place, speed, port)


@click.command(epilog="Example: etholoop rig --rig rig.toml --model mice.model.h5 --protocol p.toml --out data")
@click.option("--rig", "rig_file", default="", help="Rig file to begin with; by default that of last time.")
@click.option("--model", default="", help="Model bundle to begin with.")
@click.option("--protocol", default="", help="Protocol file to begin with.")
@click.option("--subject", default="", help="Name of the animal to begin with.")
@click.option("--out", default="", help="Folder for session folders.")
def rig(rig_file: str, model: str, protocol: str, subject: str, out: str) -> None:
    """Set up a session on the screen, run it, see how it went, go on with the next animal."""
    check_terminal()
    from rig.tui.rig_app import RigApp

    RigApp({"rig": rig_file, "model": model, "protocol": protocol, "subject": subject, "out": out}).run()


@click.command(epilog="Example: etholoop names mice.model.h5")
@click.argument("model", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def names(model: Path) -> None:
    """See what each syllable of MODEL looks like, and name it; names are kept beside the model, not in it."""
    check_terminal()
    from rig.tui.cards_screen import model_cards
    from rig.tui.names_app import NamesApp

    NamesApp(model_cards(model)).run()


@click.command(epilog="Example: etholoop browse data")
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
def browse(out: Path) -> None:
    """List the sessions of a data folder; open, watch or attach to them."""
    check_terminal()
    from rig.tui.rig_app import RigApp

    RigApp({}, browse=out).run()
