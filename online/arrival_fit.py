"""A camera's clock on the host's, from nothing but when its frames arrive.

A frame stamped `device_ns` arrives at `device_ns + offset + drift * device_ns + delay`, with a delay that is never
below its least. So the points (device time, arrival - device time) lie above a line and touch it where the delay was
least: of the lines below all points the one that lies nearest to them is taken, which is the edge of their lower
convex hull across their mean. Late arrivals therefore do not matter, however late or many. What cannot be seen from
arrivals alone is the least delay itself: it remains in the fitted times, the same for every frame.

Of each second only the least point is kept, of two minutes in all, so the line follows a clock that warms up.
"""

from dataclasses import dataclass, field

BLOCK_NS = 1_000_000_000
NUM_BLOCKS = 120
LEAST_SPAN_NS = 10 * BLOCK_NS
MAX_DRIFT = 200e-6
"""Crystals of cameras and computers keep within 100 ppm each."""


@dataclass(slots=True)
class ArrivalFit:
    """Line ``excess = offset_ns + drift * (device_ns - anchor_ns)`` with excess = arrival - device time.

    `least`: the least point (device_ns, excess_ns) of each block, the current one last.
    """

    anchor_ns: int = 0
    offset_ns: float = 0.0
    drift: float = 0.0
    last_capture_ns: int | None = None
    least: list[tuple[int, int]] = field(default_factory=list)
    block: int = 0


def init() -> ArrivalFit:
    """A fit that has seen nothing."""
    return ArrivalFit()


def step(fit: ArrivalFit, device_ns: int, arrival_ns: int) -> int:
    """Take in one frame and return when it was captured on the host's clock: never after its arrival, and later
    than the frame before."""
    excess_ns = arrival_ns - device_ns
    block = device_ns // BLOCK_NS
    if not fit.least:
        fit.anchor_ns, fit.offset_ns = device_ns, float(excess_ns)
    if not fit.least or block != fit.block:
        _refit(fit)
        fit.block = block
        fit.least.append((device_ns, excess_ns))
        del fit.least[:-NUM_BLOCKS]
    elif excess_ns < fit.least[-1][1]:
        fit.least[-1] = (device_ns, excess_ns)
    line_ns = fit.offset_ns + fit.drift * (device_ns - fit.anchor_ns)
    if excess_ns < line_ns:
        fit.offset_ns += excess_ns - line_ns
        line_ns = float(excess_ns)
    capture_ns = device_ns + round(line_ns)
    if fit.last_capture_ns is not None:
        capture_ns = max(capture_ns, fit.last_capture_ns + 1)
    fit.last_capture_ns = capture_ns
    return capture_ns


def _refit(fit: ArrivalFit) -> None:
    """The nearest line below all points that are kept."""
    if not fit.least:
        return
    fit.drift = _drift(fit.least)
    fit.anchor_ns = fit.least[0][0]
    fit.offset_ns = min(excess - fit.drift * (device - fit.anchor_ns) for device, excess in fit.least)


def _drift(points: list[tuple[int, int]]) -> float:
    """Slope of the lower convex hull at the points' mean; 0 until they span enough for a slope to mean anything."""
    if points[-1][0] - points[0][0] < LEAST_SPAN_NS:
        return 0.0
    hull: list[tuple[int, int]] = []
    for point in points:
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    mean = sum(device for device, _ in points) / len(points)
    right = next(i for i in range(1, len(hull)) if hull[i][0] >= mean)
    (x0, y0), (x1, y1) = hull[right - 1], hull[right]
    return max(-MAX_DRIFT, min(MAX_DRIFT, (y1 - y0) / (x1 - x0)))


def _turns_down(a: tuple[int, int], b: tuple[int, int], c: tuple[int, int]) -> bool:
    """Whether b lies on or above the straight line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
