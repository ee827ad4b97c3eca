"""Looking at a running session from elsewhere: over a real TCP address, with a key, and only to look."""

import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
import pytest
import zmq
from click.testing import CliRunner

from online.errors import ConfigError, FileFormatError
from online.messages import Command, Event
from rig.clock import SystemClock
from rig.configuration import WatchConfig, load_rig
from rig.launch import Launch
from rig.session_checks import check_watch
from rig.tui.commands import watch
from rig.tui.earlier import read_earlier
from rig.tui.remote_feed import RemoteFeed
from rig.tui.replay_screen import RemoteApp
from rig.tui.session_view import SessionView
from rig.tui.widgets import LinesPanel
from rig.watch_keys import WatchKey, add, allowed, command, new_pair, revoke, rig_keys, watch_key
from rig.watch_process import MOST_WATCHERS, WatchRelay
from rig.watch_wire import HELLO, VERSION, pack_earlier, unpack_earlier
from rig.watched import watched
from tests.fake_rig import FakeRig
from tests.fake_rig_files import NAMES, write_files
from tests.live_sessions import RECORDING, modules_of, wait_until_running
from tests.rigs import finish, start, write_recording, write_rig
from tests.ttl_benches import wait_until
from tests.tui.sessions import write_session
from tests.tui.terminals import Terminal

