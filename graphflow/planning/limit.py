"""A memory limit that is kept: what is tried, in which order, and what is said where nothing helps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

from graphflow.errors import MemoryLimitError
from graphflow.graph import Node
from graphflow.planning.cost import Machine
from graphflow.planning.recompute import Measure, recomputing, settled
from graphflow.planning.rerun import Tasks, tasks_of
from graphflow.planning.rewritten import Rewritten, rewritten
from graphflow.planning.schedule import in_program_order
from graphflow.planning.spill import least_steps, spilling
from graphflow.planning.tasks import taken_over
from graphflow.subgraph import Subgraph

__all__ = ["Fitted", "keep_limit"]

DESCENTS = 10
"""How often a smaller peak is looked for before the least is said: it is hardly ever found even once."""

MANY = 2_000
"""Nodes from which on it is not looked for: what the last rung takes is then said to be the least."""


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A subgraph within a limit.

    before_nbytes, after_nbytes: the measured peaks of what was asked for and of `subgraph`.
    words: for another plan of the same nodes that was enough. rewritten: what was done to the nodes, None for nothing.
    """

    subgraph: Subgraph
    limit_nbytes: int
    before_nbytes: int
    after_nbytes: int
    words: str = ""
    rewritten: Rewritten | None = None

    @property
    def extra_seconds(self) -> float:
        """What keeping the limit adds to a run, by the cost model on one lane."""
        return self.rewritten.again_seconds + self.rewritten.aside_seconds if self.rewritten else 0.0

    @property
    def price(self) -> str:
        """What keeping the limit takes: `14 values of 3 layers are computed again (+11 % work)`."""
        parts = [self.words] if self.words else []
        if self.rewritten is not None:
            parts += _price(self.rewritten)
        return ", ".join(parts) or "nothing has to be done"


def _price(made: Rewritten) -> Iterator[str]:
    if made.again:
        layers = {scope for scope in (node.name.rpartition("/")[0] for node in made.again) if scope}
        of = f" of {_count(len(layers), 'layer')}" if layers else ""
        percent = 100 * made.again_seconds / made.plain_seconds if made.plain_seconds else 0.0
        are = "is" if len(made.again) == 1 else "are"
        work = f"{percent:.0f}" if percent >= 10 else f"{percent:.2g}"
        yield f"{_count(len(made.again), 'value')}{of} {are} computed again (+{work} % work)"
    if made.aside:
        are = "is" if len(made.aside) == 1 else "are"
        yield f"{_count(len(made.aside), 'value')} {are} put aside (+{made.aside_seconds:.2g} s)"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def keep_limit(
    subgraph: Subgraph,
    limit_nbytes: int,
    measure: Measure,
    machine: Machine | None = None,
    devices: Mapping[Node, str] | None = None,
    host: str = "cpu:0",
) -> Fitted:
    """The subgraph, or one of equal values, whose measured peak is at most `limit_nbytes`.

    subgraph: bound; best placed, fused and in the order of its schedule, as what is measured comes closest then.
    Tried in this order, the first that is enough is taken: the subgraph as it is; computing values again; computing
    again or putting aside, whichever takes less time for a value; putting aside alone; and putting aside all that is
    not needed at each moment.
    measure: the peak in bytes of a subgraph's program that keeps the order of its nodes, variables, constants and copies
        of results included.
    devices: where each node runs, if not all run on the host; new nodes ask for the device of what they stand for.
    host: the device whose values are put aside in files; those of others are, in its memory.
    Raises MemoryLimitError with the least that is enough, and the fewest values that must be held together and are more
    than the limit, with their lines.
    """
    before = measure(subgraph)
    if before <= limit_nbytes:
        return Fitted(subgraph, limit_nbytes, before, before)
    order = in_program_order(subgraph).order
    tasks = tasks_of(replace(subgraph, nodes=order), machine, devices, host)
    found = _fit(tasks, before, limit_nbytes, measure)
    if found is None:
        found = _smallest(tasks, before, measure)
        if found is None or found[1] > limit_nbytes:
            raise _cannot_fit(tasks, limit_nbytes, before if found is None else min(before, found[1]))
    made, after = found
    return Fitted(made.subgraph, limit_nbytes, before, after, rewritten=made)


def _fit(tasks: Tasks, before: int, limit: int, measure: Measure) -> tuple[Rewritten, int] | None:
    """The first way that is enough, and its peak."""
    for methods in (recomputing(tasks), spilling(tasks, again=True), spilling(tasks, again=False)):
        found = settled(tasks, before, limit, methods, measure)
        if found is not None:
            return found
    return None


def _smallest(tasks: Tasks, before: int, measure: Measure) -> tuple[Rewritten, int] | None:
    """The way that takes least, whatever the limit, and its peak: less than `before`, or None."""
    best = None
    steps = least_steps(tasks)
    if steps is not None:
        made = rewritten(tasks, steps)
        after = measure(made.subgraph)
        best = (made, after) if after < before else None
    for _ in range(DESCENTS if len(tasks.again) < MANY else 0):
        lower = _fit(tasks, before, (before if best is None else best[1]) - 1, measure)
        if lower is None:
            break
        best = lower
    return best


