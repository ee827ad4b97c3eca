"""Places in the arena. Only products, sums and square roots: the same bits on every machine."""

from collections.abc import Callable, Sequence
from math import sqrt

from protocols.schema import Circle, Shape

Point = tuple[float, float]


def inside_test(shape: Shape) -> Callable[[float, float], bool]:
    """Function of (x_mm, y_mm): whether the point lies in the shape; a circle's edge belongs to it."""
    if shape.circle is not None:
        circle = shape.circle
        return lambda x, y: _squared(x - circle.x_mm, y - circle.y_mm) <= circle.radius_mm * circle.radius_mm
    polygon = shape.polygon or ()
    return lambda x, y: _in_polygon(polygon, x, y)


def wall_distance(shape: Shape) -> Callable[[float, float], float]:
    """Function of (x_mm, y_mm): distance in mm to the shape's edge, negative outside."""
    if shape.circle is not None:
        return _circle_distance(shape.circle)
    polygon = shape.polygon or ()

    def distance(x: float, y: float) -> float:
        nearest = sqrt(min(_squared_to_edge((x, y), a, b) for a, b in _edges(polygon)))
        return nearest if _in_polygon(polygon, x, y) else -nearest

    return distance


def _circle_distance(circle: Circle) -> Callable[[float, float], float]:
    return lambda x, y: circle.radius_mm - sqrt(_squared(x - circle.x_mm, y - circle.y_mm))


def _squared(dx: float, dy: float) -> float:
    return dx * dx + dy * dy


def _edges(polygon: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(polygon, (*polygon[1:], polygon[0]), strict=True))


def _in_polygon(polygon: Sequence[Point], x: float, y: float) -> bool:
    """Even-odd rule."""
    crossings = 0
    for (ax, ay), (bx, by) in _edges(polygon):
        crossings += (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay)
    return crossings % 2 == 1


def _squared_to_edge(point: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length_2 = _squared(dx, dy)
    along = 0.0 if length_2 == 0 else ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / length_2
    along = min(max(along, 0.0), 1.0)
    return _squared(point[0] - a[0] - along * dx, point[1] - a[1] - along * dy)
