"""Places in the arena. Only products, sums and square roots: the same bits on every machine."""

from collections.abc import Callable, Sequence
from math import sqrt

from protocols.schema import Circle, Shape

Point = tuple[float, float]
Edge = tuple[float, float, float, float]
AtPoint = Callable[[float, float], float]


def inside_test(shape: Shape) -> AtPoint:
    """Function of (x_mm, y_mm): 1.0 where the point lies in the shape, else 0.0; a circle's edge belongs to it."""
    if shape.circle is not None:
        centre_x, centre_y, radius = shape.circle.x_mm, shape.circle.y_mm, shape.circle.radius_mm
        return lambda x, y: 1.0 if _squared(x - centre_x, y - centre_y) <= radius * radius else 0.0
    edges = _edges(shape.polygon or ())
    return lambda x, y: _in_polygon(edges, x, y)


def wall_distance(shape: Shape) -> AtPoint:
    """Function of (x_mm, y_mm): distance in mm to the shape's edge, negative outside."""
    if shape.circle is not None:
        return _circle_distance(shape.circle)
    edges = _edges(shape.polygon or ())

    def distance(x: float, y: float) -> float:
        nearest = sqrt(min(_squared_to_edge(x, y, edge) for edge in edges))
        return nearest if _in_polygon(edges, x, y) else -nearest

    return distance


def _circle_distance(circle: Circle) -> AtPoint:
    return lambda x, y: circle.radius_mm - sqrt(_squared(x - circle.x_mm, y - circle.y_mm))


def _squared(dx: float, dy: float) -> float:
    return dx * dx + dy * dy


def _edges(polygon: Sequence[Point]) -> tuple[Edge, ...]:
    """(ax, ay, bx, by) of each edge."""
    return tuple((*a, *b) for a, b in zip(polygon, (*polygon[1:], *polygon[:1]), strict=True))


def _in_polygon(edges: Sequence[Edge], x: float, y: float) -> float:
    """Even-odd rule."""
    inside = 0.0
    for ax, ay, bx, by in edges:
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = 1.0 - inside
    return inside


def _squared_to_edge(x: float, y: float, edge: Edge) -> float:
    ax, ay, bx, by = edge
    dx, dy = bx - ax, by - ay
    length_2 = _squared(dx, dy)
    along = 0.0 if length_2 == 0 else ((x - ax) * dx + (y - ay) * dy) / length_2
    along = min(max(along, 0.0), 1.0)
    return _squared(x - ax - along * dx, y - ay - along * dy)
