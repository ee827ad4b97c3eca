"""Messages survive the wire, and anything else is refused with a clear error."""

import msgpack
import numpy as np
import pytest

from online.messages import Frame, MessageError, Syllables, Truth, decode

TRUTH = Truth(syllable=3, onset_frame_index=7, x_mm=1.0, y_mm=-2.0, heading_rad=0.5, length_mm=80.0, height_mm=30.0)
FRAME = Frame(
    frame_index=9,
    dropped_before=1,
    frame_number=1009,
    device_time_ns=5,
    capture_time_ns=6,
    arrival_time_ns=7,
    published_time_ns=8,
    height=424,
    width=512,
    truth=TRUTH,
)


def test_a_message_survives_the_wire() -> None:
    assert decode(FRAME.encode()) == FRAME


def test_arrays_survive_the_wire_bit_for_bit() -> None:
    posterior = np.random.default_rng(0).dirichlet(np.ones(5))
    message = Syllables(
        frame_index=1,
        capture_time_ns=1,
        arrival_time_ns=2,
        extracted_time_ns=3,
        decoded_time_ns=4,
        has_evidence=True,
        log_evidence=-3.5,
        phase=0,
        posterior=posterior,
        scores=np.array([1.0, np.nan]),
        further=np.zeros(0),
        novelty=None,
    )
    back = decode(message.encode())
    assert isinstance(back, Syllables)
    np.testing.assert_array_equal(back.posterior, posterior)
    np.testing.assert_array_equal(back.scores, message.scores)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"surprise": 1}, "surprise"),
        ({"frame_index": "9"}, "frame_index"),
        ({"frame_index": None}, "frame_index"),
        ({"version": 99}, "version 99"),
        ({"type": "Spell"}, "not a message"),
    ],
)
def test_a_changed_message_is_refused(change: dict[str, object], complaint: str) -> None:
    fields = msgpack.unpackb(FRAME.encode(), use_list=False)
    with pytest.raises(MessageError, match=complaint):
        decode(msgpack.packb(fields | change))


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x00", msgpack.packb([1, 2]), msgpack.packb({})])
def test_bytes_that_are_no_message_are_refused(raw: bytes) -> None:
    with pytest.raises(MessageError):
        decode(raw)


def test_messages_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        FRAME.frame_index = 3  # type: ignore[misc]
