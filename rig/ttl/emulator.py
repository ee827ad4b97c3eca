"""An Etholoop board as a pure function of time and bytes: what the firmware does, without a port or a clock.

`new_board` makes one; `step` brings it to a time, hands it bytes and returns what it sends; `board.edges` collects
what its pins did. Time is the device's own, in microseconds. Each command is checked in a fixed order, takes effect,
and is answered with the time.
"""

from rig.ttl import wire
from rig.ttl.emulated_lines import (
    EMULATED_BOARD,
    Board,
    RunningTrain,
    advance,
    drop_everything,
    drop_stimuli,
    interlock_open,
    is_active,
    set_output,
    state_byte,
)
from rig.ttl.limits import edges_per_s, limit_values, limits_refusal, new_keeper
from rig.ttl.protocol import BoardLimits, PulseTrain
from rig.ttl.wire import Kind, Outcome, Reason, State, SyncMode, WireFrame

LEAST_LEAD_US = 30
FIRMWARE_VERSION = (1, 2)  # of the firmware that it does as


def step(board: Board, time_us: int, data: bytes = b"") -> bytes:
    """Let time pass until `time_us`, then receive `data`; returns what the board sends meanwhile."""
    give_up_us = board.last_byte_us + wire.PARTIAL_FRAME_TIMEOUT_US
    if board.parser.buffer and time_us > give_up_us:
        advance(board, give_up_us)
        for frame in board.parser.give_up():
            execute(board, frame)
    advance(board, time_us)
    if data:
        board.last_byte_us = time_us
        for frame in board.parser.feed(data):
            execute(board, frame)
    sent = bytes(board.output)
    board.output.clear()
    return sent


def execute(board: Board, frame: WireFrame) -> None:
    """Take one frame from the host and answer it."""
    is_mine = board.session != 0 and frame.nonce == board.session
    if frame.malformed or frame.kind not in wire.COMMANDS:
        _answer(board, frame, Reason.MALFORMED, board.now_us)
    elif frame.kind == Kind.IDENTIFY:
        _send(board, Kind.IDENTITY, frame, _identity(board))
    elif frame.kind == Kind.STATUS:
        _send(board, Kind.STATUS_REPORT, frame, _status(board))
    elif frame.kind == Kind.STOP:
        drop_everything(board, Reason.STOPPED)
        _note_sequence(board, frame)
        _remember(board, frame, _answer(board, frame, Reason.NONE, board.now_us))
    elif frame.kind == Kind.OPEN_SESSION and not (is_mine and frame.sequence <= board.last_sequence):
        _remember(board, frame, _answer(board, frame, _open_session(board, frame), board.now_us))
    elif not is_mine:
        _answer(board, frame, Reason.WRONG_SESSION, board.now_us)
    elif frame.sequence <= board.last_sequence:
        _answer_again(board, frame)
    else:
        _execute_once(board, frame)


def _execute_once(board: Board, frame: WireFrame) -> None:
    _note_sequence(board, frame)
    effect_us = board.now_us
    if frame.kind == Kind.DISARM:
        drop_stimuli(board, Reason.REQUESTED)
        reason = Reason.NONE
    elif _is_late(board, frame.fields["expires_us"]):
        reason = Reason.EXPIRED
    elif frame.kind == Kind.PULSE:
        reason, effect_us = _pulse(board, frame)
    elif frame.kind == Kind.STROBE:
        reason, effect_us = _strobe(board)
    else:
        reason = _HANDLERS[Kind(frame.kind)](board, frame)
    _remember(board, frame, _answer(board, frame, reason, effect_us))


def _is_late(board: Board, expires_us: int) -> bool:
    remaining_us = (expires_us - (board.now_us - board.late_us)) & 0xFFFFFFFF
    return remaining_us > wire.MAX_EXPIRY_US


