"""Nothing is armed, whoever asks, while it is not known that the pulses would be recorded."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import zmq

from online.errors import BoardLost
from online.files.session_file import SessionReader
from online.files.tables import text_of
from online.messages import Command, CommandName, Health, Reply, decode
from rig.bus import Publisher
from rig.clock import ManualClock
from rig.control import ControlServer, send_command
from rig.online_process import DRAIN_NS, PATIENCE_NS, Operator
from rig.peers import FRESH_NS, Peers
from rig.process import State
from tests.live_sessions import RECORDING, children_of, wait_for_pulses
from tests.rigs import finish, start, write_recording, write_rig
from tests.ttl_benches import wait_until
from tests.tui.terminals import run_dir_in


class Stage:
    """Peers that hear what is said here of recorder and camera, on a clock turned by hand."""

    def __init__(self, private: Path) -> None:
        self.clock = ManualClock(10 * FRESH_NS)
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.publishers = {name: Publisher(self.context, private, f"health.{name}") for name in ("recorder", "camera")}
        self.peers = Peers(self.context, private, self.clock)
        wait_until(self.all_heard, "the sockets")

    def all_heard(self) -> bool:
        for publisher in self.publishers.values():
            publisher.probe()
        self.peers.take()
        return all(s.heard for s in self.peers._subscribers.values())

    def say(self, process: str, state: State) -> None:
        health = Health(process=process, beat=1, time_ns=self.clock.now_ns(), state=state, inputs=(), detail="")
        self.publishers[process].publish(health)
        wait_until(lambda: self._taken(process, health), "a heartbeat")

    def _taken(self, process: str, health: Health) -> bool:
        self.peers.take()
        return self.peers._newest.get(process) == health

    def close(self) -> None:
        self.peers.close()
        for publisher in self.publishers.values():
            publisher.close()
        self.context.destroy(linger=0)


@pytest.fixture
def stage(private: Path) -> Iterator[Stage]:
    made = Stage(private)
    yield made
    made.close()


def test_what_was_never_heard_of_is_not_healthy(stage: Stage) -> None:
    assert "nothing was heard of the recorder yet" in stage.peers.problem()
    stage.say("recorder", "running")
    assert "nothing was heard of the camera yet" in stage.peers.problem()
    stage.say("camera", "ready")
    assert stage.peers.problem() == ""


@pytest.mark.parametrize("process", ["recorder", "camera"])
def test_a_silent_or_ending_process_lets_nothing_be_armed(stage: Stage, process: str) -> None:
    stage.say("recorder", "running")
    stage.say("camera", "running")
    stage.clock.advance_ns(FRESH_NS + 200_000_000)
    stage.say("camera" if process == "recorder" else "recorder", "running")
    assert f"the {process} is silent for 1.2 s" in stage.peers.problem()
    stage.say(process, "running")
    assert stage.peers.problem() == ""
    for state in ("stopping", "failed", "preparing"):
        stage.say(process, state)  # type: ignore[arg-type]
        assert f"the {process} is {state}" in stage.peers.problem()


class Desk:
    """An operator at an armed or disarmed board that only remembers."""

    def __init__(self, stage: Stage, private: Path) -> None:
        self.stage = stage
        self.private = private
        self.done: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.control = ControlServer(stage.context, private, "online")
        link = SimpleNamespace(
            clock=stage.clock, control=self.control, event=lambda kind, text: self.told.append((kind, text))
        )
        board = SimpleNamespace(arm=lambda: self.done.append("arm"), disarm=lambda: self.done.append("disarm"))
        loop = SimpleNamespace(parts=SimpleNamespace(sync=SimpleNamespace(on=lambda: self.done.append("sync"))))
        self.operator = Operator(link, loop, board, stage.peers)  # type: ignore[arg-type]

    def ask(self, name: CommandName, text: str = "") -> Reply:
        with self.stage.context.socket(zmq.REQ) as socket:
            socket.connect(f"ipc://{self.private}/control.online")
            socket.send(Command(name=name, text=text, sent_time_ns=0).encode())
            assert self.control.socket.poll(20_000)
            self.operator.serve()
            assert socket.poll(20_000)
            reply = decode(socket.recv())
        assert isinstance(reply, Reply)
        return reply


@pytest.fixture
def desk(stage: Stage, private: Path) -> Iterator[Desk]:
    made = Desk(stage, private)
    yield made
    made.control.close()


def test_a_command_to_arm_is_refused_with_its_reason_and_so_recorded(desk: Desk) -> None:
    for name, text in (("arm", "at pts/3"), ("test_pulse", "confirmed laser")):
        reply = desk.ask(name, text)  # type: ignore[arg-type]
        assert not reply.ok
        assert "nothing was heard of the recorder" in reply.detail
        assert desk.told[-1] == ("command", f"refused {name} {text}: {reply.detail}")
    assert desk.done == []
    desk.stage.say("recorder", "running")
    desk.stage.say("camera", "running")
    assert desk.ask("arm", "at pts/3").ok
    assert desk.done == ["arm", "sync"]
    assert desk.told[-1] == ("command", "arm at pts/3")


def test_an_arming_that_the_board_refuses_is_not_recorded_as_done(desk: Desk) -> None:
    def lost() -> None:
        raise BoardLost("no answer to ARM")

    desk.stage.say("recorder", "running")
    desk.stage.say("camera", "running")
    desk.operator.board.arm = lost  # type: ignore[method-assign]
    assert not desk.ask("arm", "at pts/3").ok
    assert desk.told == [
        ("alert", "arm failed: no answer to ARM"),
        ("command", "refused arm at pts/3: no answer to ARM"),
    ]


def test_a_session_begins_armed_once_its_recorder_records(desk: Desk) -> None:
    desk.operator.begin_armed()
    assert desk.done == []
    desk.stage.say("recorder", "running")
    desk.stage.say("camera", "ready")
    desk.operator.begin_armed()
    desk.operator.begin_armed()
    assert desk.done == ["arm", "sync"]


def test_a_session_whose_recorder_never_spoke_says_that_it_is_disarmed(desk: Desk) -> None:
    desk.stage.clock.advance_ns(PATIENCE_NS + 1)
    desk.operator.begin_armed()
    ((kind, text),) = desk.told
    assert kind == "alert"
    assert text.startswith("the session began disarmed: nothing was heard of the recorder")
    desk.stage.say("recorder", "running")
    desk.stage.say("camera", "running")
    desk.operator.begin_armed()
    assert desk.done == [], "later, a person arms"


def test_a_disarming_before_the_beginning_holds(desk: Desk) -> None:
    assert desk.ask("disarm").ok
    desk.stage.say("recorder", "running")
    desk.stage.say("camera", "running")
    desk.operator.begin_armed()
    assert desk.done == ["disarm"]


def test_a_loop_that_drains_waits_for_the_cameras_last_word_and_not_for_ever(desk: Desk) -> None:
    assert desk.operator.over(frames_ended=True) == "", "nobody told it to stop"
    assert desk.ask("stop", "drain").ok
    assert desk.done == []
    assert desk.operator.over(frames_ended=False) == ""
    desk.stage.clock.advance_ns(DRAIN_NS)
    assert desk.operator.over(frames_ended=False) == ""
    assert desk.operator.over(frames_ended=True) == "every frame that came was decoded"
    desk.stage.clock.advance_ns(1)
    assert desk.operator.over(frames_ended=False) == "no last word from the camera"


def test_a_loop_that_is_told_to_stop_at_once_does(desk: Desk) -> None:
    assert desk.ask("stop").ok
    assert desk.done == ["disarm"]
    assert desk.operator.over(frames_ended=False) == "told to stop"


@pytest.mark.xdist_group("live")
def test_no_program_arms_a_session_whose_recorder_is_silent(tmp_path: Path, private: Path) -> None:
    write_recording(tmp_path / "rec", 3600)
    files = write_rig(tmp_path, RECORDING, private)
    process = start(files)
    wait_for_pulses(process, files, 1)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()

    def ask(name: CommandName, process: str = "online", text: str = "by another program") -> Reply:
        command = Command(name=name, text=text, sent_time_ns=0)
        return send_command(context, run_dir_in(private), process, command, 20_000)

    recorder = children_of(process.pid)["recorder"]
    assert process.stderr is not None
    os.kill(recorder, signal.SIGSTOP)
    assert any(line.startswith("recorder silent: disarmed") for line in process.stderr)
    refused = ask("arm")
    os.kill(recorder, signal.SIGCONT)
    assert not refused.ok
    assert "the recorder is silent" in refused.detail
    wait_until(lambda: ask("arm").ok, "the recorder's return")
    assert ask("acknowledge", "supervisor", "at pts/3: supervisor: recorder silent…").ok
    context.destroy(linger=0)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 0, err
    (folder,) = files.out.iterdir()
    with SessionReader(folder) as session:
        said = [text_of(row["detail"]) for row in session.table("events/rows")]
    assert any(words.startswith("refused arm by another program: the recorder is silent") for words in said)
    assert "arm by another program" in said
    (silence,) = [alert for alert in json.loads(out)["alerts"] if alert["what"].startswith("recorder silent")]
    assert silence["acknowledged"]["where"] == "at pts/3"
    assert silence["acknowledged"]["time_s"] > silence["time_s"]
