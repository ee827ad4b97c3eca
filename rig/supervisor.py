"""The supervisor: prepares a session, starts its processes in order, watches them, ends them in order.

On any failure but the screen's own, the line goes low first; then what can be recorded is recorded; then it is said.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import zmq
from pydantic import TypeAdapter

from online.errors import SessionFailed
from online.messages import Command, CommandName, Event, EventKind, Reply
from rig.bus import Publisher
from rig.cameras.protocol import CameraInfo
from rig.child_reports import ChildReports
from rig.children import Child, Nursery, raise_failure
from rig.clock import Clock
from rig.control import ControlError, ControlServer, send_command
from rig.input_watch import InputWatch
from rig.launch import Launch
from rig.line_low import ENDED_AND_LOW, UNANSWERED, Lines
from rig.services import STREAMS

PREPARE_NS = 180_000_000_000
"""The first session after an installation compiles every kernel: 40 s on two busy cores."""
BEAT_TIMEOUT_NS = {"camera": 2_000_000_000, "online": 2_000_000_000, "recorder": 6_000_000_000}
"""Silence after which a process counts as failed; a disk may stall longer than the loop, and its queues hold more."""
END_NS = 10_000_000_000
WRITING_NS = 120_000_000_000
"""A recorder that is behind may write this long, as long as its heart beats."""
PIPELINE_ORDER = ("recorder", "online", "camera")
ENDING = "the session is ending: "
"""Said at the beginning of its end; what follows are the steps of closing."""
CLOSING = {
    "camera": "camera: being closed",
    "online": "online: the last frames are decoded, the lines brought low, the board let go",
    "recorder": "recorder: writing what is left, closing the recording",
}
TELL_MS = 150
LAST_WORD_MS = 500
"""How long the last word of a process that has ended may still be on its way."""
UNRECORDED_NS = 2_000_000_000
"""Silence of the recorder after which the board is disarmed."""
Report = Callable[[str], None]


@dataclass(slots=True)
class Ending:
    """How a session ended: `reason` in words; `failures` of processes; whether the line is known to be low."""

    reason: str = ""
    failures: list[str] = field(default_factory=list)
    line_low: str = ""


class Supervisor:
    """Owns the session's private directory, its life-cycle socket and its children."""

    def __init__(self, launch: Launch, clock: Clock, report: Report) -> None:
        self.launch = launch
        self.clock = clock
        self._report = report
        self.ending = Ending()
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.control = ControlServer(self.context, launch.run_dir, "supervisor")
        self.events = Publisher(self.context, launch.run_dir, "events.supervisor")
        self.nursery = Nursery(launch.run_dir)
        self.children_say = ChildReports(self.context, self.nursery, clock, partial(self.event, "alert"), self.report)
        self._lines = Lines(launch.rig.board, self.nursery, self.command)
        self.stop_wish: str | None = None
        self._inputs = InputWatch()
        self._unrecorded = False

    def report(self, line: str) -> None:
        """Say a line to the person, if there is still a terminal to say it to."""
        with suppress(OSError):
            self._report(line)

    # preparing ------------------------------------------------------------------------------------------------

    def prepare(self, name: str) -> str:
        """Start a child and wait until it is ready; returns what it found.

        Raises the child's own error (its class is kept) when it fails, SessionFailed when it takes too long.
        """
        self.launch.save()
        self.report(f"{name}: starting its process")
        child = self.nursery.start(name)
        self.children_say.hear(name)
        deadline_ns = self.clock.now_ns() + PREPARE_NS
        while child.ready_detail is None:
            self.children_say.take(50)
            raise_failure(child)
            if self.stop_wish:
                raise SessionFailed(f"stopped while the {name} process was preparing")
            if self.clock.now_ns() > deadline_ns:
                raise SessionFailed(
                    f"the {name} process was not ready after {PREPARE_NS // 10**9} s: {child.last_words()}"
                )
        return child.ready_detail

    def prepare_camera(self) -> CameraInfo:
        """Start the camera process and return what it found."""
        return TypeAdapter(CameraInfo).validate_json(self.prepare("camera"))

    def look_after(self, name: str) -> None:
        """Raise as `prepare` does when a child failed or was killed; one that ended well is no failure."""
        self.children_say.take(0)
        child = self.nursery.children[name]
        if child.failed is not None or child.exit_code not in (None, 0):
            raise_failure(child)

    def start(self) -> None:
        """Wait until everyone hears what it must, then start consumers before producers."""
        self.report("waiting until the processes hear each other")
        needed = {(p, s.name) for s in STREAMS.values() for p in s.every if p in self.nursery.children}
        deadline_ns = self.clock.now_ns() + PREPARE_NS
        while not needed <= self.children_say.hearing or not self.children_say.all_heard:
            self.events.probe()
            self.children_say.take(20)
            for child in self.nursery.children.values():
                raise_failure(child)
            if self.stop_wish:
                raise SessionFailed("stopped while the session was starting")
            if self.clock.now_ns() > deadline_ns:
                raise SessionFailed(f"streams that nobody hears: {sorted(needed - self.children_say.hearing)}")
        for name in PIPELINE_ORDER:
            self.command(name, "start")
            self.nursery.children[name].last_beat_ns = self.clock.now_ns()
            if name == "recorder":
                self.event("lifecycle", "session starts")

    # running ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Watch the session and end it in order, also when watching itself fails: the line goes low first."""
        try:
            self.watch()
        except Exception as error:
            self.ending.failures.append(f"supervisor: {type(error).__name__}: {error}")
            self.ending.reason = self.ending.failures[-1]
            self.ending.line_low = self._lines.drive_low()
            raise
        finally:
            self.end()

    def watch(self) -> None:
        """Run until the session ends by itself, by the operator, or by a failure; fills `ending.reason`."""
        while not self.ending.reason:
            self.children_say.take(20)
            self._serve_operator()
            if self.stop_wish:
                self.ending.reason = self.stop_wish
            self._look_at_children()
            self._look_at_inputs()

    def _look_at_inputs(self) -> None:
        """An input that its process does not hear is said at once, here and in the record."""
        now_ns = self.clock.now_ns()
        for child in self.nursery.children.values():
            for problem in self._inputs.take(child.health, now_ns) if child.health else ():
                self.event("alert", problem)
                self.report(f"ALERT  {problem}")

    def _look_at_children(self) -> None:
        now_ns = self.clock.now_ns()
        for child in self.nursery.children.values():
            if child.exit_code is not None and child.finished is None and child.failed is None:
                self.children_say.take(LAST_WORD_MS)
            if child.failed is not None:
                self._fail(child, child.failed)
            elif child.finished is not None or child.over is not None:
                self.ending.reason = self.ending.reason or f"{child.name}: {child.finished or child.over}"
            elif child.exit_code is not None:
                self._fail(child, f"died with code {child.exit_code} {child.last_words()}".strip())
            else:
                self._look_at_silence(child, now_ns)

    def _look_at_silence(self, child: Child, now_ns: int) -> None:
        """A process without a heartbeat has failed; long before that, nothing may pulse that nobody records."""
        if child.last_beat_ns is None:
            return
        silent_ns = now_ns - child.last_beat_ns
        if silent_ns > BEAT_TIMEOUT_NS[child.name]:
            self._fail(child, f"no heartbeat for {silent_ns / 1e9:.1f} s")
        elif child.name == "recorder" and silent_ns > UNRECORDED_NS and not self._unrecorded:
            self._unrecorded = True
            with suppress(ControlError):  # an online process that does not answer is found silent itself
                self.command("online", "disarm", "the recorder is silent")
            self.event("alert", f"recorder silent for {silent_ns / 1e9:.1f} s: disarmed; arm again when it is back")
            self.report("recorder silent: disarmed")
        elif silent_ns < UNRECORDED_NS and child.name == "recorder":
            self._unrecorded = False

    def _fail(self, child: Child, what: str) -> None:
        failure = f"{child.name}: {what}"
        if failure in self.ending.failures:
            return
        self.ending.failures.append(failure)
        self.ending.reason = self.ending.reason or failure
        if not self.ending.line_low:
            self.ending.line_low = self._lines.drive_low()
        self.event("alert", f"{failure}; {self.ending.line_low}")
        self.report(f"FAILURE  {failure}; {self.ending.line_low}")

    def command(self, process: str, name: CommandName, text: str = "", timeout_ms: int = 2000) -> Reply:
        """Send a command to a child."""
        command = Command(name=name, text=text, sent_time_ns=self.clock.now_ns())
        return send_command(self.context, self.launch.run_dir, process, command, timeout_ms)

    def event(self, kind: EventKind, detail: str) -> None:
        """Put a line into the record."""
        self.events.publish(Event(time_ns=self.clock.now_ns(), source="supervisor", kind=kind, detail=detail))

    def _serve_operator(self) -> None:
        command = self.control.receive()
        if command is None:
            return
        now_ns = self.clock.now_ns()
        if command.name == "stop":
            self.stop_wish = f"stopped by the operator {command.text}".strip()
        elif command.name == "note":
            self.event("note", command.text)
        elif command.name == "acknowledge":
            self.event("command", f"{command.name} {command.text}")
        elif command.name == "emergency_stop":
            low, detail = self._cut_off()
            self.control.reply(Reply(ok=low, detail=detail, done_time_ns=self.clock.now_ns()))
            return
        known = command.name in ("stop", "note", "acknowledge", "status")
        detail = json.dumps({n: c.health.state if c.health else "preparing" for n, c in self.nursery.children.items()})
        self.control.reply(Reply(ok=known, detail=detail if known else "ask the online process", done_time_ns=now_ns))

    def _cut_off(self) -> tuple[bool, str]:
        """The operator's second path, where the online process did not answer: its heartbeat ends with it, and the
        line is driven low over the port as well. The session ends with this failure, unless it was just closing."""
        hangs = self._lines.end_online()
        low = self._lines.force()
        self.ending.line_low = ENDED_AND_LOW if low else UNANSWERED
        self.event("command", f"emergency_stop without the online process; {self.ending.line_low}")
        if hangs or not self.ending.reason:
            self.ending.reason = "emergency stop by the operator; the online process did not answer, and was ended"
            self.ending.failures.append(self.ending.reason)
        return low, self.ending.line_low

    # ending ----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Camera first (unless it already ended), then online, then recorder, each given time to finish."""
        self.report(f"{ENDING}{self.ending.reason}")
        self._finish("camera", "")
        self._finish("online", "" if self.ending.failures else "drain")
        self._note_deaths("camera", "online")
        self.event("lifecycle", f"session ends: {self.ending.reason}")
        self.events.end()
        dead = [c.name for c in self.nursery.children.values() if c.failed or (c.exit_code not in (None, 0))]
        self._finish("recorder", " ".join(dead))
        self._note_deaths("recorder")
        self.nursery.kill()

    def _note_deaths(self, *names: str) -> None:
        """A process that fails or dies while the session ends has failed no less."""
        for child in (self.nursery.children[name] for name in names):
            known = any(failure.startswith(f"{child.name}:") for failure in self.ending.failures)
            if not known and (child.failed is not None or child.exit_code != 0):
                self._fail(child, child.failed or f"died with code {child.exit_code} while the session ended")

    def _finish(self, name: str, text: str) -> None:
        child = self.nursery.children.get(name)
        if child is None or child.exit_code is not None:
            return
        self.report(CLOSING[name])
        allowed_ns = WRITING_NS if name == "recorder" else END_NS
        deadline_ns = self.clock.now_ns() + allowed_ns
        told = child.failed is not None or child.finished is not None
        while child.exit_code is None and self.clock.now_ns() < deadline_ns and not self._silent(child):
            told = told or self._tell_to_stop(name, text)
            self.children_say.take(20)
            self._serve_operator()
        if child.exit_code is None:
            child.process.kill()
            child.process.wait()
            self._fail(child, f"did not end within {allowed_ns // 10**9} s, or fell silent, and was killed")

    def _tell_to_stop(self, name: str, text: str) -> bool:
        """Whether it took the word; one that is just ending by itself, or hangs, answers not, and may answer later."""
        try:
            return self.command(name, "stop", text, TELL_MS).ok
        except ControlError:
            return False

    def _silent(self, child: Child) -> bool:
        beat_ns = child.last_beat_ns
        return beat_ns is not None and self.clock.now_ns() - beat_ns > END_NS

    def close(self) -> None:
        """Release sockets; children are ended first."""
        self.nursery.kill()
        self.children_say.close()
        self.events.close()
        self.control.close()
        self.context.term()