def _open_session(board: Board, frame: WireFrame) -> Reason:
    if _is_late(board, frame.fields["expires_us"]):
        return Reason.EXPIRED
    if is_active(board):
        return Reason.NOT_DISARMED
    if frame.nonce == 0:
        return Reason.WRONG_SESSION
    if frame.nonce != board.stored_session:
        board.stored_session, board.keeper.pulses = frame.nonce, 0
    board.session = frame.nonce
    board.last_sequence = frame.sequence
    board.remembered.clear()
    return Reason.NONE


def _set_limits(board: Board, frame: WireFrame) -> Reason:
    if is_active(board):
        return Reason.NOT_DISARMED
    fields = frame.fields
    flags = fields["heartbeat_and_interlock"]
    limits = BoardLimits(
        max_width_us=fields["max_width_slots"] * wire.SLOT_US,
        max_duty=fields["max_duty"] / wire.DUTY_SCALE,
        window_us=fields["window_ms"] * 1000,
        min_interval_us=fields["min_interval_slots"] * wire.SLOT_US,
        max_pulses=fields["max_pulses"],
        heartbeat_timeout_us=(flags & ~wire.INTERLOCK_FLAG) * 1000,
    )
    if limits_refusal(limits):
        return Reason.CEILING
    keeper = board.keeper
    if limits.window_us != keeper.limits.window_us:
        _change_window(board, limits)
    board.keeper.limits = limits
    board.interlock = bool(flags & wire.INTERLOCK_FLAG)
    return Reason.NONE


def _change_window(board: Board, limits: BoardLimits) -> None:
    """Forget the bins; nothing may pulse until the new window has passed since the last pulse or the reset."""
    old = board.keeper
    ends_us = [history.last_end_us for history in old.channels if history.last_end_us is not None]
    dark_since_us = max([*ends_us, old.quiet_until_us - old.limits.window_us])
    board.keeper = new_keeper(limits, board.now_us, dark_since_us + limits.window_us)
    board.keeper.pulses = old.pulses
    for history, before in zip(board.keeper.channels, old.channels, strict=True):
        history.last_end_us = before.last_end_us


def _arm(board: Board, frame: WireFrame) -> Reason:
    if interlock_open(board):
        return Reason.INTERLOCK
    if not board.armed:
        board.armed, board.last_beat_us = True, board.now_us
    return Reason.NONE


def _heartbeat(board: Board, frame: WireFrame) -> Reason:
    board.last_beat_us = board.now_us
    return Reason.NONE


def _sync(board: Board, frame: WireFrame) -> Reason:
    mode, seed = frame.fields["mode"], frame.fields["seed"]
    if mode not in (SyncMode.OFF, SyncMode.BARCODE, SyncMode.STROBE) or (mode == SyncMode.BARCODE and seed == 0):
        return Reason.SYNC_MODE
    sync = board.sync
    if mode != SyncMode.OFF and not is_active(board):
        board.last_beat_us = board.now_us
    set_output(board, wire.SYNC_OUTPUT, 0)
    sync.mode, sync.barcode, sync.next_edge_us = SyncMode(mode), seed, None
    sync.segments.clear()
    if mode == SyncMode.BARCODE:
        sync.next_edge_us = sync.next_barcode_us = _next_on_grid(board.now_us)
    return Reason.NONE


def _strobe(board: Board) -> tuple[Reason, int]:
    if board.sync.mode is not SyncMode.STROBE:
        return Reason.SYNC_MODE, board.now_us
    if board.sync.next_edge_us is not None:
        return Reason.BUSY, board.now_us
    board.sync.next_edge_us = _next_on_grid(board.now_us)
    return Reason.NONE, board.sync.next_edge_us


