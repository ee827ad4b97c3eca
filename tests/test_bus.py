"""Streams deliver in order, count every loss and say when they end; control channels answer."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from online.messages import Command, EngineInput, Event, Frame, Reply
from rig.bus import Publisher, Subscriber
from rig.control import ControlError, ControlServer, send_command

Context = zmq.Context[zmq.Socket[bytes]]


OPENED: list[Publisher | Subscriber | ControlServer] = []


@pytest.fixture
def context() -> Iterator[Context]:
    context: Context = zmq.Context()
    yield context
    while OPENED:
        OPENED.pop().close()
    context.destroy(linger=0)


def event(number: int) -> Event:
    return Event(time_ns=number, source="camera", kind="note", detail=f"number {number}")


def hear(subscriber: Subscriber) -> list[int]:
    """Wait until something came, then take all."""
    assert subscriber.socket.poll(2000)
    numbers = []
    while (received := subscriber.receive(now_ns=0)) is not None:
        assert isinstance(received.message, Event)
        numbers.append(received.message.time_ns)
    return numbers


def connect(context: Context, directory: Path, stream: str = "events.camera") -> tuple[Publisher, Subscriber]:
    publisher = Publisher(context, directory, stream)
    subscriber = Subscriber(context, directory, stream)
    OPENED.extend((publisher, subscriber))
    while not subscriber.heard:
        publisher.probe()
        subscriber.socket.poll(20)
        assert subscriber.receive(0) is None
    return publisher, subscriber


def take(subscriber: Subscriber, count: int) -> list[int]:
    numbers: list[int] = []
    while len(numbers) < count:
        numbers += hear(subscriber)
    return numbers


def test_messages_arrive_in_order_with_their_payload(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path)
    publisher.publish(event(0), b"depth")
    assert subscriber.socket.poll(2000)
    received = None
    while received is None:
        received = subscriber.receive(0)
    assert received.payload is not None
    assert bytes(received.payload) == b"depth"
    for number in range(1, 50):
        publisher.publish(event(number))
    assert take(subscriber, 49) == list(range(1, 50))
    assert (subscriber.received, subscriber.lost) == (50, 0)


def test_every_lost_message_is_counted(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path)
    publisher.publish(event(0))
    assert take(subscriber, 1) == [0]
    publisher.sequence += 3
    publisher.publish(event(4))
    assert take(subscriber, 1) == [4]
    assert subscriber.lost == 3
    publisher.sequence += 2
    publisher.end()
    while not subscriber.ended:
        subscriber.socket.poll(2000)
        subscriber.receive(0)
    assert subscriber.lost == 5


def test_a_screen_sees_only_the_newest(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path)
    for number in range(10):
        publisher.publish(event(number))
    newest = -1
    while newest < 9:
        assert subscriber.socket.poll(2000)
        received = subscriber.receive_latest(0)
        if received is not None:
            assert isinstance(received.message, Event)
            newest = received.message.time_ns
    assert subscriber.lost == 0


def test_silence_and_ignorance_are_unhealthy(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path, "engine")
    unknown = subscriber.health(now_ns=10, silence_ns=100)
    assert (unknown.alive, unknown.valid, unknown.rate_hz) == (False, False, None)
    for number in range(3):
        publisher.publish(
            EngineInput(order=number, frame_index=0, capture_time_ns=0, decision_time_ns=0, armed=True, paused=False)
        )
    taken = 0
    while taken < 3:
        assert subscriber.socket.poll(2000)
        while subscriber.receive(now_ns=taken * 1_000_000) is not None:
            taken += 1
    health = subscriber.health(now_ns=2_000_050, silence_ns=100)
    assert (health.alive, health.valid, health.rate_hz) == (True, True, 1000.0)
    assert not subscriber.health(now_ns=2_000_101, silence_ns=100).alive


def test_a_stream_of_rare_events_may_be_silent_but_not_of_the_wrong_kind(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path)
    assert subscriber.health(now_ns=10**12, silence_ns=100).alive
    publisher.publish(Reply(ok=True, detail="", done_time_ns=0))
    while subscriber.valid:
        assert subscriber.socket.poll(2000)
        assert subscriber.receive(0) is None
    assert not subscriber.health(now_ns=10**12, silence_ns=100).valid
    assert (subscriber.received, subscriber.lost) == (0, 1)


@pytest.mark.parametrize("image", [None, bytes(2 * 3 * 4 - 1)])
def test_a_frame_without_its_whole_image_is_lost(context: Context, tmp_path: Path, image: bytes | None) -> None:
    publisher, subscriber = connect(context, tmp_path, "frames")
    header = Frame(
        frame_index=0,
        dropped_before=0,
        frame_number=0,
        device_time_ns=0,
        capture_time_ns=0,
        arrival_time_ns=0,
        published_time_ns=0,
        height=3,
        width=4,
        truth=None,
    )
    publisher.publish(header, image)
    publisher.publish(header, bytes(2 * 3 * 4))
    received = None
    while received is None:
        assert subscriber.socket.poll(2000)
        received = subscriber.receive(0)
    assert received.payload is not None
    assert (received.payload.nbytes, subscriber.lost, subscriber.valid) == (24, 1, True)


def test_a_command_is_answered(context: Context, tmp_path: Path) -> None:
    server = ControlServer(context, tmp_path, "online")
    OPENED.append(server)

    def serve() -> None:
        assert server.socket.poll(5000)
        command = server.receive()
        assert command is not None
        server.reply(Reply(ok=True, detail=command.text.upper(), done_time_ns=1))

    thread = threading.Thread(target=serve)
    thread.start()
    reply = send_command(
        context, tmp_path, "online", Command(name="note", text="hello", sent_time_ns=0), timeout_ms=5000
    )
    thread.join()
    assert reply.detail == "HELLO"


def test_silence_on_the_control_channel_is_an_error(context: Context, tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="did not answer 'arm'"):
        send_command(context, tmp_path, "online", Command(name="arm", text="", sent_time_ns=0), timeout_ms=1)


def test_what_was_sent_before_anybody_listened_is_not_lost(context: Context, tmp_path: Path) -> None:
    publisher = Publisher(context, tmp_path, "events.camera")
    OPENED.append(publisher)
    for number in range(3):
        publisher.publish(event(number))
    subscriber = Subscriber(context, tmp_path, "events.camera")
    OPENED.append(subscriber)
    while not subscriber.heard:
        publisher.probe()
        subscriber.socket.poll(20)
        subscriber.receive(0)
    publisher.publish(event(3))
    assert take(subscriber, 1) == [3]
    assert subscriber.lost == 0


def test_losses_from_before_the_start_are_forgiven(context: Context, tmp_path: Path) -> None:
    publisher, subscriber = connect(context, tmp_path)
    publisher.sequence += 2
    publisher.publish(event(2))
    assert take(subscriber, 1) == [2]
    assert subscriber.lost == 2
    subscriber.forgive()
    publisher.sequence += 1
    publisher.publish(event(4))
    assert take(subscriber, 1) == [4]
    assert subscriber.lost == 1