# --- what cannot fit ---


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Bytes that must be in memory at a moment: what they are, of which node."""

    nbytes: int
    what: str
    node: Node


def _cannot_fit(tasks: Tasks, limit: int, least: int) -> MemoryLimitError:
    shown, where = _too_much(tasks, limit, elementwise=False)
    total = sum([piece.nbytes for piece in shown])
    if total <= limit:  # what is elementwise may be held block by block, so it is not what is named first
        shown, where = _too_much(tasks, limit, elementwise=True)
        total = sum([piece.nbytes for piece in shown])
    lines = [
        (
            f"the limit is {_count(limit, 'byte')}; this run takes at least {least:,} bytes, even where values are computed"
            " again and put aside"
        )
    ]
    if total > limit:
        these = (
            "this alone takes"
            if len(shown) == 1
            else f"these {len(shown)} are needed at the same time and take"
        )
        lines.append(f"{these} {total:,} bytes:")
    else:
        lines.append(f"the most that is needed at the same time, {total:,} bytes before gaps between them:")
    most = 12
    lines += [f"  {piece.nbytes:>15,} bytes  {piece.what} {piece.node.place}" for piece in shown[:most]]
    if len(shown) > most:
        rest = sum([piece.nbytes for piece in shown[most:]])
        lines.append(f"  {rest:>15,} bytes  in {len(shown) - most} more")
    error = MemoryLimitError("\n".join(lines))
    return error.at(where.place) if where is not None else error  # type: ignore[return-value]  # it is what it was


def _too_much(tasks: Tasks, limit: int, *, elementwise: bool) -> tuple[list[_Piece], Node | None]:
    """The fewest of what must be held at the fullest moment that are more than the limit, all if they are not more.

    elementwise: whether such nodes count. Gives the node that runs then too, None for the end.
    """
    pieces, where = _fullest(tasks, elementwise)
    pieces.sort(key=lambda piece: -piece.nbytes)
    for k, total in enumerate(accumulate([piece.nbytes for piece in pieces])):
        if total > limit:
            return pieces[: k + 1], where
    return pieces, where


def _fullest(tasks: Tasks, elementwise: bool) -> tuple[list[_Piece], Node | None]:
    """What must be held at the moment that needs most, and the node that runs then; None for the end."""
    problem, nodes = tasks.problem, tasks.subgraph.nodes
    most, at = _at_the_end(tasks), -1
    for task, node in enumerate(nodes):
        need = _need(tasks, task)
        if need > most and (elementwise or not node.op.is_elementwise):
            most, at = need, task
    standing = [
        _Piece(n.outputs[0].type.nbytes or 0, n.op.name, n) for n in nodes if n.op.is_source and n.outputs
    ]
    pieces = [piece for piece in standing if piece.nbytes]
    if at < 0:
        pieces += [_piece(tasks, b, "held to the end:") for b in _ending(tasks) if tasks.maker[b] >= 0]
        return pieces, None
    node = nodes[at]
    taken = taken_over(problem.makes[at], problem.reuses[at], problem.nbytes)
    pieces += [_piece(tasks, b, "input:") for b in problem.uses[at] if tasks.maker[b] >= 0]
    for b in problem.makes[at]:  # some of them in the bytes of inputs
        within = min(taken, problem.nbytes[b])
        taken -= within
        pieces.append(_Piece(problem.nbytes[b] - within, "output:", node))
    pieces.append(_Piece(problem.workspace[at], "workspace of", node))
    return [piece for piece in pieces if piece.nbytes], node


def _piece(tasks: Tasks, buffer: int, what: str) -> _Piece:
    return _Piece(tasks.problem.nbytes[buffer], what, tasks.subgraph.nodes[tasks.maker[buffer]])


def _need(tasks: Tasks, task: int) -> int:
    problem = tasks.problem
    nbytes = problem.nbytes
    total = sum([nbytes[b] for b in problem.uses[task]]) + sum([nbytes[b] for b in problem.makes[task]])
    return total + problem.workspace[task] - taken_over(problem.makes[task], problem.reuses[task], nbytes)


def _ending(tasks: Tasks) -> list[int]:
    """What is held from the first write of a variable on, or at the end: what the writes read, and what is fetched."""
    late = [b for task in range(tasks.commit, len(tasks.again)) for b in tasks.problem.uses[task]]
    wanted = dict.fromkeys([*late, *tasks.problem.kept])
    return [b for b in wanted if tasks.maker[b] < tasks.commit]


def _at_the_end(tasks: Tasks) -> int:
    return sum([tasks.problem.nbytes[b] for b in _ending(tasks)])
