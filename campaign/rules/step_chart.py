"""The geometry of charts: values in, points of SVG polygons out. Pure, and in whole units, so that two runs draw the same."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

WIDTH, HEIGHT = 1000, 280


def stacked_steps(places: Sequence[int], layers: Sequence[Sequence[int]], *, last: int, top: int) -> list[str]:
    """The points of a polygon for each layer, the lowest first. A value holds from its place until the next one, and the last until `last`.

    `places` are days counted from the first; each layer has a value for each of them, all of which together are at most `top`.
    """
    if not places or top <= 0:
        return []
    span = max(last, places[-1], 1)
    columns = [list(accumulate(values)) for values in zip(*layers, strict=True)]
    edges = [[0] * len(places), *([column[number] for column in columns] for number in range(len(layers)))]
    return [_points(_outline(places, upper, span, top) + _outline(places, lower, span, top)[::-1]) for lower, upper in pairwise(edges)]


def _outline(places: Sequence[int], values: Sequence[int], span: int, top: int) -> list[tuple[int, int]]:
    """The corners of steps from left to right."""
    ends = [*places[1:], span]
    corners = []
    for place, end, value in zip(places, ends, values, strict=True):
        y = HEIGHT - value * HEIGHT // top
        corners += [(place * WIDTH // span, y), (end * WIDTH // span, y)]
    return corners


def _points(corners: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in corners)
