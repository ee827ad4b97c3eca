"""A device's clock fitted to the host's: offset, drift and residuals, from stamped exchanges.

An exchange gives a device time (ticks of any length) and the host's time (ns) at which it was read, to within an
uncertainty. Of each block of exchanges only the best is kept: round trips are delayed by the operating system in
one direction, so the quickest tells most. The line through the last blocks is weighted least squares with a Gaussian
prior on drift (standard deviation `DRIFT_PRIOR`), which keeps the slope nominal until time has told.
"""

from dataclasses import dataclass, field
from math import sqrt

BLOCK_LENGTH = 16
NUM_BLOCKS = 32
DRIFT_PRIOR = 1e-3
GREATEST_DRIFT = 1e-2
JUMP_NS = 1_000_000
LEAST_UNCERTAINTY_NS = 1_000.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """The best exchange of a block: that with the lowest `cost`."""

    ticks: int
    host_ns: int
    cost: float
    uncertainty_ns: float


@dataclass(slots=True)
class ClockFit:
    """Line ``host_ns = anchor_host_ns + ns_per_tick * (ticks - anchor_ticks)`` and what it was fitted to.

    `residual_ns` is the root mean square over the kept exchanges, `num_exchanges` counts all that were seen.
    """

    nominal_ns_per_tick: float
    ns_per_tick: float
    anchor_ticks: int = 0
    anchor_host_ns: int = 0
    residual_ns: float = 0.0
    num_exchanges: int = 0
    blocks: list[_Kept] = field(default_factory=list)
    block_fill: int = 0

    @property
    def drift_ppm(self) -> float:
        """How much faster the host's clock runs than the device's, in parts per million."""
        return (self.ns_per_tick / self.nominal_ns_per_tick - 1.0) * 1e6


def new_clock_fit(nominal_ns_per_tick: float) -> ClockFit:
    """A fit without any exchange."""
    return ClockFit(nominal_ns_per_tick, nominal_ns_per_tick)


def add_exchange(fit: ClockFit, ticks: int, host_ns: int, uncertainty_ns: float) -> int:
    """Take in a round trip: the device read `ticks` at `host_ns` give or take `uncertainty_ns`.

    Returns by how much (ns) one of the clocks has jumped, nearly always 0. A round trip bounds the truth, so what lies
    further from the line than any drift explains is a jump; the fit then begins anew with this exchange.
    """
    jump_ns = _jump_ns(fit, ticks, host_ns, uncertainty_ns)
    if jump_ns:
        fit.blocks.clear()
        fit.block_fill = 0
    _keep(fit, _Kept(ticks, host_ns, uncertainty_ns, max(uncertainty_ns, LEAST_UNCERTAINTY_NS)))
    return jump_ns


def _jump_ns(fit: ClockFit, ticks: int, host_ns: int, uncertainty_ns: float) -> int:
    if not fit.blocks:
        return 0
    since_ns = abs(ticks - fit.blocks[-1].ticks) * fit.nominal_ns_per_tick
    off_ns = host_ns - to_host_ns(fit, ticks)
    allowed_ns = JUMP_NS + uncertainty_ns + fit.blocks[-1].uncertainty_ns + GREATEST_DRIFT * since_ns
    return off_ns if abs(off_ns) > allowed_ns else 0


def to_host_ns(fit: ClockFit, ticks: int) -> int:
    """Host time of a device time."""
    return fit.anchor_host_ns + round(fit.ns_per_tick * (ticks - fit.anchor_ticks))


def to_ticks(fit: ClockFit, host_ns: int) -> int:
    """Device time of a host time."""
    return fit.anchor_ticks + round((host_ns - fit.anchor_host_ns) / fit.ns_per_tick)


def _keep(fit: ClockFit, exchange: _Kept) -> None:
    fit.num_exchanges += 1
    starts_block = fit.block_fill == 0
    fit.block_fill = (fit.block_fill + 1) % BLOCK_LENGTH
    if starts_block:
        fit.blocks.append(exchange)
        del fit.blocks[:-NUM_BLOCKS]
    elif exchange.cost < fit.blocks[-1].cost:
        fit.blocks[-1] = exchange
    else:
        return
    _refit(fit)


def _refit(fit: ClockFit) -> None:
    """Weighted line through the kept exchanges, relative to the first so that nothing is lost to rounding."""
    first, nominal = fit.blocks[0], fit.nominal_ns_per_tick
    elapsed = [nominal * (kept.ticks - first.ticks) for kept in fit.blocks]
    excess = [kept.host_ns - first.host_ns - e for kept, e in zip(fit.blocks, elapsed, strict=True)]
    weights = [kept.uncertainty_ns**-2 for kept in fit.blocks]
    total = sum(weights)
    mean_elapsed = sum(w * e for w, e in zip(weights, elapsed, strict=True)) / total
    mean_excess = sum(w * x for w, x in zip(weights, excess, strict=True)) / total
    spread = sum(w * (e - mean_elapsed) ** 2 for w, e in zip(weights, elapsed, strict=True))
    product = sum(w * (e - mean_elapsed) * (x - mean_excess) for w, e, x in zip(weights, elapsed, excess, strict=True))
    drift = product / (spread + 1.0 / DRIFT_PRIOR**2)
    residuals = [x - mean_excess - drift * (e - mean_elapsed) for e, x in zip(elapsed, excess, strict=True)]
    fit.ns_per_tick = nominal * (1.0 + drift)
    fit.anchor_ticks = first.ticks + round(mean_elapsed / nominal)
    anchor_elapsed = nominal * (fit.anchor_ticks - first.ticks)
    excess_there = mean_excess + drift * (anchor_elapsed - mean_elapsed)
    fit.anchor_host_ns = first.host_ns + round(anchor_elapsed + excess_there)
    fit.residual_ns = sqrt(sum(r * r for r in residuals) / len(residuals))