def _pulse(board: Board, frame: WireFrame) -> tuple[Reason, int]:
    fields = frame.fields
    train = PulseTrain(
        fields["channel"],
        fields["width_slots"] * wire.SLOT_US,
        fields["period_slots"] * wire.SLOT_US,
        fields["count"],
        fields["delay_slots"] * wire.SLOT_US,
    )
    start_us = _next_on_grid(board.now_us)
    if not board.armed:
        return Reason.NOT_ARMED, board.now_us
    if interlock_open(board):
        return Reason.INTERLOCK, board.now_us
    if train.channel in board.trains:
        return Reason.BUSY, board.now_us
    reason = board.keeper.refusal(train, start_us)
    if reason is not Reason.NONE:
        return reason, board.now_us
    under_way = sum(edges_per_s(running.train) for running in board.trains.values())
    if under_way + edges_per_s(train) > wire.CEILING_EDGES_PER_S:
        return Reason.BUSY, board.now_us
    board.keeper.pulses += train.count
    board.trains[train.channel] = RunningTrain(train, frame.sequence, start_us + train.delay_us)
    return Reason.NONE, start_us + train.delay_us


_HANDLERS = {
    Kind.SET_LIMITS: _set_limits,
    Kind.ARM: _arm,
    Kind.HEARTBEAT: _heartbeat,
    Kind.SYNC: _sync,
}


def _next_on_grid(now_us: int) -> int:
    return ((now_us + LEAST_LEAD_US) // wire.SLOT_US + 1) * wire.SLOT_US


def _note_sequence(board: Board, frame: WireFrame) -> None:
    if board.session and frame.nonce == board.session:
        board.last_sequence = max(board.last_sequence, frame.sequence)


def _answer(board: Board, frame: WireFrame, reason: Reason, effect_us: int) -> WireFrame:
    outcome = Outcome.REFUSED if reason is not Reason.NONE else Outcome.EXECUTED
    values = (effect_us, frame.kind, int(outcome), int(reason), state_byte(board))
    answer = WireFrame(Kind.ACKNOWLEDGEMENT, frame.sequence, frame.nonce, values)
    board.output += wire.encode(answer)
    return answer


def _remember(board: Board, frame: WireFrame, answer: WireFrame) -> None:
    if board.session and frame.nonce == board.session:
        board.remembered.append((frame.sequence, answer))


def _answer_again(board: Board, frame: WireFrame) -> None:
    for sequence, answer in board.remembered:
        if sequence == frame.sequence:
            values = (*answer.values[:-1], answer.values[-1] | State.DUPLICATE)
            break
    else:
        state = state_byte(board) | State.DUPLICATE
        values = (board.now_us, frame.kind, int(Outcome.REFUSED), int(Reason.STALE_SEQUENCE), state)
    board.output += wire.encode(WireFrame(Kind.ACKNOWLEDGEMENT, frame.sequence, frame.nonce, values))


def _send(board: Board, kind: Kind, frame: WireFrame, values: tuple[int, ...]) -> None:
    board.output += wire.encode(WireFrame(kind, frame.sequence, frame.nonce, values))


def _identity(board: Board) -> tuple[int, ...]:
    return (
        board.now_us,
        wire.PROTOCOL_VERSION,
        *FIRMWARE_VERSION,
        EMULATED_BOARD,
        wire.NUM_STIMULUS_OUTPUTS + 1,
        wire.NUM_INPUTS,
        wire.SLOT_US,
        wire.MIN_WIDTH_US // wire.SLOT_US,
        wire.CEILING_WIDTH_US // wire.SLOT_US,
        wire.CEILING_DUTY,
        wire.CEILING_WINDOW_MS,
        wire.CEILING_PULSES,
        wire.CEILING_HEARTBEAT_MS,
    )


def _status(board: Board) -> tuple[int, ...]:
    keeper, limits = board.keeper, board.keeper.limits
    return (
        board.now_us,
        state_byte(board),
        0,
        board.session,
        board.last_sequence,
        keeper.pulses,
        max(0, -(-(keeper.quiet_until_us - board.now_us) // 1000)),
        board.parser.bad_frames,
        0,
        *limit_values(limits, board.interlock),
    )
