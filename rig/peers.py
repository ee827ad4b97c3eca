"""What the online process knows of those without whom nothing may pulse: health that is not known is unhealthy."""

from pathlib import Path

import zmq

from online.messages import Health
from rig.bus import Subscriber
from rig.clock import Clock

FRESH_NS = 1_000_000_000
"""A heartbeat older than this says nothing of now."""
WELL = {"recorder": frozenset({"running"}), "camera": frozenset({"ready", "running"})}
"""The states in which each lets a session be armed; a session is armed before its camera starts."""
WHY = {"recorder": "nobody would record the pulses", "camera": "no frame would call for a pulse in time"}


class Peers:
    """Hears the heartbeats of recorder and camera."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], run_dir: Path, clock: Clock) -> None:
        self._clock = clock
        self._subscribers = {name: Subscriber(context, run_dir, f"health.{name}") for name in WELL}
        self._newest: dict[str, Health] = {}

    def take(self) -> None:
        """Take the heartbeats that came."""
        for name, subscriber in self._subscribers.items():
            received = subscriber.receive_latest(self._clock.now_ns())
            if received is not None and isinstance(received.message, Health):
                self._newest[name] = received.message

    def problem(self) -> str:
        """Why nothing may be armed now, in words; empty where both are known to be well."""
        now_ns = self._clock.now_ns()
        for name, states in WELL.items():
            health = self._newest.get(name)
            if health is None:
                return f"nothing was heard of the {name} yet: {WHY[name]}"
            silent_ns = now_ns - health.time_ns
            if silent_ns > FRESH_NS:
                return f"the {name} is silent for {silent_ns / 1e9:.1f} s: {WHY[name]}; arm when it is back"
            if health.state not in states:
                return f"the {name} is {health.state}: {WHY[name]}"
        return ""

    def close(self) -> None:
        """Release the sockets."""
        for subscriber in self._subscribers.values():
            subscriber.close()