PATIENT_MS, SHORT_MS = 30_000, 1500


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The keys of a rig at which anna may look."""
    folder = tmp_path / "keys"
    assert CliRunner().invoke(command, [str(folder), "anna"], catch_exceptions=False).exit_code == 0
    return folder


@contextmanager
def turning(*steps: Callable[[], object]) -> Iterator[None]:
    """Take the steps again and again in a thread until the end of the block."""
    over = threading.Event()

    def turn() -> None:
        while not over.is_set():
            for step in steps:
                step()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Stage:
    """A rig that only pretends, and the relay that lets others look at it."""

    def __init__(self, run_dir: Path, keys: Path) -> None:
        write_files(run_dir)
        self.rig = FakeRig(run_dir, SystemClock())
        self.relay = WatchRelay(run_dir, WatchConfig(address="tcp://127.0.0.1:0", keys=keys), SystemClock())
        self.address = self.relay.address

    def close(self) -> None:
        self.relay.close()
        self.rig.close()
        self.rig.context.destroy(linger=0)

    def play(self) -> None:
        self.rig.step()
        self.rig.serve()
        self.relay.step()


@pytest.fixture
def stage(private: Path, keys: Path) -> Iterator[Stage]:
    made = Stage(private, keys)
    yield made
    made.close()


def test_who_has_a_key_sees_the_session(stage: Stage, keys: Path) -> None:
    with turning(stage.play):
        feed = RemoteFeed(stage.address, watch_key(keys / "anna.watch"), SystemClock(), PATIENT_MS)
        view = SessionView(feed.facts)
        assert view.facts.subject == "m12"
        assert view.facts.names == NAMES
        assert view.facts.protocol is not None
        assert view.facts.arena is not None
        assert view.facts.problems == ()

        def all_came() -> bool:
            feed.drain(view)
            return (
                view.depth is not None
                and view.crop is not None
                and view.status is not None
                and bool(view.counts.trials)
            )

        wait_until(all_came, "frames, poses, status and trials")
        assert {"camera", "online", "recorder"} <= set(view.health)
        assert view.disk_free_gb is not None
        assert abs(feed.now_ns() - SystemClock().now_ns()) < 10**9, "one machine, one clock"
        assert feed.over(view) == ""
        assert feed.words() == stage.address.removeprefix("tcp://")
    stage.rig.end()
    wait_until(lambda: stage.relay.step() is None and stage.relay.over, "the last word")
    stage.relay._say(b"end")
    wait_until(lambda: feed.drain(view) >= 0 and feed.over(view) == "the session ended", "the end")
    feed.close()


def test_what_happened_before_crosses_whole(tmp_path: Path) -> None:
    earlier = read_earlier(write_session(tmp_path / "s", 90, dropped=(20,), depth=False))
    again = unpack_earlier(pack_earlier(earlier))
    assert again.trials == earlier.trials
    assert again.receipts == earlier.receipts
    assert again.events == earlier.events
    for name in (
        "frame_index",
        "dropped_before",
        "decoded_index",
        "has_evidence",
        "times_ns",
        "posteriors",
        "evidence",
    ):
        assert (getattr(again, name) == getattr(earlier, name)).all()
        assert getattr(again, name).dtype == getattr(earlier, name).dtype


@pytest.mark.parametrize(
    "told",
    [b"\xc1", msgpack.packb({}), msgpack.packb({"trials": [msgpack.packb({"type": "Trial", "version": 0})]})],
    ids=["no table", "empty", "messages of another version"],
)
def test_what_cannot_be_read_of_before_is_not_known(told: bytes) -> None:
    with pytest.raises(FileFormatError, match="what the rig told cannot be read"):
        unpack_earlier(told)


def wrong_keys(keys: Path) -> dict[str, WatchKey]:
    good = watch_key(keys / "anna.watch")
    public, secret = new_pair()
    return {
        "it was revoked, or never allowed": WatchKey(good.rig, public, secret),
        "made for another rig": WatchKey(new_pair()[0], good.public, good.secret),
    }


@pytest.mark.parametrize("words", ["it was revoked, or never allowed", "made for another rig"])
def test_a_wrong_key_opens_nothing_and_is_told_so(stage: Stage, keys: Path, words: str) -> None:
    with turning(stage.play), pytest.raises(ConfigError, match=words):
        RemoteFeed(stage.address, wrong_keys(keys)[words], SystemClock(), PATIENT_MS)


def test_a_revoked_key_opens_nothing_any_more(stage: Stage, keys: Path) -> None:
    key = watch_key(keys / "anna.watch")
    revoke(keys, "anna")
    with turning(stage.play), pytest.raises(ConfigError, match="it was revoked"):
        RemoteFeed(stage.address, key, SystemClock(), PATIENT_MS)


def test_where_nobody_answers_it_is_said(keys: Path) -> None:
    key = watch_key(keys / "anna.watch")
    with pytest.raises(ConfigError, match="nobody answers at"):
        RemoteFeed("tcp://127.0.0.1:9", key, SystemClock(), 300)
    with pytest.raises(ConfigError, match="no address"):
        RemoteFeed("tcp://:x", key, SystemClock(), 300)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (msgpack.packb({"version": VERSION + 1}), f"speaks version {VERSION + 1}, {VERSION} is understood"),
        (msgpack.packb({"subject": "of a rig that named no version yet"}), "speaks version None"),
        (msgpack.packb({"version": VERSION, "subject": "m1"}), "not the facts of a session"),
        (msgpack.packb(["version", VERSION]), "not the facts of a session"),
        (b"\xc1", "not the facts of a session"),
    ],
)
def test_a_rig_of_another_version_is_refused_in_words(stage: Stage, keys: Path, facts: bytes, said: str) -> None:
    stage.relay._facts = facts
    with turning(stage.relay.step), pytest.raises(ConfigError, match=said) as refused:
        RemoteFeed(stage.address, watch_key(keys / "anna.watch"), SystemClock(), PATIENT_MS)
    assert stage.address in str(refused.value)


def test_without_a_key_nothing_can_be_read(stage: Stage) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context.socket(zmq.DEALER) as socket, turning(stage.play):
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(stage.address)
        socket.send(HELLO)
        assert not socket.poll(SHORT_MS)
    context.destroy(linger=0)
    assert not stage.relay._heard_ns


def test_no_word_changes_anything(stage: Stage, keys: Path) -> None:
    key = watch_key(keys / "anna.watch")
    feed_words = [Command(name="arm", text="", sent_time_ns=0).encode(), b"arm", b"", b"hello again", b"x" * 1000]
    with turning(stage.play):
        feed = RemoteFeed(stage.address, key, SystemClock(), PATIENT_MS)
        for word in feed_words:
            feed._socket.send(word)
            feed._socket.send_multipart([word, word])
        view = SessionView(feed.facts)
        wait_until(lambda: feed.drain(view) >= 0 and view.status is not None, "the session goes on")
        feed.close()
    assert stage.rig.commands == []


def test_only_so_many_look_and_who_is_gone_gives_the_place_back(stage: Stage, keys: Path) -> None:
    key = watch_key(keys / "anna.watch")
    stage.relay._heard_ns = {bytes([n]): SystemClock().now_ns() for n in range(MOST_WATCHERS)}
    with turning(stage.play), pytest.raises(ConfigError, match="too many look already"):
        RemoteFeed(stage.address, key, SystemClock(), PATIENT_MS)
    stage.relay._heard_ns = dict.fromkeys(stage.relay._heard_ns, 0)
    stage.relay.step()
    assert not stage.relay._heard_ns


async def test_the_screen_shows_it_and_has_no_keys_that_control(stage: Stage, keys: Path) -> None:
    with turning(stage.play):
        feed = RemoteFeed(stage.address, watch_key(keys / "anna.watch"), SystemClock(), PATIENT_MS)
        app = RemoteApp(feed, plain=False)
        async with app.run_test(size=(120, 40)) as pilot:
            for _ in range(2000):
                side, foot = (app.session.query_one(f"#{name}", LinesPanel).text() for name in ("side", "keys"))
                if "recorder" in side and "view only" in foot:
                    break
                await pilot.pause(0.01)
            assert "rear-laser" in side
            assert "view only" in foot
            assert "arm" not in foot
            for key in ("a", "p", "n", "t", "exclamation_mark", "x"):
                await pilot.press(key)
            await pilot.press("q")
    assert stage.rig.commands == []


def test_secret_files_are_their_owners_alone(keys: Path, tmp_path: Path) -> None:
    for name in ("rig.key", "anna.watch"):
        assert stat.S_IMODE((keys / name).stat().st_mode) == 0o600
    assert rig_keys(keys)[1] not in (keys / "anna.watch").read_text()
    assert watch_key(keys / "anna.watch").secret not in (keys / "allowed.toml").read_text()
    (keys / "anna.watch").chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it: chmod 600"):
        watch_key(keys / "anna.watch")
    (keys / "rig.key").chmod(0o640)
    files = write_rig(tmp_path, RECORDING, tmp_path)
    files.rig.write_text(files.rig.read_text() + '[watch]\naddress = "tcp://127.0.0.1:0"\nkeys = "keys"\n')
    with pytest.raises(ConfigError, match="chmod 600"):
        check_watch(load_rig(files.rig))
    with pytest.raises(ConfigError, match="has a key already"):
        add(keys, "anna")
    with pytest.raises(ConfigError, match="a name has letters"):
        add(keys, "../anna")
    assert list(allowed(keys)) == ["anna"]


@pytest.mark.parametrize("address", ["ipc:///tmp/x", "tcp://127.0.0.1", "127.0.0.1:5670", "tcp://a b:1"])
def test_an_address_that_is_none_is_refused_with_the_rig_file(tmp_path: Path, address: str) -> None:
    files = write_rig(tmp_path, RECORDING, tmp_path)
    files.rig.write_text(files.rig.read_text() + f'[watch]\naddress = "{address}"\nkeys = "keys"\n')
    with pytest.raises(ConfigError, match="watch"):
        load_rig(files.rig)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tcp://127.0.0.1:5670"], "needs --key"),
        (["tcp://127.0.0.1:5670", "--key", "k", "--web"], "--web shows sessions of this machine"),
        (["nowhere"], "no such folder; a session on another machine is named tcp://HOST:PORT"),
    ],
)
def test_what_cannot_be_watched_is_said(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CliRunner().invoke(watch, words, catch_exceptions=False)


@pytest.mark.xdist_group("live")
def test_a_real_session_is_watched_from_elsewhere(tmp_path: Path, private: Path, keys: Path) -> None:
    write_recording(tmp_path / "rec", 3600)
    files = write_rig(tmp_path, RECORDING, private)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as trial:
        port = trial.bind_to_random_port("tcp://127.0.0.1")
    address = f"tcp://127.0.0.1:{port}"
    files.rig.write_text(files.rig.read_text() + f'[watch]\naddress = "{address}"\nkeys = "keys"\n')
    process = start(files)
    wait_until_running(process)
    assert process.stderr is not None
    assert any(f"etholoop watch {address}" in line for line in process.stderr)
    terminal = Terminal("rig.main", "watch", address, "--key", str(keys / "anna.watch"))
    terminal.until(lambda: b"view only" in terminal.drawn and b"either" in terminal.drawn)
    terminal.type("!apx")
    terminal.type("q")
    terminal.until(lambda: terminal.process.poll() is not None)
    assert terminal.process.returncode == 0
    terminal.close()
    process.terminate()
    code, out, err = finish(process)
    assert code == 0, err
    folder = Path(json.loads(out)["folder"])
    with (folder / "watch.log").open() as log:
        assert log.read() == ""
    assert rig_keys(keys)[1].encode() not in (folder / "session.h5").read_bytes()


def test_an_event_crosses_as_it_was(stage: Stage, keys: Path) -> None:
    with turning(stage.play):
        feed = RemoteFeed(stage.address, watch_key(keys / "anna.watch"), SystemClock(), PATIENT_MS)
        view = SessionView(feed.facts)
        wait_until(lambda: feed.drain(view) > 0, "the stream")
    said = Event(time_ns=5, source="camera", kind="alert", detail="ä USB link is slow")
    stage.rig.publishers["events.camera"].publish(said)
    wait_until(lambda: (stage.relay.step(), feed.drain(view), said in view.events)[-1], "the event")
    assert feed.lost == 0
    feed.close()


def test_an_address_that_is_taken_is_said_and_ends_nothing(private: Path, keys: Path) -> None:
    write_files(private)
    (private / "alive").touch()
    with zmq.Context() as context, context.socket(zmq.ROUTER) as taken:
        port = taken.bind_to_random_port("tcp://127.0.0.1")
        config = WatchConfig(address=f"tcp://127.0.0.1:{port}", keys=keys)
        launch = Launch.load(private)
        launch = launch.model_copy(update={"rig": launch.rig.model_copy(update={"watch": config})})
        launch.save()
        said: list[str] = []
        with watched(launch, said.append):
            wait_until(lambda: any(line.startswith("ALERT") for line in said), "the reason")
    assert "nobody can look from elsewhere" in said[-1]
    assert "Address already in use" in said[-1]


def test_who_names_no_address_opens_none(private: Path) -> None:
    write_files(private)
    said: list[str] = []
    with watched(Launch.load(private), said.append):
        assert modules_of(os.getpid()) == {}
    assert said == []


def test_a_list_that_cannot_be_read_is_not_written_anew(keys: Path) -> None:
    path = keys / "allowed.toml"
    path.write_text(path.read_text() + "bob = \n")
    damaged = path.read_text()
    with pytest.raises(ConfigError, match="cannot be read"):
        CliRunner().invoke(command, [str(keys), "carl"], catch_exceptions=False)
    assert path.read_text() == damaged
    assert not (keys / "carl.watch").exists()
