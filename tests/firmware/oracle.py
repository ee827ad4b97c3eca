"""Judges what a board's lines did by the bytes that reached it, knowing nothing of the board's insides.

Every stretch of the bytes that is a whole frame with a right CRC counts as *perhaps heard*: what allows a pulse must
be among them. STOP, when it came without a pause, counts as heard 8 ms later at the latest. Times are microseconds
since the board was switched on.
"""

import bisect
import zlib
from dataclasses import dataclass, field
from itertools import pairwise

from rig.ttl import wire
from rig.ttl.protocol import BoardLimits
from rig.ttl.wire import Kind, WireFrame

BYTE_US = 20.0
PAUSE_US = 4_500.0
JITTER_US = 10.0
ROUNDING_US = 0.01  # of these sums; the limits themselves hold whatever the jitter
ANSWER_US = 8_000.0  # a frame behind half a frame is found when that is given up, after 5 ms
START_US = 4_000.0  # from a command's last byte to its first edge, with what waits before it
CLOCK_US = 300
INTERLOCK_US = 1_500.0
LOW_AFTER_US = 60_000.0


@dataclass(slots=True)
class Trace:
    """What reached a board, and what its lines did; `clock_us`: from when on its clock was how far ahead."""

    limits: BoardLimits
    clock_us: list[tuple[float, float]] = field(default_factory=list)
    bytes_in: list[tuple[float, int]] = field(default_factory=list)
    edges: list[tuple[float, int, int]] = field(default_factory=list)
    resets_us: list[float] = field(default_factory=list)
    interlock_us: list[tuple[float, int]] = field(default_factory=list)

    def clock_offset_us(self, time_us: float) -> float:
        """How far ahead the board's clock was."""
        at = bisect.bisect_right(self.clock_us, time_us, key=lambda entry: entry[0]) - 1
        return self.clock_us[max(at, 0)][1]


@dataclass(slots=True)
class _Train:
    start_us: float
    period_us: float
    count: int
    session: int
    seen: int = 1


@dataclass(slots=True)
class Verdict:
    """What is wrong (empty when nothing), and what was seen."""

    violations: list[str] = field(default_factory=list)
    pulses: int = 0
    frames: int = 0
    by_session: dict[tuple[int, int], int] = field(default_factory=dict)


def frames_heard(trace: Trace) -> list[tuple[float, WireFrame]]:
    """Every whole command among the bytes, with the time of its last byte."""
    raw = bytes(byte for _, byte in trace.bytes_in)
    heard = []
    magic = wire.MAGIC.to_bytes(2, "little")
    at = raw.find(magic)
    while at >= 0:
        size = wire.HEADER.size + wire.CRC_BYTES + (raw[at + 2] if at + 2 < len(raw) else 0xFF)
        candidate = raw[at : at + size]
        if len(candidate) == size and zlib.crc32(candidate[:-4]) == int.from_bytes(candidate[-4:], "little"):
            (frame,) = wire.new_parser(wire.MAX_COMMAND_PAYLOAD).feed(candidate)
            if not frame.malformed:
                heard.append((trace.bytes_in[at + size - 1][0], frame))
        at = raw.find(magic, at + 1)
    return heard


def changes_of_session(heard: list[tuple[float, WireFrame]]) -> list[tuple[float, int]]:
    """When another session than the one before was perhaps opened; each starts a count of its own."""
    changes: list[tuple[float, int]] = []
    for time_us, frame in heard:
        if frame.kind == Kind.OPEN_SESSION and (not changes or changes[-1][1] != frame.nonce):
            changes.append((time_us, frame.nonce))
    return changes


def judge(trace: Trace) -> Verdict:
    """Hold a trace to every promise that the board makes."""
    verdict = Verdict()
    heard = frames_heard(trace)
    verdict.frames = len(heard)
    pulses = _pulses(trace, verdict)
    for output, spans in pulses.items():
        if output == wire.SYNC_OUTPUT:
            continue
        verdict.pulses += len(spans)
        _check_shape(trace, output, spans, verdict)
        _check_permission(trace, heard, output, spans, verdict)
    for (session, _), count in verdict.by_session.items():
        if count > trace.limits.max_pulses:
            verdict.violations.append(f"{count} pulses in session {session}")
    _check_alive(heard, pulses, verdict)
    _check_stops(trace, heard, pulses, verdict)
    return verdict


