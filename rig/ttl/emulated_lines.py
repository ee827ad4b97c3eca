"""The lines of an emulated Etholoop board: its memory, and everything that it does by itself as time passes."""

from collections import deque
from dataclasses import dataclass, field

from online import barcode
from rig.ttl import wire
from rig.ttl.limits import LimitKeeper, new_keeper
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.wire import Kind, Reason, State, SyncMode, WireFrame

EMULATED_BOARD = 127
NUM_REMEMBERED = 8
DEFAULT_LIMITS = BoardLimits(
    wire.DEFAULT_WIDTH_US,
    wire.DEFAULT_DUTY / wire.DUTY_SCALE,
    wire.DEFAULT_WINDOW_MS * 1000,
    wire.DEFAULT_INTERVAL_US,
    wire.DEFAULT_PULSES,
    wire.CEILING_HEARTBEAT_MS * 1000,
)


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of an output."""

    time_us: int
    output: int
    level: int


@dataclass(slots=True)
class RunningTrain:
    """A train under way: its next edge, and how many pulses have begun."""

    train: PulseTrain
    command_sequence: int
    next_edge_us: int
    rise_us: int = 0
    begun: int = 0
    high: bool = False


@dataclass(slots=True)
class SyncOutput:
    """The sync output: its mode, the levels still to show, and when the next is due (None: nothing to do)."""

    mode: SyncMode = SyncMode.OFF
    barcode: int = 1
    segments: deque[tuple[int, int]] = field(default_factory=deque)
    next_edge_us: int | None = None
    next_barcode_us: int = 0


@dataclass(slots=True)
class Board:
    """Everything that an emulated board remembers; `stored_session` and the keeper's count survive a reset."""

    now_us: int
    keeper: LimitKeeper
    parser: wire.Parser
    last_byte_us: int = 0
    session: int = 0
    stored_session: int = 0
    last_sequence: int = 0
    remembered: deque[tuple[int, WireFrame]] = field(default_factory=lambda: deque(maxlen=NUM_REMEMBERED))
    armed: bool = False
    interlock: bool = False
    last_beat_us: int = 0
    late_us: int = 0  # by which its process was kept waiting before it read what it now reads
    trains: dict[int, RunningTrain] = field(default_factory=dict)
    sync: SyncOutput = field(default_factory=SyncOutput)
    levels: list[int] = field(default_factory=lambda: [0] * (wire.NUM_STIMULUS_OUTPUTS + 1))
    inputs: list[int] = field(default_factory=lambda: [1] * wire.NUM_INPUTS)
    loopback: dict[int, int] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    event_sequence: int = 0


def new_board(now_us: int = 0, settled: bool = False) -> Board:
    """A board that was reset at `now_us`, or (settled) one that was reset more than a window ago."""
    dark_since_us = now_us - wire.CEILING_WINDOW_MS * 1000 if settled else now_us
    quiet_until_us = dark_since_us + DEFAULT_LIMITS.window_us
    keeper = new_keeper(DEFAULT_LIMITS, now_us, quiet_until_us)
    return Board(now_us, keeper, wire.new_parser(wire.MAX_COMMAND_PAYLOAD))


def reset(board: Board) -> Board:
    """The board after a reset: lines low, disarmed, and quiet for a window; limits and count are kept."""
    for output, level in enumerate(board.levels):
        if level:
            board.edges.append(Edge(board.now_us, output, 0))
    keeper = board.keeper
    fresh = new_board(board.now_us)
    quiet_until_us = board.now_us + keeper.limits.window_us
    fresh.keeper = new_keeper(keeper.limits, board.now_us, quiet_until_us)
    fresh.keeper.pulses = keeper.pulses
    fresh.stored_session, fresh.interlock = board.stored_session, board.interlock
    fresh.inputs, fresh.edges, fresh.loopback = board.inputs, board.edges, board.loopback
    return fresh


def is_active(board: Board) -> bool:
    """True while the board needs heartbeats."""
    return board.armed or board.sync.mode is not SyncMode.OFF


def beat_deadline_us(board: Board) -> int | None:
    """When every line drops unless a heartbeat comes; None while nothing could be high."""
    return board.last_beat_us + board.keeper.limits.heartbeat_timeout_us if is_active(board) else None


def next_event_us(board: Board) -> int | None:
    """When the board next does something by itself."""
    times = [running.next_edge_us for running in board.trains.values()]
    times += [time for time in (board.sync.next_edge_us, beat_deadline_us(board)) if time is not None]
    return min(times, default=None)


