"""Which inputs of which process are unhealthy, told once each time it begins."""

from online.messages import Health

STARTING_NS = 3_000_000_000
"""An input that never came counts as silent only after its process has run this long."""


class InputWatch:
    """Follows the heartbeats of all processes of a session."""

    def __init__(self) -> None:
        self._running_since_ns: dict[str, int] = {}
        self._unhealthy: dict[str, set[str]] = {}

    def take(self, health: Health, now_ns: int) -> list[str]:
        """What is wrong with an input of this process since this heartbeat; empty while nothing new is."""
        problems = self._problems(health, now_ns)
        fresh = problems - self._unhealthy.get(health.process, set())
        self._unhealthy[health.process] = problems
        return [f"{health.process} {problem}" for problem in sorted(fresh)]

    def _problems(self, health: Health, now_ns: int) -> set[str]:
        if health.state != "running":
            self._running_since_ns.pop(health.process, None)
            return set()
        settled = now_ns - self._running_since_ns.setdefault(health.process, now_ns) > STARTING_NS
        mute = {f"hears no {i.stream}" for i in health.inputs if not i.alive and (settled or i.received > 0)}
        return mute | {f"cannot read {i.stream}" for i in health.inputs if i.alive and not i.valid and i.received > 0}
