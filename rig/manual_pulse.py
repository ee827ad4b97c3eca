"""A test pulse by hand: through the board's limits as any other, counted by the engine's, and recorded as a trial of no
rule."""

from dataclasses import asdict

from online.errors import BoardRefused, ConfigError
from online.messages import MANUAL_RULE, Trial
from protocols import engine
from protocols.build import train_of
from protocols.limits import MANUAL_SLACK_NS
from protocols.schema import Output, Protocol
from rig.closed_loop import ClosedLoop
from rig.control import CONFIRMED
from rig.ttl.protocol import PulseTrain

EXPIRES_IN_US = MANUAL_SLACK_NS // 1000


def output_named(protocol: Protocol, name: str) -> Output:
    """The output of that name, or the first; raises ConfigError for a name that the protocol has not."""
    known = ", ".join(protocol.trains)
    if name and name not in protocol.trains:
        raise ConfigError(f"the protocol has no output {name!r}; it has {known}")
    return protocol.trains[name] if name else next(iter(protocol.trains.values()))


def manual_pulse(loop: ClosedLoop, text: str) -> Trial:
    """Give the pulse that a command's text asks for, publish its trial, and return it; a refusal is a trial too.

    Raises
    ------
    ConfigError
        if the text does not say that the pulse was confirmed, or names an unknown output.
    """
    word, _, name = text.partition(" ")
    if word != CONFIRMED:
        raise ConfigError("a session runs, and the pulse would reach the animal: it must be confirmed")
    output, now_ns = output_named(loop.parts.engine.protocol, name.strip()), loop.parts.clock.now_ns()
    train, trial = train_of(output), _asked_for(loop, output, now_ns)
    try:
        sequence = loop.parts.board.pulse(PulseTrain(**asdict(train)), EXPIRES_IN_US)
    except BoardRefused as error:
        trial = trial.replace(outcome="refused", reason=str(error))
    else:
        engine.by_hand(loop.parts.engine, train, now_ns)
        loop.unanswered.add(sequence)
        trial = trial.replace(command_sequence=sequence, written_time_ns=loop.parts.clock.now_ns())
    loop.parts.publishers["pulses"].publish(trial)
    return trial


def _asked_for(loop: ClosedLoop, output: Output, now_ns: int) -> Trial:
    """A trial of nobody's rule, decided now, after the newest frame; before the first frame all its times are now."""
    captured_ns = arrived_ns = extracted_ns = decoded_ns = now_ns
    frame_index = -1
    if loop.newest is not None:
        frame, times = loop.newest
        frame_index, captured_ns, arrived_ns = frame.frame_index, frame.capture_time_ns, frame.arrival_time_ns
        extracted_ns, decoded_ns = times.extracted, times.decoded
    loop.manual_pulses += 1
    return Trial(
        frame_index=frame_index,
        rule=MANUAL_RULE,
        trial_number=loop.manual_pulses,
        outcome="pulse",
        reason="",
        target_probability=None,
        threshold=None,
        block=loop.parts.engine.gate.block,
        output=output.name,
        **asdict(train_of(output)),
        detail="by hand",
        command_sequence=None,
        capture_time_ns=captured_ns,
        arrival_time_ns=arrived_ns,
        extracted_time_ns=extracted_ns,
        decoded_time_ns=decoded_ns,
        decided_time_ns=now_ns,
        written_time_ns=None,
    )
