"""Which passes run, in which order, the checks between them, and the record of what they did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from graphflow import config
from graphflow.errors import ArgumentError, shorten
from graphflow.graph import Node
from graphflow.passes.accumulate_sums import accumulate_sums
from graphflow.passes.cancel_movement import cancel_movement, cancel_movement_fast
from graphflow.passes.canonicalize import canonicalize
from graphflow.passes.choose_layout import choose_layout_fast
from graphflow.passes.einsum_path import einsum_path, einsum_path_fast
from graphflow.passes.factor import factor, factor_fast
from graphflow.passes.fold_batch_norm import fold_batch_norm_fast
from graphflow.passes.fold_constants import fold_constants
from graphflow.passes.fold_products import fold_products, fold_products_fast
from graphflow.passes.hoist_invariants import hoist_invariants
from graphflow.passes.merge_equal import merge_equal
from graphflow.passes.optimize_bodies import optimize_bodies
from graphflow.passes.order_products import order_products, order_products_fast
from graphflow.passes.prune import prune
from graphflow.passes.prune_dependencies import prune_dependencies
from graphflow.passes.recognize_attention import recognize_attention_fast
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.passes.simplify import simplify, simplify_fast
from graphflow.passes.simplify_captures import simplify_captures
from graphflow.passes.simplify_control_flow import simplify_control_flow
from graphflow.passes.sink_broadcasts import sink_broadcasts
from graphflow.passes.stabilize import stabilize_fast
from graphflow.subgraph import Replacement, Subgraph, recorded_replacements
from graphflow.verify import verify

__all__ = [
    "AFTER_BIND",
    "BEFORE_BIND",
    "PLANNING",
    "Pass",
    "PassRecord",
    "Passes",
    "choose_passes",
    "run_passes",
]


@dataclass(frozen=True, slots=True)
class Pass:
    """One rewrite as the pipeline knows it.

    exact: what runs by default and keeps every bit; None where the pass has no such form.
    fast: what runs under `optimize="fast"`, where that differs.
    symbolic: for a pass that reads sizes, its form for sizes that are symbols; see `template.py`.
    """

    name: str
    exact: Callable[[Subgraph], Subgraph] | None
    fast: Callable[[Subgraph], Subgraph] | None = None
    symbolic: Callable[[Subgraph], Subgraph] | None = None


IN_BODIES: tuple[tuple[str, Callable[[Subgraph], Subgraph]], ...] = (
    ("prune_dependencies", prune_dependencies),
    ("merge_equal", merge_equal),
    ("simplify", simplify),
    ("cancel_movement", cancel_movement),
    ("resolve_likes", resolve_likes),
    ("sink_broadcasts", sink_broadcasts),
    ("fold_constants", fold_constants),
    ("simplify_captures", simplify_captures),
    ("simplify_control_flow", simplify_control_flow),
    ("prune", prune),
    ("hoist_invariants", hoist_invariants),
    ("accumulate_sums", accumulate_sums),
)
"""What runs inside branches and loops, all of it exact."""


BEFORE_BIND: tuple[Pass, ...] = (
    Pass("prune_dependencies", prune_dependencies),
    Pass("canonicalize", canonicalize),
    Pass("merge_equal", merge_equal),
    Pass("stabilize", None, stabilize_fast),
    Pass("simplify", simplify, simplify_fast),
    Pass("cancel_movement", cancel_movement, cancel_movement_fast),
    Pass("factor", factor, factor_fast),
    Pass("merge_equal", merge_equal),
)
"""Passes that need no sizes: run once for the fetches and the types of the feeds."""

AFTER_BIND: tuple[Pass, ...] = (
    Pass("resolve_likes", resolve_likes, symbolic=partial(resolve_likes, symbolic=True)),
    Pass("sink_broadcasts", sink_broadcasts, symbolic=partial(sink_broadcasts, symbolic=True)),
    Pass("fold_constants", fold_constants, symbolic=fold_constants),
    Pass("stabilize", None, stabilize_fast),
    Pass("simplify_captures", simplify_captures, symbolic=simplify_captures),
    Pass("simplify_control_flow", simplify_control_flow, symbolic=simplify_control_flow),
    Pass("prune", prune, symbolic=prune),
    Pass("optimize_bodies", partial(optimize_bodies, passes=tuple([f for _, f in IN_BODIES]))),
    Pass("hoist_invariants", hoist_invariants),
    Pass("prune_dependencies", prune_dependencies, symbolic=prune_dependencies),
    Pass("simplify", simplify, simplify_fast, symbolic=simplify),
    Pass("cancel_movement", cancel_movement, cancel_movement_fast, symbolic=cancel_movement),
    Pass("fold_products", fold_products, fold_products_fast),
    Pass("merge_equal", merge_equal, symbolic=merge_equal),
    Pass("fold_batch_norm", None, fold_batch_norm_fast),
    Pass("recognize_attention", None, recognize_attention_fast),
    Pass("order_products", order_products, order_products_fast),
    Pass("einsum_path", einsum_path, einsum_path_fast),
    Pass("choose_layout", None, choose_layout_fast),
    Pass("accumulate_sums", accumulate_sums, symbolic=accumulate_sums),
    Pass("merge_equal", merge_equal, symbolic=merge_equal),
)
"""Passes that read sizes: run for each new set of shapes."""

PLANNING = ("fuse", "reorder", "lanes")
"""Decisions below the passes that can be switched off like a pass: clusters, an order for memory, several lanes."""


@dataclass(frozen=True, slots=True)
class Passes:
    """What one session runs.

    before, after: passes as (name, function) in order, those without sizes and those with them.
    planning: the decisions below the passes that are taken, by name; see PLANNING.
    exact: whether all of them keep every bit.
    """

    before: tuple[tuple[str, Callable[[Subgraph], Subgraph]], ...] = ()
    after: tuple[tuple[str, Callable[[Subgraph], Subgraph]], ...] = ()
    planning: tuple[str, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class PassRecord:
    """What one pass did: seconds, nodes before and after, what was replaced by which rule, what was dropped."""

    name: str
    seconds: float
    before: int
    after: int
    replacements: tuple[Replacement, ...]
    dropped: tuple[Node, ...]

    def __str__(self) -> str:
        head = f"{self.name}: {self.before} -> {self.after} nodes in {self.seconds * 1e3:.2f} ms"
        lines = [f"  {r}" for r in self.replacements]
        lines += [f"  no longer needed: {n.type} {n.place}" for n in self.dropped]
        return "\n".join([head, *lines])


def choose_passes(optimize: Any) -> Passes:
    """The passes for a session's `optimize=`, without those that `config.disabled_passes` names.

    optimize: True or "exact" for all that keep every bit; "fast" for all; False for none; or names of passes, which
        run in the pipeline's order, in the form that keeps bits where there is one.
    Raises ArgumentError for anything else, with the names there are.
    """
    known = list(dict.fromkeys([*[p.name for p in (*BEFORE_BIND, *AFTER_BIND)], *PLANNING]))
    if optimize is False:
        return Passes()
    fast = isinstance(optimize, str) and optimize == "fast"
    wanted: Sequence[str] = known
    if not (optimize is True or fast or (isinstance(optimize, str) and optimize == "exact")):
        if not isinstance(optimize, (tuple, list)):
            raise ArgumentError(
                f"optimize is True, False, 'exact', 'fast' or names of passes, not {shorten(optimize)}"
            )
        wanted = _checked(optimize, known, "optimize")
    disabled = _checked(config.get().disabled_passes, known, "disabled_passes")

    def chosen(table: Iterable[Pass]) -> tuple[tuple[str, Callable[[Subgraph], Subgraph]], ...]:
        found = []
        for p in table:
            named = wanted is not known and p.exact is None
            function = (p.fast or p.exact) if fast or named else p.exact
            if p.name in wanted and p.name not in disabled and function is not None:
                if p.name == "optimize_bodies":
                    allowed = [f for name, f in IN_BODIES if name in wanted and name not in disabled]
                    function = partial(optimize_bodies, passes=tuple(allowed))
                found.append((p.name, function))
        return tuple(found)

    planning = tuple([p for p in PLANNING if p in wanted and p not in disabled])
    before, after = chosen(BEFORE_BIND), chosen(AFTER_BIND)
    rounding = [p.fast for p in (*BEFORE_BIND, *AFTER_BIND) if p.fast is not None]
    exact = not any(function in rounding for _, function in (*before, *after))
    return Passes(before, after, planning, exact)


def _checked(names: Any, known: Sequence[str], what: str) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise ArgumentError(f"{what}: there is no pass {shorten(name)}; passes: {', '.join(known)}")
    return tuple(names)


def run_passes(
    subgraph: Subgraph,
    passes: Iterable[tuple[str, Callable[[Subgraph], Subgraph]]],
    log: list[PassRecord] | None = None,
) -> Subgraph:
    """Apply `passes` in order; under `config.verify` the graph is checked before and after each.

    log: gets a record of each pass.
    """
    checking = config.get().verify
    if checking:
        verify(subgraph)
    first = subgraph
    done: dict[Callable[[Subgraph], Subgraph], Subgraph] = {}
    for name, function in passes:
        if log is None:
            changed = subgraph if done.get(function) is subgraph else function(subgraph)
        elif done.get(function) is subgraph:  # nothing has changed since it ran last
            log.append(PassRecord(name, 0.0, len(subgraph.nodes), len(subgraph.nodes), (), ()))
            changed = subgraph
        else:
            start = time.perf_counter()
            with recorded_replacements() as replaced:
                changed = function(subgraph)
            log.append(_record(name, time.perf_counter() - start, subgraph, changed, replaced))
        if checking and changed is not subgraph:
            verify(changed, after=name)
        subgraph = done[function] = changed
    if subgraph is not first and subgraph.hides_sizes():
        subgraph = replace(subgraph, sizes_from=first.sizes_from or first)
    return subgraph


def _record(
    name: str, seconds: float, before: Subgraph, after: Subgraph, replaced: Sequence[Replacement]
) -> PassRecord:
    dropped: tuple[Node, ...] = ()
    if after is not before:
        made = set(after.nodes).difference(before.nodes)  # rebuilt with other inputs, or new
        gone = set(before.nodes).difference(after.nodes, [r.node for r in replaced])
        places = {(n.graph, n.id) for n in made}
        dropped = tuple([n for n in before.nodes if n in gone and (n.graph, n.id) not in places])
    return PassRecord(name, seconds, len(before.nodes), len(after.nodes), tuple(replaced), dropped)