def advance(board: Board, time_us: int) -> None:
    """Do everything that is due until `time_us`."""
    while (due_us := next_event_us(board)) is not None and due_us <= time_us:
        board.now_us = due_us
        if beat_deadline_us(board) == due_us:
            drop_everything(board, Reason.HEARTBEAT_LOST)
            continue
        for running in [r for r in board.trains.values() if r.next_edge_us == due_us]:
            _train_edge(board, running)
        if board.sync.next_edge_us == due_us:
            _sync_edge(board)
    board.now_us = max(board.now_us, time_us)


def _train_edge(board: Board, running: RunningTrain) -> None:
    train = running.train
    if not running.high:
        running.high, running.rise_us = True, board.now_us
        running.begun += 1
        running.next_edge_us = board.now_us + train.width_us
        set_output(board, train.channel, 1)
        return
    running.high = False
    set_output(board, train.channel, 0)
    board.keeper.pulse_ended(train.channel, running.rise_us, board.now_us)
    running.next_edge_us = running.rise_us + train.period_us
    if running.begun == train.count:
        end_train(board, running, Reason.COMPLETED)


def end_train(board: Board, running: RunningTrain, reason: Reason) -> None:
    """Forget a train, its line low, and report it."""
    train = running.train
    if running.high:
        set_output(board, train.channel, 0)
        board.keeper.pulse_ended(train.channel, running.rise_us, board.now_us)
    del board.trains[train.channel]
    values = (board.now_us, running.command_sequence, train.channel, running.begun, int(reason))
    send_event(board, Kind.TRAIN_ENDED, values)


def drop_stimuli(board: Board, reason: Reason) -> None:
    """Every stimulus line low and the board disarmed."""
    for running in list(board.trains.values()):
        end_train(board, running, reason)
    if board.armed:
        board.armed = False
        send_event(board, Kind.DISARMED, (board.now_us, int(reason)))


def drop_everything(board: Board, reason: Reason) -> None:
    """As `drop_stimuli`, and the sync output low and off."""
    board.sync.mode, board.sync.next_edge_us = SyncMode.OFF, None
    set_output(board, wire.SYNC_OUTPUT, 0)
    drop_stimuli(board, reason)


def _sync_edge(board: Board) -> None:
    sync = board.sync
    if sync.mode is SyncMode.STROBE:
        set_output(board, wire.SYNC_OUTPUT, 1 - board.levels[wire.SYNC_OUTPUT])
        sync.next_edge_us = board.now_us + wire.STROBE_US if board.levels[wire.SYNC_OUTPUT] else None
        return
    if board.now_us >= sync.next_barcode_us:
        sync.barcode = barcode.next_barcode(sync.barcode)
        sync.segments = deque(barcode.segments(sync.barcode))
        sync.next_barcode_us = board.now_us + barcode.PERIOD_US
        send_event(board, Kind.BARCODE, (board.now_us, sync.barcode))
    if sync.segments:
        level, duration_us = sync.segments.popleft()
        set_output(board, wire.SYNC_OUTPUT, level)
        sync.next_edge_us = board.now_us + duration_us
    else:
        set_output(board, wire.SYNC_OUTPUT, 0)
        sync.next_edge_us = sync.next_barcode_us


def set_output(board: Board, output: int, level: int) -> None:
    """Change a pin, and the input that is wired to it."""
    if board.levels[output] == level:
        return
    board.levels[output] = level
    board.edges.append(Edge(board.now_us, output, level))
    if output in board.loopback:
        set_input(board, board.loopback[output], level)


def set_input(board: Board, index: int, level: int) -> None:
    """What the outside world does to an input."""
    if board.inputs[index] == level:
        return
    board.inputs[index] = level
    send_event(board, Kind.INPUT_CHANGED, (board.now_us, index, level))
    if interlock_open(board):
        drop_stimuli(board, Reason.INTERLOCK)


def interlock_open(board: Board) -> bool:
    """True when the interlock forbids light."""
    return board.interlock and not board.inputs[wire.INTERLOCK_INPUT]


def state_byte(board: Board) -> int:
    """The state bits that answers carry."""
    return (
        State.ARMED * board.armed
        | State.SYNC * (board.sync.mode is not SyncMode.OFF)
        | State.INTERLOCK_OPEN * interlock_open(board)
        | State.QUIET * (board.now_us < board.keeper.quiet_until_us)
    )


def send_event(board: Board, kind: Kind, values: tuple[int, ...]) -> None:
    """Queue an event; without a session nobody listens."""
    if board.session:
        board.event_sequence += 1
        board.output += wire.encode(WireFrame(kind, board.event_sequence, board.session, values))
