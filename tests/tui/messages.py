"""Messages of a session, as few and as plain as a test needs them."""

from pathlib import Path

import numpy as np

from online.files.session_file import SessionShape, SessionWriter
from online.messages import (
    Event,
    Frame,
    Health,
    InputHealth,
    Message,
    PulseReceipt,
    RuleStatus,
    SessionStatus,
    Syllables,
    Trial,
)
from rig.tui.lines import text_of_line

MS = 1_000_000
K = 6


def frame(index: int, dropped: int = 0) -> Frame:
    now = index * 33 * MS
    return Frame(
        frame_index=index,
        dropped_before=dropped,
        frame_number=index,
        device_time_ns=now,
        capture_time_ns=now,
        arrival_time_ns=now + 4 * MS,
        published_time_ns=now + 4 * MS,
        height=2,
        width=2,
        truth=None,
    )


def posterior(index: int, leading: int, probability: float = 0.9, evidence: bool = True) -> Syllables:
    now = index * 33 * MS
    values = np.full(K, (1 - probability) / (K - 1))
    values[leading] = probability
    return Syllables(
        frame_index=index,
        capture_time_ns=now,
        arrival_time_ns=now + 4 * MS,
        extracted_time_ns=now + 7 * MS,
        decoded_time_ns=now + 8 * MS,
        has_evidence=evidence,
        log_evidence=-1.0 if evidence else None,
        phase=0,
        posterior=values,
        scores=np.zeros(2),
        further=np.zeros(0),
        novelty=None,
    )


def trial(index: int, outcome: str, sequence: int | None = None) -> Trial:
    now = index * 33 * MS
    return Trial.model_validate(
        {
            "frame_index": index,
            "rule": "rear",
            "trial_number": 1,
            "outcome": outcome,
            "reason": "",
            "target_probability": 0.9,
            "threshold": 0.8,
            "block": "stim",
            "output": "laser",
            "channel": 0,
            "width_us": 1000,
            "period_us": 2000,
            "count": 1,
            "delay_us": 0,
            "detail": "",
            "command_sequence": sequence,
            "capture_time_ns": now,
            "arrival_time_ns": now + 4 * MS,
            "extracted_time_ns": now + 7 * MS,
            "decoded_time_ns": now + 8 * MS,
            "decided_time_ns": now + 9 * MS,
            "written_time_ns": None if sequence is None else now + 10 * MS,
        }
    )


def receipt(index: int, sequence: int, outcome: str = "executed") -> PulseReceipt:
    executed = index * 33 * MS + 12 * MS if outcome == "executed" else None
    return PulseReceipt.model_validate(
        {
            "command_sequence": sequence,
            "outcome": outcome,
            "reason": "" if executed else "duty",
            "device_time_us": 1,
            "executed_time_ns": executed,
            "received_time_ns": index * 33 * MS + 13 * MS,
        }
    )


def status(
    time_ns: int, armed: bool = True, paused: bool = False, pulses: int = 0, state: str = "waiting"
) -> SessionStatus:
    rule = RuleStatus(
        name="rear",
        state=state,
        target=(3,),
        threshold=0.8,
        target_probability=0.42,
        dwell_ms=0.0,
        refractory_left_ms=700.0,
        pulses=pulses,
        catches=2,
        refused=1,
    )
    return SessionStatus(
        time_ns=time_ns,
        armed=armed,
        paused=paused,
        block="stim",
        block_left_ms=125_000,
        elapsed_ms=60_000,
        duration_ms=185_000,
        frames=10,
        rules=(rule,),
    )


def healthy(process: str, time_ns: int, lost: int = 0, alive: bool = True) -> Health:
    item = InputHealth(stream="frames", alive=alive, valid=True, rate_hz=30.0, received=9, lost=lost)
    return Health(process=process, beat=1, time_ns=time_ns, state="running", inputs=(item,), detail="")


def text(lines: list[tuple[tuple[str, str], ...]]) -> str:
    return "\n".join(text_of_line(line) for line in lines)


def command(time_ms: int, detail: str, source: str = "online") -> Event:
    return Event.model_validate({"time_ns": time_ms * MS, "source": source, "kind": "command", "detail": detail})


def write_session(path: Path, messages: list[Message]) -> None:
    shape = SessionShape(2, 2, K, 0, 2, 80, record_depth=False, compression_level=0)
    writer = SessionWriter(path / "session.h5", shape, {}, {"subject": "m1"})
    for message in messages:
        writer.append(message, memoryview(bytes(8)) if isinstance(message, Frame) else None)
    writer.close()


def history_of(count: int) -> list[Message]:
    messages: list[Message] = []
    for index in range(count):
        messages += [frame(index, dropped=int(index % 7 == 3)), posterior(index, index % K, evidence=index % 7 != 3)]
        if index % 5 == 0:
            messages += [trial(index, "pulse", index), receipt(index, index)]
        if index % 20 == 2:
            messages.append(Event(time_ns=index * 33 * MS, source="online", kind="note", detail=f"{index}"))
    return messages
