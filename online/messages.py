"""The typed, versioned, frozen messages that flow between processes, and their MessagePack form.

Conventions
-----------
`*_ns` is integer nanoseconds of the host's monotonic clock, except `device_time_ns` (the camera's own clock) and
`device_time_us` (the board's own clock). `frame_index` counts *slots* of the camera's regular grid, dropped frames
included, so a gap in it is a dropped frame; the sequence number that counts lost *messages* belongs to the bus.
Angles are radians, image y pointing down, counter-clockwise positive on screen; millimetres are true millimetres
in the arena's plane, origin at the centre of the region of interest, x right, y down.
A value that is not known is None on the wire, never a default.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

import msgpack
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PlainSerializer, PlainValidator, ValidationError

from online.errors import EtholoopError


class MessageError(EtholoopError):
    """Bytes that are not a message, or a message of another version, type or shape."""


def _vector_from(value: object) -> NDArray[np.float64]:
    if isinstance(value, bytes) and len(value) % 8 == 0:
        return np.frombuffer(value, "<f8")
    if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.ndim == 1:
        return value
    raise ValueError("a one-dimensional float64 array is needed")


def _vector_bytes(value: NDArray[np.float64]) -> bytes:
    return value.astype("<f8", copy=False).tobytes()


FloatVector = Annotated[NDArray[np.float64], PlainValidator(_vector_from), PlainSerializer(_vector_bytes)]


class Message(BaseModel):
    """Base of all messages: frozen, strict in its types, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, arbitrary_types_allowed=True)
    version: ClassVar[int] = 1
    _types: ClassVar[dict[str, type["Message"]]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: object) -> None:
        Message._types[cls.__name__] = cls

    def encode(self) -> bytes:
        """MessagePack map of the fields, with `type` and `version`."""
        packed: bytes = msgpack.packb({"type": type(self).__name__, "version": self.version} | self.model_dump())
        return packed

    def replace(self, **changes: Any) -> Self:
        """Copy with some fields changed and everything validated again."""
        return type(self)(**{name: getattr(self, name) for name in type(self).model_fields} | changes)


def decode(raw: bytes) -> Message:
    """Read one message.

    Raises
    ------
    MessageError
        if the bytes are not MessagePack, the type or version is unknown, or a field is missing, unknown or mistyped.
    """
    try:
        fields = msgpack.unpackb(raw, use_list=False)
        kind = Message._types[fields.pop("type")]
        version = fields.pop("version")
    except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise MessageError(f"not a message of this program: {error!r}") from error
    if version != kind.version:
        raise MessageError(f"{kind.__name__} version {version} received, {kind.version} understood: update both ends")
    try:
        return kind(**fields)
    except (ValidationError, TypeError) as error:
        raise MessageError(f"malformed {kind.__name__}: {error}") from error


class Truth(Message):
    """What a simulated animal really did in a frame; travels for scoring, is never read by the decoder.

    `onset_frame_index` is the slot at which the current syllable began; positions in mm relative to the arena's
    centre; `heading_rad` points from tail to nose.
    """

    syllable: int
    onset_frame_index: int
    x_mm: float
    y_mm: float
    heading_rad: float
    length_mm: float
    height_mm: float


class Frame(Message):
    """Header of a depth frame; the raw uint16 image (H, W), C order, rides behind it as a second part.

    `dropped_before` is how many slots of the camera's grid were lost just before this frame.
    """

    frame_index: int
    dropped_before: int
    frame_number: int
    device_time_ns: int
    capture_time_ns: int
    arrival_time_ns: int
    published_time_ns: int
    height: int
    width: int
    truth: Truth | None


class Pose(Message):
    """Where the mouse is and how it is shaped; the egocentric crop (80, 80) uint8 mm rides behind it.

    When `missing`, no mouse was found and every measurement is None.
    `heading_probability` is the probability that head and tail are not confused.
    """

    frame_index: int
    capture_time_ns: int
    arrival_time_ns: int
    extracted_time_ns: int
    missing: bool
    x_px: float | None
    y_px: float | None
    x_mm: float | None
    y_mm: float | None
    heading_rad: float | None
    heading_probability: float | None
    length_mm: float | None
    width_mm: float | None
    area_mm2: float | None
    height_mm: float | None
    speed_mm_s: float | None
    turning_rad_s: float | None


class Syllables(Message):
    """The decoder's view of one frame.

    `posterior` (K,) is P(syllable now | all frames until now); `scores` (D,) are the principal-component scores
    before whitening, NaN when there is no mouse; `log_evidence` is log p(frame | past) in whitened space, None
    without evidence. `further` (E * K,): rows of the other kinds of evidence that the protocol asks for, in its order,
    NaN where one knows nothing yet. `novelty`: how strange the model finds the last second, 0 ... 1, None if unknown.
    """

    frame_index: int
    capture_time_ns: int
    arrival_time_ns: int
    extracted_time_ns: int
    decoded_time_ns: int
    has_evidence: bool
    log_evidence: float | None
    phase: int
    novelty: float | None
    posterior: FloatVector
    scores: FloatVector
    further: FloatVector


MANUAL_RULE = "(manual)"
"""The `rule` of a pulse that a person asked for by hand; no rule of a protocol can have this name."""
TrialOutcome = Literal["pulse", "catch", "refused"]


