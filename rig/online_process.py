"""The online process: frame in, pulse out. It alone owns the pulse generator."""

import sys
from pathlib import Path

import zmq
from pydantic import TypeAdapter

from online import further_evidence, pipeline
from online.errors import BoardError, ConfigError, SessionFailed
from online.files.arena_file import load_arena
from online.files.bundle import load_bundle
from online.files.names import by_name, load_names
from online.messages import Command, Reply
from protocols import engine
from protocols.materials import from_json
from protocols.parse import parse_protocol
from rig import scheduling
from rig.board_record import BoardRecord, SyncLine
from rig.closed_loop import ClosedLoop, LoopParts, status_message
from rig.launch import Launch
from rig.manual_pulse import manual_pulse
from rig.peers import Peers
from rig.process import ProcessLink, parent_runs, quiet_collector, run_child
from rig.session_checks import board_limits
from rig.ttl.configuration import build_board
from rig.ttl.heartbeat import FrameLoopLiveness, Heartbeat
from rig.ttl.protocol import BoardInfo, PulseGenerator

POLL_MS = 5
DRAIN_NS = 3_000_000_000
SETTLE_NS = 300_000_000
STATUS_NS = 100_000_000
PATIENCE_NS = 5_000_000_000
"""How long a session that begins waits to hear that its recorder records, before it says that it stays disarmed."""
NEEDS_PEERS = frozenset({"arm", "test_pulse"})


def build_loop(link: ProcessLink, launch: Launch, board: PulseGenerator) -> ClosedLoop:
    """Load model, arena and protocol; allocate and warm up every kernel."""
    if launch.camera is None or launch.arena is None:
        raise SessionFailed("the online process was started before camera and arena were known")
    bundle = load_bundle(launch.model)
    names = by_name(load_names(launch.model, bundle.arhmm.num_syllables))
    arena = load_arena(launch.arena)
    protocol = parse_protocol(launch.protocol.read_text(), str(launch.protocol))
    camera = launch.camera
    pipeline.warm_up(bundle, arena, camera.depth_unit_mm, camera.rate_hz)
    decoding = pipeline.init(bundle, arena, camera.depth_unit_mm, camera.rate_hz)
    state = engine.init(
        protocol,
        bundle.arhmm.num_syllables,
        names,
        camera.rate_hz,
        launch.subject,
        launch.session_name,
        from_json(launch.materials, launch.own_arm),
    )
    further_evidence.warm_up(bundle, state.requests)
    parts = LoopParts(
        pipeline=decoding,
        engine=state,
        further=further_evidence.init(decoding.decoder, state.requests, bundle.frame_rate_hz),
        board=board,
        sync=SyncLine(board, protocol.sync_mode, launch.session_name),
        publishers=link.publishers,
        clock=link.clock,
        deadline_ns=round(protocol.timing.deadline_ms * 1e6),
    )
    return ClosedLoop(parts)


class Operator:
    """Carries out commands from the control channel."""

    def __init__(self, link: ProcessLink, loop: ClosedLoop, board: PulseGenerator, peers: Peers) -> None:
        self.link = link
        self.loop = loop
        self.board = board
        self.peers = peers
        self._arm_by_ns: int | None = link.clock.now_ns() + PATIENCE_NS
        self.stop_reason: str | None = None
        self.drain = False
        self._drain_until_ns = 0
        self._next_status_ns = 0
        self._said_over = False

    def show_status(self) -> None:
        """Publish where the session stands, when due."""
        now_ns = self.link.clock.now_ns()
        if now_ns >= self._next_status_ns:
            self._next_status_ns = now_ns + STATUS_NS
            self.link.publishers["status"].publish(status_message(self.loop, now_ns))

    def end_protocol(self) -> None:
        """When the last block is over: lines low, say so; frames are decoded until the camera stops."""
        if self.loop.parts.engine.finished and not self._said_over:
            self._said_over = True
            self.board.disarm()
            self.link.tell("over", "the protocol is over")

    def begin_armed(self) -> None:
        """Arm at the beginning of the session, as soon as the others are known to be well; say where they are not."""
        if self._arm_by_ns is None:
            return
        why = self.peers.problem()
        if not why:
            self._arm()
        elif self.link.clock.now_ns() > self._arm_by_ns:
            self._arm_by_ns = None
            self.link.event("alert", f"the session began disarmed: {why}")

    def _arm(self) -> None:
        self._arm_by_ns = None
        self.board.arm()
        self.loop.parts.sync.on()

    def over(self, frames_ended: bool) -> str:
        """Why the loop ends now; empty while it goes on. Told to drain, it waits for the camera's last word."""
        if not self.drain:
            return self.stop_reason or ""
        if frames_ended:
            return "every frame that came was decoded"
        now_ns = self.link.clock.now_ns()
        self._drain_until_ns = self._drain_until_ns or now_ns + DRAIN_NS
        return "no last word from the camera" if now_ns > self._drain_until_ns else ""

    def serve(self) -> None:
        """Answer one waiting command; one that is refused here is recorded with its reason."""
        command = self.link.control.receive()
        if command is None:
            return
        words, why = f"{command.name} {command.text}".strip(), self._forbidden(command)
        try:
            ok, detail, done_ns = (False, why, self.link.clock.now_ns()) if why else self._carry_out(command)
            self.link.control.reply(Reply(ok=ok, detail=detail, done_time_ns=done_ns))
        except (BoardError, ConfigError) as error:
            self.link.control.reply(Reply(ok=False, detail=str(error)[:400], done_time_ns=self.link.clock.now_ns()))
            self.link.event("alert", f"{command.name} failed: {error}")
            why = str(error) if command.name == "arm" else ""
        if command.name != "status":
            self.link.event("command", f"refused {words}: {why}" if why else words)

    def _forbidden(self, command: Command) -> str:
        """Why a command that may bring a line high is refused, whoever sent it; empty where it is not."""
        if command.name not in NEEDS_PEERS:
            return ""
        return "the session is ending" if self.stop_reason else self.peers.problem()

    def _carry_out(self, command: Command) -> tuple[bool, str, int]:
        match command.name:
            case "emergency_stop":
                self._arm_by_ns = None
                confirmed_ns = self.board.stop()
                return True, "all lines low", confirmed_ns
            case "arm":
                self._arm()
            case "disarm":
                self._arm_by_ns = None
                self.board.disarm()
            case "pause" | "resume":
                self.loop.paused = command.name == "pause"
            case "stop":
                self.stop_reason = "told to stop"
                self.drain = command.text == "drain"
                if not self.drain:
                    self.board.disarm()
            case "test_pulse":
                trial = manual_pulse(self.loop, command.text)
                return trial.outcome == "pulse", trial.reason or f"{trial.output} pulsed", self.link.clock.now_ns()
            case "note" | "status":
                pass
            case _:
                return False, f"'{command.name}' means nothing to a running session", self.link.clock.now_ns()
        return True, "", self.link.clock.now_ns()


