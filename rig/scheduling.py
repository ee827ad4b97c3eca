"""Real-time priority and locked memory for the processes of the loop, where the system lets us."""

import ctypes
import os
from contextlib import suppress
from pathlib import Path

_MCL_CURRENT_AND_FUTURE = 3


RECORDER_PRIORITY = 1
"""Behind the loop, ahead of everything that is not of the session."""
BOARD_PRIORITY = 30
"""Of a simulated board, which a real one's clock would not share with this machine: ahead of the loop itself."""


def lock_memory(policy: str) -> list[str]:
    """Keep this process's memory in RAM. To be called while preparing: it takes up to seconds, which at real-time
    priority would starve every other process. Returns what the system refused, in words."""
    if policy == "other" or ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT_AND_FUTURE) == 0:
        return []
    return ["memory cannot be locked: give this user a memlock limit in /etc/security/limits.conf"]


def hurry(policy: str, priority: int) -> list[str]:
    """Real-time priority for every thread of this process. Returns what the system refused, in words."""
    if policy == "other" or real_time(priority):
        return []
    return ["real-time priority refused: give this user an rtprio limit in /etc/security/limits.conf"]


def real_time(priority: int) -> bool:
    """Real-time priority for every thread of this process; False where the system refuses."""
    try:
        for task in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # a thread that has just ended
                os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(priority))
    except PermissionError:
        return False
    return True