class Trial(Message):
    """One opportunity that a rule took or was denied, with everything that decided it.

    `reason` names the refusal's cause and is empty otherwise; `detail` says what else decided. `target_probability` and
    `threshold` are None for rules that have none. The train is `count` pulses of `width_us`, one each `period_us`,
    after `delay_us`. `command_sequence` links to the board's receipt and is None when nothing was written.
    `written_time_ns` is when the command's last byte was handed to the port. Of a trial by hand (`MANUAL_RULE`), which
    no frame led to, `frame_index` (-1 before the first) and the times until `decoded_time_ns` are those of the newest
    frame, and `decided_time_ns` that of the request: they measure no latency.
    """

    frame_index: int
    rule: str
    trial_number: int
    outcome: TrialOutcome
    reason: str
    target_probability: float | None
    threshold: float | None
    block: str
    output: str
    channel: int
    width_us: int
    period_us: int
    count: int
    delay_us: int
    detail: str
    command_sequence: int | None
    capture_time_ns: int
    arrival_time_ns: int
    extracted_time_ns: int
    decoded_time_ns: int
    decided_time_ns: int
    written_time_ns: int | None


ReceiptOutcome = Literal["executed", "refused", "lost"]


class PulseReceipt(Message):
    """What the board said of one command: when on its own clock, and that moment on the host's clock by the fit."""

    command_sequence: int
    outcome: ReceiptOutcome
    reason: str
    device_time_us: int | None
    executed_time_ns: int | None
    received_time_ns: int


class DeviceEvent(Message):
    """What a board reported by itself, and when each frame's strobe was shown.

    `kind`: "input_changed" (`line` is the input, `value` its level), "train_ended" (the output, the pulses begun),
    "barcode" (its 32 bits), "strobe" (the frame's index), "disarmed". `host_time_ns` is `device_time_us` by the clock
    fit of that moment. `reason` says why a train ended, the board disarmed, or a strobe was refused.
    """

    kind: str
    device_time_us: int
    host_time_ns: int
    line: int | None
    value: int | None
    command_sequence: int | None
    reason: str


class DeviceClock(Message):
    """How a board's clock ran against the host's: ``host_time_ns + ns_per_us * (device time - device_time_us)``.

    `drift_ppm`: how much faster the host's clock runs; `residual_ns`: root mean square over the exchanges kept.
    """

    time_ns: int
    device_time_us: int
    host_time_ns: int
    ns_per_us: float
    drift_ppm: float
    residual_ns: float
    num_exchanges: int


class EngineInput(Message):
    """Everything the protocol engine consumed at one frame that `Pose` and `Syllables` do not carry, in order.

    Together with the messages of the same `frame_index` this is enough to repeat every decision bit for bit.
    """

    order: int
    frame_index: int
    capture_time_ns: int
    decision_time_ns: int
    armed: bool
    paused: bool


class NearMisses(Message):
    """Why rules that were near their threshold, or in a bout, gave no trial at a frame: an entry each.

    `values` (n * 4,): target probability, threshold, what the cause found and what it needed, NaN where there is none.
    `part` numbers the step or condition that the cause is about.
    """

    frame_index: int
    rule: tuple[str, ...]
    cause: tuple[str, ...]
    part: tuple[int, ...]
    values: FloatVector


class RuleStatus(Message):
    """A rule as a screen shows it; `state`: "off", "waiting", "dwell", "bout" or "refractory"."""

    name: str
    state: str
    target: tuple[int, ...]
    threshold: float
    target_probability: float
    dwell_ms: float
    refractory_left_ms: float
    pulses: int
    catches: int
    refused: int


class SessionStatus(Message):
    """The session as a screen shows it; `block` is empty before the first frame and after the last block."""

    time_ns: int
    armed: bool
    paused: bool
    block: str
    block_left_ms: float
    elapsed_ms: float
    duration_ms: float
    frames: int
    rules: tuple[RuleStatus, ...]


class InputHealth(Message):
    """One input of a process: alive (a message arrived lately), valid (it made sense), rate, and losses.

    `rate_hz` is None until it can be measured. Unknown is unhealthy.
    """

    stream: str
    alive: bool
    valid: bool
    rate_hz: float | None
    received: int
    lost: int


class Health(Message):
    """Heartbeat of a process."""

    process: str
    beat: int
    time_ns: int
    state: Literal["preparing", "ready", "running", "stopping", "failed"]
    inputs: tuple[InputHealth, ...]
    detail: str


EventKind = Literal["note", "command", "alert", "loss", "lifecycle"]


class Event(Message):
    """Something worth a line in the record: an operator's command, a note, a loss, an alert, a change of life."""

    time_ns: int
    source: str
    kind: EventKind
    detail: str


CommandName = Literal[
    "start",
    "arm",
    "disarm",
    "pause",
    "resume",
    "note",
    "acknowledge",
    "stop",
    "emergency_stop",
    "test_pulse",
    "status",
]


class Command(Message):
    """An operator's wish, sent on a control channel; answered by a Reply."""

    name: CommandName
    text: str
    sent_time_ns: int


class Reply(Message):
    """Answer to a Command; `done_time_ns` is when it had taken effect."""

    ok: bool
    detail: str
    done_time_ns: int


class Lifecycle(Message):
    """What a process tells its supervisor of itself.

    `preparing` says what it is busy with; `ready` carries what it found (JSON in `detail`); `hearing` names a stream
    that it now hears; `over` wishes the session to end and why, and goes on until told to stop; `failed` carries the
    error's class name and text, joined by a colon; `finished` its reason for ending in good order, and is its last
    word.
    """

    process: str
    stage: Literal["preparing", "ready", "hearing", "over", "failed", "finished"]
    detail: str
