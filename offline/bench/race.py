"""Engines that learn from the same sessions, in a process of their own each, in turns."""

import multiprocessing
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from offline.arhmm.data import Sessions, assemble, fit_whitening
from offline.arhmm.fit import log_likelihood_per_frame
from offline.bench.learners import LEARNERS, Size
from offline.command_line import say
from online.emission import whiten
from online.simulation.arhmm import random_similar_arhmm, sample

HELD_OUT_SESSIONS = 3
WARM_UP_STEPS = 2
TURN_S = 15.0
JUDGED_EVERY = 1.03
"""Ratio of learning times; judging every step of a fast engine would take longer than the steps."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine. first_s: to make it and take the first step (compilation included); step_s: median of later steps,
    step_cpu_s: of their processor time, all threads together, which other work on the machine hardly changes;
    seconds and held_out: the course of learning, judging not counted, nats a frame; memory_gb: most that the process
    held, data_gb: what it held before the engine began."""

    name: str
    first_s: float
    step_s: float
    step_cpu_s: float
    seconds: list[float]
    held_out: list[float]
    memory_gb: float
    data_gb: float


class Course:
    """One engine learning in this process, a turn at a time."""

    def __init__(self, name: str, size: Size) -> None:
        self._name = name
        train, self._held_out = _data(size)
        self._before_gb = _most_gb()
        began = time.perf_counter()
        self._learner = LEARNERS[name][1](train, size)
        self._learner.step()
        self._elapsed = time.perf_counter() - began
        self._steps: list[float] = []
        self._cpu: list[float] = []
        self._memory_gb = _most_gb()
        self._seconds = [self._elapsed]
        self._held = [log_likelihood_per_frame(self._learner.model(), self._held_out)]

    def learn(self, seconds: float) -> float:
        """Learn until so many seconds have been learned in all, and a few steps taken; return the seconds so far."""
        while self._elapsed < seconds or len(self._steps) <= WARM_UP_STEPS:
            began, cpu_began = time.perf_counter(), time.process_time()
            self._learner.step()
            self._steps.append(time.perf_counter() - began)
            self._cpu.append(time.process_time() - cpu_began)
            self._elapsed += self._steps[-1]
            self._memory_gb = _most_gb()
            if self._elapsed >= JUDGED_EVERY * self._seconds[-1]:
                self._judge()
        if self._elapsed > self._seconds[-1]:
            self._judge()
        return self._elapsed

    def _judge(self) -> None:
        self._seconds.append(self._elapsed)
        self._held.append(log_likelihood_per_frame(self._learner.model(), self._held_out))

    def measured(self) -> Measured:
        """What was found."""
        return Measured(
            name=self._name,
            first_s=self._seconds[0],
            step_s=float(np.median(self._steps[WARM_UP_STEPS:])),
            step_cpu_s=float(np.median(self._cpu[WARM_UP_STEPS:])),
            seconds=self._seconds,
            held_out=self._held,
            memory_gb=self._memory_gb - self._before_gb,
            data_gb=self._before_gb,
        )


_course: Course | None = None


def _start(name: str, size: Size) -> None:
    global _course
    _course = Course(name, size)


def _learn(seconds: float) -> float:
    assert _course is not None
    return _course.learn(seconds)


def _measured() -> Measured:
    assert _course is not None
    return _course.measured()


def race(names: Sequence[str], size: Size, seconds: float) -> list[Measured]:
    """Let engines learn for so many seconds each, in a process of its own each, in turns of `TURN_S`."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        engines = {name: stack.enter_context(ProcessPoolExecutor(1, context)) for name in names}
        for name, engine in engines.items():
            say(f"{name}: compiling, first step")
            engine.submit(_start, name, size).result()
        learned = dict.fromkeys(names, 0.0)
        while waiting := [name for name in names if learned[name] < seconds or not learned[name]]:
            for name in waiting:
                until = min(learned[name] + TURN_S, seconds)
                learned[name] = engines[name].submit(_learn, until).result()
            say(", ".join(f"{name} {value:.0f} s" for name, value in learned.items()))
        return [engine.submit(_measured).result() for engine in engines.values()]


def _data(size: Size) -> tuple[Sessions, Sessions]:
    model = random_similar_arhmm(0, max(size.states, 2), size.dims, size.lags)
    drawn = [sample(model, size.frames, seed)[1] for seed in range(size.sessions + HELD_OUT_SESSIONS)]
    whitening = fit_whitening(drawn[: size.sessions])
    ready = [whiten(whitening, x) for x in drawn]
    names = [str(i) for i in range(len(ready))]
    return (
        assemble(names[: size.sessions], ready[: size.sessions], size.lags),
        assemble(names[size.sessions :], ready[size.sessions :], size.lags),
    )


def _most_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