def _pulses(trace: Trace, verdict: Verdict) -> dict[int, list[tuple[float, float]]]:
    spans: dict[int, list[tuple[float, float]]] = {}
    high: dict[int, float] = {}
    for time_us, output, level in trace.edges:
        if level:
            high[output] = time_us
        else:
            spans.setdefault(output, []).append((high.pop(output), time_us))
    for output in high:
        verdict.violations.append(f"output {output} is high at the end")
    return spans


def _check_shape(trace: Trace, output: int, spans: list[tuple[float, float]], verdict: Verdict) -> None:
    limits = trace.limits
    allowed_us = limits.window_us * limits.max_duty
    falls = [fall for _, fall in spans]
    total, before = 0.0, [0.0]
    for rise, fall in spans:
        total += fall - rise
        before.append(total)
        if fall - rise > limits.max_width_us + ROUNDING_US:
            verdict.violations.append(f"width {fall - rise:.0f} us on {output} at {rise:.0f}")
    for (_, fall), (rise, _) in pairwise(spans):
        if rise - fall < limits.min_interval_us - ROUNDING_US:
            verdict.violations.append(f"interval {rise - fall:.0f} us on {output} at {rise:.0f}")
    for n, (rise, fall) in enumerate(spans):
        since = fall - limits.window_us
        first = bisect.bisect_left(falls, since)
        used = before[n + 1] - before[first] - max(0.0, since - spans[first][0])
        if used > allowed_us + ROUNDING_US:
            verdict.violations.append(f"duty {used / limits.window_us:.4f} on {output} at {rise:.0f}")


def _check_permission(
    trace: Trace,
    heard: list[tuple[float, WireFrame]],
    output: int,
    spans: list[tuple[float, float]],
    verdict: Verdict,
) -> None:
    """Each rise is the next of a train whose command came in time, in an open session, and was not used before."""
    openings = changes_of_session(heard)
    opened = {nonce for _, nonce in openings}
    commands = [
        (time_us, frame)
        for time_us, frame in heard
        if frame.kind == Kind.PULSE and frame.nonce in opened and _is_possible(trace, frame.fields, output)
    ]
    used: set[tuple[int, int]] = set()
    train: _Train | None = None
    for rise, fall in spans:
        expected = train.start_us + train.seen * train.period_us if train and train.seen < train.count else -1e12
        if train and abs(rise - expected) < 3 * JITTER_US:
            train.seen += 1
        else:
            train = _new_train(trace, commands, used, (rise, fall))
        if train is None:
            verdict.violations.append(f"a pulse that nobody asked for on {output} at {rise:.0f}")
        else:
            visit = bisect.bisect_right(openings, rise, key=lambda opening: opening[0])
            verdict.by_session[train.session, visit] = verdict.by_session.get((train.session, visit), 0) + 1


def _is_possible(trace: Trace, fields: dict[str, int], output: int) -> bool:
    widest = trace.limits.max_width_us // wire.SLOT_US
    return fields["channel"] == output and fields["count"] > 0 and 0 < fields["width_slots"] <= widest


def _new_train(
    trace: Trace, commands: list[tuple[float, WireFrame]], used: set[tuple[int, int]], span: tuple[float, float]
) -> _Train | None:
    """The train that begins with this pulse: of the commands that allow it, that of its width, else the quickest."""
    rise, fall = span
    allowed: list[tuple[bool, float, WireFrame]] = []
    latest = bisect.bisect_right(commands, rise, key=lambda command: command[0])
    earliest_us = rise - wire.CEILING_DELAY_US - START_US - ANSWER_US
    for time_us, frame in reversed(commands[:latest]):
        if time_us < earliest_us:
            break
        fields = frame.fields
        waited_us = rise - fields["delay_slots"] * wire.SLOT_US - time_us
        left_us = (fields["expires_us"] - round(time_us + trace.clock_offset_us(time_us)) + CLOCK_US) & 0xFFFFFFFF
        in_time = left_us <= wire.MAX_EXPIRY_US + 2 * CLOCK_US
        if 0 <= waited_us <= START_US + ANSWER_US and in_time and (frame.nonce, frame.sequence) not in used:
            differs = abs(fall - rise - fields["width_slots"] * wire.SLOT_US) > JITTER_US
            allowed.append((differs, waited_us, frame))
    if not allowed:
        return None
    _, _, frame = min(allowed, key=lambda entry: entry[:2])
    used.add((frame.nonce, frame.sequence))
    return _Train(rise, frame.fields["period_slots"] * wire.SLOT_US, frame.fields["count"], frame.nonce)


