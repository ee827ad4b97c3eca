"""A test pulse by hand: through the same limits as any other, and recorded as a trial of no rule."""

from dataclasses import asdict

from online.errors import BoardRefused, ConfigError
from online.messages import MANUAL_RULE, Trial
from protocols.build import train_of
from protocols.schema import Output, Protocol
from rig.closed_loop import ClosedLoop
from rig.control import CONFIRMED
from rig.ttl.protocol import PulseTrain

EXPIRES_IN_US = 100_000


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
    output = output_named(loop.parts.engine.protocol, name.strip())
    trial = _asked_for(loop, output)
    try:
        sequence = loop.parts.board.pulse(PulseTrain(**asdict(train_of(output))), EXPIRES_IN_US)
    except BoardRefused as error:
        trial = trial.replace(outcome="refused", reason=str(error))
    else:
        loop.unanswered.add(sequence)
        trial = trial.replace(command_sequence=sequence, written_time_ns=loop.parts.clock.now_ns())
    loop.parts.publishers["pulses"].publish(trial)
    return trial


def _asked_for(loop: ClosedLoop, output: Output) -> Trial:
    """A trial of nobody's rule, every time of which is now."""
    now_ns = loop.parts.clock.now_ns()
    loop.manual_pulses += 1
    return Trial(
        frame_index=loop.frame_index,
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
        capture_time_ns=now_ns,
        arrival_time_ns=now_ns,
        extracted_time_ns=now_ns,
        decoded_time_ns=now_ns,
        decided_time_ns=now_ns,
        written_time_ns=None,
    )
