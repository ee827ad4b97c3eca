"""Keys of those who may look at a session from another machine: CURVE, of ZeroMQ. `etholoop keys` makes them.

A folder at the rig holds `rig.key` (the rig's own, secret) and `allowed.toml` (a public key for each name). A watcher's
machine holds `NAME.watch`: the rig's public key and an own pair. Secret files are their owner's alone.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import tomli_w
import zmq

from online.errors import ConfigError
from online.files.whole_file import whole_file

RIG, ALLOWED, SUFFIX = "rig.key", "allowed.toml", ".watch"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")


@dataclass(frozen=True, slots=True)
class WatchKey:
    """What a watcher's machine needs: Z85 text. `rig` is the rig's public key."""

    rig: str
    public: str
    secret: str


def new_pair() -> tuple[str, str]:
    """A public and a secret key, in Z85."""
    public, secret = zmq.curve_keypair()
    return public.decode(), secret.decode()


def write_secret(path: Path, table: dict[str, str]) -> None:
    """A file that only its owner may read, from its first byte on; one that exists is never replaced."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        tomli_w.dump(table, file)


def read_keys(path: Path, names: tuple[str, ...]) -> dict[str, str]:
    """Keys of a secret file; raises ConfigError where it is absent, damaged, or open to others."""
    try:
        table = tomllib.loads(path.read_text())
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: cannot be read: {reason}; `etholoop keys` makes keys") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read it: chmod 600 {path}")
    if not all(isinstance(table.get(name), str) and len(table[name]) == 40 for name in names):
        raise ConfigError(f"{path}: not a file of keys that `etholoop keys` made")
    return {name: table[name] for name in names}


def rig_keys(folder: Path) -> tuple[str, str]:
    """Public and secret key of the rig."""
    table = read_keys(folder / RIG, ("public", "secret"))
    return table["public"], table["secret"]


def watch_key(path: Path) -> WatchKey:
    """The keys of a watcher."""
    return WatchKey(**read_keys(path, ("rig", "public", "secret")))


def listed(folder: Path) -> dict[str, str]:
    """Public keys by name; none where there is no list yet. Raises ConfigError where it cannot be read: whoever writes
    it anew would take the keys of all others back."""
    path = folder / ALLOWED
    try:
        return {name: str(key) for name, key in tomllib.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}; mend it, or remove it and make all keys anew") from error


def allowed(folder: Path) -> dict[str, str]:
    """Public keys by name; nobody where the list cannot be read."""
    try:
        return listed(folder)
    except ConfigError:
        return {}


def allow(folder: Path, names: dict[str, str]) -> None:
    """Write the list."""
    with whole_file(folder / ALLOWED) as temporary:
        temporary.write_text(tomli_w.dumps(names))


def add(folder: Path, name: str) -> Path:
    """Make the key of a watcher, and allow it."""
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r}: a name has letters, digits, - and _, at most 41")
    names = listed(folder)
    if name in names:
        raise ConfigError(f"{name} has a key already: revoke it first (--revoke), then make another")
    path, (public, secret) = folder / f"{name}{SUFFIX}", new_pair()
    write_secret(path, {"rig": rig_keys(folder)[0], "public": public, "secret": secret})
    allow(folder, names | {name: public})
    return path


def revoke(folder: Path, name: str) -> None:
    """Allow a key no more; who is looking now is not cut off before the session ends."""
    names = listed(folder)
    if name not in names:
        raise ConfigError(f"{folder / ALLOWED}: no {name} in it")
    allow(folder, {other: key for other, key in names.items() if other != name})
    (folder / f"{name}{SUFFIX}").unlink(missing_ok=True)


@click.command(epilog="Example: etholoop keys watch-keys anna office")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.argument("names", nargs=-1)
@click.option("--revoke", "revoked", is_flag=True, help="The keys of these names open nothing any more.")
def command(folder: Path, names: tuple[str, ...], revoked: bool) -> None:
    """Make keys for looking at sessions of this rig from other machines.

    FOLDER (of the rig file's [watch]) holds the rig's own key, made when there is none, and the list of those who may
    look. For each of NAMES a file NAME.watch is made: move it to the other machine, for `etholoop watch ADDRESS --key
    NAME.watch`. Whoever has it may look at every session, and touch none.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if revoked:
        for name in names:
            revoke(folder, name)
            click.echo(f"{name} may look no more")
        return
    if not (folder / RIG).exists():
        public, secret = new_pair()
        write_secret(folder / RIG, {"public": public, "secret": secret})
        click.echo(f"{folder / RIG}: the rig's own key; it stays here")
    for name in names:
        click.echo(f"{add(folder, name)}: move it to {name}'s machine, over a safe way")
