"""The order of tasks in which the fewest bytes are live at once: several are tried, and the best is kept."""

from __future__ import annotations

from graphflow.planning.contraction import contract
from graphflow.planning.exact_order import exact_order, improved
from graphflow.planning.list_orders import LIST_ORDERS
from graphflow.planning.tasks import OrderProblem, bound_nbytes, links, live_nbytes, peak_nbytes

__all__ = ["OrderProblem", "best_order", "bound_nbytes", "live_nbytes", "peak_nbytes"]

EXACT_TASKS = 12
"""Problems of up to this many tasks are searched to the end."""

MANY_TASKS = 2_000
"""Larger problems are tried with two rules only, and those twenty times as large are not searched."""

LOOKS = 4_000
"""Looks at tasks that the searches of a larger problem may take: 5 to 10 ms in all."""


def best_order(problem: OrderProblem) -> tuple[int, ...]:
    """An order that respects every edge: the program's own, unless one with a lower peak is found.

    Of the lowest peak there is for up to 12 tasks. For more, orders by four rules are compared, and the best is
    improved by exact searches around its peak, of a bounded number of steps. Near-linear.
    """
    program = range(len(problem.before))
    live = live_nbytes(problem, program)
    peak = max(live, default=0)
    enough = bound_nbytes(problem, live.index(peak)) if live else 0
    if peak <= enough:
        return tuple(program)
    contracted = contract(problem)
    smaller = contracted.problem
    order, reached = list(range(len(smaller.before))), peak
    best = live_nbytes(smaller, order)
    enough = max(enough, bound_nbytes(smaller, best.index(max(best))))
    if peak <= enough:
        return tuple(program)
    linked = links(smaller)
    for rule in LIST_ORDERS if len(order) <= MANY_TASKS else LIST_ORDERS[:2]:
        tried = rule(smaller, linked)
        live = live_nbytes(smaller, tried)
        highest = max(live)
        if highest < reached:
            order, reached, best = tried, highest, live
            if len(order) <= MANY_TASKS:
                enough = max(enough, bound_nbytes(smaller, tried[live.index(highest)]))
            if reached <= enough:
                break
    if reached > enough:
        if len(order) <= EXACT_TASKS:
            found = exact_order(smaller, reached, enough)[0]
            if found is not None:
                return contracted.expanded(found)
        elif len(order) <= 20 * MANY_TASKS:
            order, reached = improved(smaller, order, best, enough, LOOKS)
    return contracted.expanded(order) if reached < peak else tuple(program)
