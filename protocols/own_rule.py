"""A lab's own rules, in Python: a class with `init` and `step` in a file that the protocol names.

::

    class Approach:
        def init(self, context):            # -> the rule's own state, anything
            return {"near_mm": context.settings["near_mm"]}

        def step(self, state, moment):      # -> True in a bout, False outside, None where it cannot tell
            pose = moment.pose
            return None if pose is None else abs(pose.x_mm) < state["near_mm"]

It must be deterministic and ask neither time nor files: all that it may know is the `protocols.moment.Moment`, which
it must not change or keep. Dwell, refractory time, limits, catch trials and all else are the engine's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from online.errors import ConfigError, SessionFailed
from protocols.moment import Moment
from protocols.trigger import Situation


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What an own rule learns before the session; `names`: the syllables that each name stands for."""

    num_syllables: int
    names: Mapping[str, tuple[int, ...]]
    frame_rate_hz: float
    settings: Mapping[str, str | float | int | bool]


def load(source: str, path: str, class_name: str, context: RuleContext) -> Situation:
    """Make an own rule ready.

    Parameters
    ----------
    source, path
        text of the Python file, and its name for messages.

    Raises
    ------
    ConfigError
        if the file does not run, has no such class, or its `init` fails.
    """
    module: dict[str, Any] = {"__name__": f"etholoop_rule_{class_name}", "__file__": path}
    try:
        exec(compile(source, path, "exec"), module)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path}: does not run: {error!r}") from error
    own_class = module.get(class_name)
    if not isinstance(own_class, type) or not all(callable(getattr(own_class, n, None)) for n in ("init", "step")):
        raise ConfigError(f"{path}: needs a class {class_name} with the methods init(context) and step(state, moment)")
    try:
        rule = own_class()
        memory = rule.init(context)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{path}: {class_name}.init failed: {error!r}") from error

    def situation(moment: Moment) -> bool | None:
        try:
            answer = rule.step(memory, moment)
        except (Exception, SystemExit) as error:
            raise SessionFailed(f"{path}: {class_name}.step failed: {error!r}") from error
        if answer is None or isinstance(answer, bool):
            return answer
        raise SessionFailed(f"{path}: {class_name}.step must return True, False or None, not {answer!r}")

    return situation
