"""`gf.debug`: what became of a graph on its way to a run, which step changed a value, and a failure computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.backends import backend_for
from graphflow.checking import MismatchError, NumericsError, source_of
from graphflow.checking.bisection import blame
from graphflow.checking.lab import Lab, Stage
from graphflow.checking.reference import ReferenceCheck
from graphflow.checking.stepping import host_functions
from graphflow.errors import ArgumentError, shorten
from graphflow.feeds import as_feed
from graphflow.fetches import resolve_fetches
from graphflow.graph import Graph, Node, get_default_graph
from graphflow.passes.pipeline import Pass, PassRecord, choose_passes, run_passes
from graphflow.session import Session, _placeholders, get_default_session, session_for
from graphflow.subgraph import Subgraph, cut
from graphflow.text import format_graph

__all__ = ["Bisection", "MismatchError", "NumericsError", "PassLog", "bisect", "passes", "replay"]

Function = Callable[[Subgraph], Subgraph]


# --- a failure again --------------------------------------------------------------------------------


def replay(error: Any) -> np.ndarray[Any, Any]:
    """Compute the node of a NumericsError again, from the inputs that the error holds: the same bits as `error.output`.

    Put a breakpoint here to step into the op's kernel. Raises ArgumentError for anything else, and for an error that
    blames no node but what was fed or what a variable held.
    """
    if not isinstance(error, NumericsError):
        raise ArgumentError(f"replay: {shorten(error)} is no NumericsError")
    if error.again is None:
        raise ArgumentError(
            f"replay: nothing computed this value: it came with a {error.source}; see error.output"
        )
    return np.asarray(error.again(error.inputs))


# --- what the passes did ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class PassLog:
    """What each pass did, in order: `str()` names every rewrite with its rule and the user's line.

    sized: whether sizes were known, so that the passes that read them ran too.
    """

    records: tuple[PassRecord, ...]
    sized: bool

    def __iter__(self) -> Iterator[PassRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def seconds(self) -> float:
        """Time of all passes together."""
        return sum(r.seconds for r in self.records)

    def __str__(self) -> str:
        lines = [f"{len(self.records)} passes, {self.seconds * 1e3:.2f} ms"]
        lines += [str(r) for r in self.records]
        if not self.sized:
            lines.append("the passes that read sizes did not run: give shapes, as in feeds={x: (32, 10)}")
        return "\n".join(lines)


def passes(fetches: Any, feeds: Mapping[Any, Any] | None = None, session: Session | None = None) -> PassLog:
    """What the passes of a session do to the graph of `fetches`; nothing runs.

    feeds: an array or a shape for each fed tensor, as `session.plan` takes them. Where a placeholder of unknown shape
        is left out, only the passes that need no sizes are logged.
    session: the default one, or the graph's own, if left out. Raises as `session.plan`.
    """
    session = _session(fetches, session, "passes")
    given = session._feeds(feeds)
    needed = _placeholders(resolve_fetches(session.graph, fetches), given)
    if all(t in given or t.type.is_static for t in needed):
        return PassLog(session.plan(fetches, feeds).passes, True)
    with session._turn():
        session._check_open()
        fed = (*given, *[t for t in needed if t not in given])
        signature = session._signature(fetches, fed)
        log: list[PassRecord] = []
        run_passes(source_of(session.graph, signature, ()).cut(), session._passes.before, log)
    return PassLog(tuple(log), False)


# --- which rewrite changed a value ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Bisection:
    """What makes an optimised run differ from one that is not optimised. False if nothing does.

    stage: "pass", "kernel" or "memory" as in MismatchError; "" where nothing differs. culprit: the pass, the op, or the
    node that wrote the bytes. rule, node: the rewrite to blame, where it is known.
    before: a small graph that shows it, with its values in `feeds`; after: what the pass makes of it.
    expected, got: values that differ. told: all of it in words.
    """

    told: str
    stage: str = ""
    culprit: str = ""
    rule: str = ""
    node: Node | None = None
    before: Subgraph | None = None
    after: Subgraph | None = None
    feeds: tuple[Any, ...] = ()
    expected: Any = None
    got: Any = None

    def __bool__(self) -> bool:
        return bool(self.stage)

    def __str__(self) -> str:
        return self.told


def bisect(
    fetches: Any,
    feeds: Mapping[Any, Any] | None = None,
    session: Session | None = None,
    *,
    passes: Sequence[Any] | None = None,
) -> Bisection:
    """Find the single rewrite, or the kernel, that makes an optimised run differ from one that is not optimised.

    Passes first: results by the interpreter before and after each, bit for bit for those that keep every bit, within
    a bound on rounding for the others; then the replacements of the pass that differs, by halving; then a small graph.
    If no pass is to blame, the program runs against the ops' own kernels, as with check="reference".
    passes: functions from subgraph to subgraph, (name, function) pairs or names of passes to look at, in the place
        of the session's; kernels are not looked at then.
    session: the default one, or the graph's own, if left out; its variables and counters stay as they are.
    Nodes with effects, such as Print, have them. Raises as `session.run` for bad fetches and feeds.
    """
    session = _session(fetches, session, "bisect")
    chosen = None if passes is None else _chosen(passes)
    fed = session._feeds(feeds)
    with session._turn():
        session._check_open()
        signature = session._signature(fetches, tuple(fed))
        arrays = [as_feed(t, value) for t, value in fed.items()]
        shapes = tuple([a.shape for a in arrays])
        before, after = (session._passes.before, session._passes.after) if chosen is None else ((), chosen)
        source = source_of(session.graph, signature, shapes, before, after)
        stages = source.stages()
        program, _ = session._program(signature, shapes, session.memory_limit)
        check = ReferenceCheck(program, backend_for, session._store, session.threads)
        state = check.state(stages[0].before)
        lab = _lab(check, stages[0].before, arrays, state)
        found = _blamed_pass(stages, lab)
        if found is not None or chosen is not None:
            return found or _nothing(len(stages) - 1, None)
        check.rehearsing = True
        try:
            check.run(arrays)
        except MismatchError as error:
            return _blamed_kernel(error)
    return _nothing(len(stages) - 1, len(program.instructions))


def _lab(check: ReferenceCheck, plain: Subgraph, arrays: Sequence[Any], state: Mapping[str, Any]) -> Lab:
    """Where the passes' results are computed. Nodes with effects run here, once."""
    known: dict[int, tuple[Any, ...]] = {}

    def watch(node: Node, attrs: Mapping[str, Any], inputs: Any, outputs: tuple[Any, ...]) -> None:
        if node.op.has_effect:
            known[node.id] = outputs

    functions = host_functions(check._host)
    fed = [np.asarray(v, t.type.dtype) for t, v in zip(plain.inputs, arrays, strict=True)]
    Lab(fed, state, functions, check.scope).results(plain, watch=watch)
    return Lab(fed, state, functions, check.scope, known)