def run_loop(
    link: ProcessLink,
    loop: ClosedLoop,
    operator: Operator,
    record: BoardRecord,
    liveness: FrameLoopLiveness,
    heartbeat: Heartbeat,
) -> str:
    """Receive, step, publish, until told to stop; returns why it ended.

    Raises BoardLost as soon as the board is, pulse or no pulse.
    """
    frames = link.subscribers["frames"]
    poller = zmq.Poller()
    poller.register(frames.socket, zmq.POLLIN)
    poller.register(link.control.socket, zmq.POLLIN)
    operator.peers.take()
    operator.begin_armed()
    while True:
        liveness.touch()
        poller.poll(POLL_MS)
        received = frames.receive(link.clock.now_ns())
        if received is not None:
            loop.on_frame(received)
        loop.publish_receipts()
        for alert in (*record.step(), *operator.board.alerts()):
            link.event("alert", alert)
        heartbeat.check()
        operator.peers.take()
        operator.begin_armed()
        operator.show_status()
        for stream, lost in link.new_losses():
            link.event("loss", f"{lost} messages of '{stream}' never came")
        link.heartbeat()
        operator.serve()
        operator.end_protocol()
        if reason := operator.over(frames.ended):
            return reason
        link.check_parent()


def settle(link: ProcessLink, loop: ClosedLoop, board: PulseGenerator) -> None:
    """Lines low, then publish the receipts that are still on their way, for a bounded time."""
    for bring_low in (board.disarm, loop.parts.sync.off):
        try:
            bring_low()
        except BoardError as error:
            link.event("alert", f"at the end of the session: {error}")
    deadline_ns = link.clock.now_ns() + SETTLE_NS
    loop.publish_receipts()
    while loop.unanswered and link.clock.now_ns() < deadline_ns:
        link.clock.sleep_until_ns(link.clock.now_ns() + 5_000_000)
        loop.publish_receipts()


def body(link: ProcessLink, launch: Launch) -> str:
    """Open the board, warm up, wait for the start, run the loop; leave the lines low whatever happens."""
    board = build_board(launch.rig.board, link.clock)
    peers = Peers(link.context, launch.run_dir, link.clock)
    try:
        link.tell("preparing", f"opening the board ({launch.rig.board.port})")
        info = board.open()
        link.tell("preparing", "loading the model and warming up; the first session after an installation compiles")
        loop = build_loop(link, launch, board)
        board.configure(board_limits(loop.parts.engine.protocol))
        quiet_collector()
        refusals = scheduling.lock_memory(launch.rig.scheduling.policy)
        link.tell("ready", TypeAdapter(BoardInfo).dump_json(info).decode())
        if not link.wait_for_start():
            return "never started"
        return run_session(link, launch, loop, board, peers, refusals)
    finally:
        board.close()
        peers.close()
        link.end_streams()


def run_session(
    link: ProcessLink, launch: Launch, loop: ClosedLoop, board: PulseGenerator, peers: Peers, refusals: list[str]
) -> str:
    """Keep the board's heartbeat, run the loop, settle. `refusals`: what the system would not give, so far."""
    wanted = launch.rig.scheduling
    for refusal in (*refusals, *scheduling.hurry(wanted.policy, wanted.fifo_priority)):
        link.event("lifecycle", refusal)
    wired = launch.rig.board
    wires = {name: (wired.channels[name], number) for name, number in wired.loopback.items()}
    record = BoardRecord(board, link.publishers["board"], link.clock, wires)
    liveness = FrameLoopLiveness(link.clock)
    heartbeat = Heartbeat(board.beat, lambda: liveness.alive() and parent_runs(link.parent))
    heartbeat.start()
    try:
        return run_loop(link, loop, Operator(link, loop, board, peers), record, liveness, heartbeat)
    finally:
        settle(link, loop, board)
        heartbeat.stop()
        board.close()
        loop.publish_receipts()  # whatever was never answered comes as lost
        for alert in (*record.step(last=True), *board.alerts()):
            link.event("alert", alert)


def main() -> int:
    """Entry point: `python -m rig.online_process RUN_DIR`."""
    run_dir = Path(sys.argv[1])
    return run_child("online", run_dir, lambda link: body(link, Launch.load(run_dir)))


if __name__ == "__main__":
    sys.exit(main())