def _check_alive(
    heard: list[tuple[float, WireFrame]], pulses: dict[int, list[tuple[float, float]]], verdict: Verdict
) -> None:
    """No line is high later than 60 ms after what may have been the last heartbeat."""
    beats = [time_us for time_us, frame in heard if frame.kind in (Kind.HEARTBEAT, Kind.ARM, Kind.SYNC)]
    for output, spans in pulses.items():
        for rise, fall in spans:
            last = bisect.bisect_right(beats, fall) - 1
            times = [rise, *beats[bisect.bisect_left(beats, rise) : last + 1], fall]
            first = bisect.bisect_right(beats, rise) - 1
            times[0] = beats[first] if first >= 0 else -1e12
            if any(b - a > LOW_AFTER_US for a, b in pairwise(times)):
                verdict.violations.append(f"output {output} high without a heartbeat at {fall:.0f}")


def _comes_at_once(arrivals: list[float], last_us: float, length_us: float) -> bool:
    """True when the frame that ends with this byte has no pause in it after which it would be given up."""
    last = bisect.bisect_right(arrivals, last_us) - 1
    first = last - round(length_us / BYTE_US) + 1
    return all(b - a < PAUSE_US for a, b in pairwise(arrivals[first : last + 1]))


def _check_stops(
    trace: Trace,
    heard: list[tuple[float, WireFrame]],
    pulses: dict[int, list[tuple[float, float]]],
    verdict: Verdict,
) -> None:
    """Between a stop (or a reset, or an open interlock) and the next arming no stimulus is high."""
    arms = [time_us for time_us, frame in heard if frame.kind == Kind.ARM]

    def next_arm(time_us: float) -> float:
        after = bisect.bisect_right(arms, time_us)
        return arms[after] if after < len(arms) else float("inf")

    stop_us = (wire.HEADER.size + wire.CRC_BYTES) * BYTE_US
    arrivals = [time_us for time_us, _ in trace.bytes_in]
    forbidden = [
        (time_us + ANSWER_US, next_arm(time_us), f"stop at {time_us:.0f}")
        for time_us, frame in heard
        if frame.kind == Kind.STOP and _comes_at_once(arrivals, time_us, stop_us)
    ]
    for time_us in trace.resets_us:
        forbidden.append((time_us + 100.0, time_us + trace.limits.window_us, f"reset at {time_us:.0f}"))
        forbidden.append((time_us + 100.0, next_arm(time_us), f"reset at {time_us:.0f}"))
    for n, (time_us, level) in enumerate(trace.interlock_us):
        closed_us = min((later for later, high in trace.interlock_us[n:] if high), default=float("inf"))
        if not level:
            end_us = max(closed_us, next_arm(time_us))
            forbidden.append((time_us + INTERLOCK_US, end_us, f"interlock at {time_us:.0f}"))
    all_spans = sorted(span for output, spans in pulses.items() if output != wire.SYNC_OUTPUT for span in spans)
    starts = [rise for rise, _ in all_spans]
    longest_us = trace.limits.max_width_us + JITTER_US
    for begin, end, why in forbidden:
        for rise, fall in all_spans[bisect.bisect_left(starts, begin - longest_us) :]:
            if rise >= end:
                break
            if fall > begin:
                verdict.violations.append(f"high at {max(rise, begin):.0f} in spite of the {why}")
                break