def _blamed_pass(stages: Sequence[Stage], lab: Lab) -> Bisection | None:
    results = lab.results(stages[0].before)
    if results.error is not None:
        raise results.error
    for stage in stages:
        if stage.after is stage.before:
            continue
        given = lab.results(stage.after)
        changed = lab.changed(stage.before, results, given, stage.exact)
        if changed is None:
            results = given
            continue
        found = blame(stage, lab, changed)
        promise = "keeps every bit" if stage.exact else "may change rounding, no more"
        lines = [f"pass '{stage.name}', which {promise}, changes {found.changed}"]
        replaced = found.replacement
        if replaced is not None:
            lines.append(f"by {replaced}")
        lines += ["", format_graph(found.before), "", "becomes", "", format_graph(found.after)]
        if found.feeds:
            lines += ["", "for"]
        for t, value in zip(found.before.inputs, found.feeds, strict=True):
            lines.append(f"  <{t.name}> = {_told(value)}")
        return Bisection(
            "\n".join(lines),
            "pass",
            stage.name,
            "" if replaced is None else replaced.rule,
            None if replaced is None else replaced.node,
            found.before,
            found.after,
            found.feeds,
            changed.expected,
            changed.got,
        )
    return None


def _told(value: Any) -> str:
    """A value in one line of bounded length."""
    text = np.array2string(np.asarray(value), separator=", ", threshold=50)
    return " ".join(text.split())


def _blamed_kernel(error: MismatchError) -> Bisection:
    node = error.node
    alone = None
    if node is not None and error.stage == "kernel":
        alone = cut(node.outputs, node.inputs)
    told = str(error) if alone is None else f"{error}\n\n{format_graph(alone)}"
    return Bisection(
        told,
        error.stage,
        error.culprit,
        "",
        node,
        alone,
        None,
        error.inputs if alone is not None else (),
        error.expected,
        error.got,
    )


def _nothing(n_passes: int, n_kernels: int | None) -> Bisection:
    kernels = "" if n_kernels is None else f" and {n_kernels} instructions"
    return Bisection(
        f"nothing differs: {n_passes} passes{kernels} give the values of the graph as it was written"
    )


def _chosen(passes: Sequence[Any]) -> tuple[tuple[str, Function], ...]:
    """Passes as (name, function). Raises ArgumentError for what is none."""
    if isinstance(passes, (str, bytes)) or not isinstance(passes, Sequence):
        raise ArgumentError(f"bisect: passes must be a list of functions or names, not {shorten(passes)}")
    found: list[tuple[str, Function]] = []
    for p in passes:
        if isinstance(p, str):
            named = choose_passes((p,))
            if named.planning:
                raise ArgumentError(
                    f"bisect: {shorten(p)} is no pass but a decision about the plan: bisect without passes= looks at "
                    f"the kernels and bytes that it leads to"
                )
            found.extend((*named.before, *named.after))
        elif isinstance(p, Pass):
            function = p.exact or p.fast
            found.extend([] if function is None else [(p.name, function)])
        elif isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) and callable(p[1]):
            found.append((p[0], _giving_subgraphs(p[1], p[0])))
        elif callable(p):
            name = getattr(p, "__name__", repr(p))
            found.append((name, _giving_subgraphs(p, name)))
        else:
            raise ArgumentError(f"bisect: a pass is a function from subgraph to subgraph, not {shorten(p)}")
    return tuple(found)


def _giving_subgraphs(function: Callable[..., Any], name: str) -> Function:
    """A user's pass, with an ArgumentError where it gives something else."""

    def checked(subgraph: Subgraph) -> Subgraph:
        made = function(subgraph)
        if not isinstance(made, Subgraph):
            raise ArgumentError(f"bisect: pass {shorten(name)} must give a Subgraph, it gave {shorten(made)}")
        return made

    return checked


# --- what a session knows ---------------------------------------------------------------------------


def _session(fetches: Any, session: Session | None, what: str) -> Session:
    if session is not None and not isinstance(session, Session):
        raise ArgumentError(f"{what}: session must be a Session, not {shorten(session)}")
    default = get_default_session()
    if session is None and default is not None:
        return default
    return session_for(session, _graph_of(fetches))


def _graph_of(fetches: Any) -> Graph:
    """The graph of the first tensor, operation or variable in a nest; the default graph if there is none."""
    stack = [fetches]
    while stack:
        item = stack.pop()
        if isinstance(item, Mapping):
            stack.extend(reversed(list(item.values())))
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        elif isinstance(getattr(item, "graph", None), Graph):
            return item.graph  # type: ignore[no-any-return]
    return get_default_graph()
