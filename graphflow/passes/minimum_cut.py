"""Two-way choices that cost something where neighbours differ: the cheapest of all, by a minimum cut."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence

__all__ = ["cheapest_choices"]

Room = list[dict[int, int]]
"""What may still flow from each element to each neighbour."""


def cheapest_choices(costs: Sequence[tuple[int, int]], apart: Mapping[tuple[int, int], int]) -> list[int]:
    """0 or 1 for each element, so that the total cost is the least; of equal totals the one with the fewest ones.

    costs: what choosing 0, and what choosing 1, costs each element; not negative.
    apart: what it costs a pair of elements to be chosen differently; not negative.
    Choices are the sides of a cut between a source and a sink, whose least cost is the largest flow between them.
    O(V² E) at worst. Sources: L. R. Ford and D. R. Fulkerson, "Maximal flow through a network", 1956; E. A. Dinic,
    "Algorithm for solution of a problem of maximum flow in networks with power estimation", 1970.
    """
    count = len(costs)
    source, sink = count, count + 1
    room: Room = [{} for _ in range(count + 2)]

    def connect(a: int, b: int, there: int, back: int) -> None:
        room[a][b] = room[a].get(b, 0) + there
        room[b][a] = room[b].get(a, 0) + back

    for k, (zero, one) in enumerate(costs):
        spared = min(zero, one)  # paid either way
        connect(source, k, one - spared, 0)  # cut if k is on the side of the sink, that of the ones
        connect(k, sink, zero - spared, 0)
    for (a, b), cost in apart.items():
        if a != b:
            connect(a, b, cost, cost)
    while True:
        levels = _levels(room, source)
        if levels[sink] < 0:
            break
        _fill(room, levels, source, sink)
    ones = _reaching(room, sink)
    return [int(k in ones) for k in range(count)]


def _levels(room: Room, source: int) -> list[int]:
    """Steps from the source to each element along edges with room, -1 where there is no way."""
    levels = [-1] * len(room)
    levels[source] = 0
    waiting = deque([source])
    while waiting:
        a = waiting.popleft()
        for b, left in room[a].items():
            if left and levels[b] < 0:
                levels[b] = levels[a] + 1
                waiting.append(b)
    return levels


def _fill(room: Room, levels: Sequence[int], source: int, sink: int) -> None:
    """Let flow what can, each step one level on, until every such way has an edge without room."""
    untried = [list(neighbours) for neighbours in room]
    path = [source]
    while path:
        a = path[-1]
        if a == sink:
            steps = list(itertools.pairwise(path))
            flow = min(room[x][y] for x, y in steps)
            for x, y in steps:
                room[x][y] -= flow
                room[y][x] += flow
            full = next(k for k, (x, y) in enumerate(steps) if not room[x][y])
            del path[full + 1 :]
            continue
        while untried[a]:
            b = untried[a][-1]
            if room[a][b] and levels[b] == levels[a] + 1:
                path.append(b)
                break
            untried[a].pop()
        else:
            path.pop()
            if path:
                untried[path[-1]].pop()


def _reaching(room: Room, sink: int) -> set[int]:
    """The elements from which there is a way to the sink along edges with room."""
    found = {sink}
    waiting = deque([sink])
    while waiting:
        b = waiting.popleft()
        for a in room[b]:
            if a not in found and room[a][b]:
                found.add(a)
                waiting.append(a)
    return found
