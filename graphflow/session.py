"""Sessions: who holds variables, caches programs, and runs what is fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Self
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from graphflow import config
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for, canonical
from graphflow.collector import paused_collector
from graphflow.compiler import Compiled, Compiler
from graphflow.compiler import check as check_plan
from graphflow.errors import ArgumentError, FeedError, GraphflowError, MemoryLimitError, SessionError, shorten
from graphflow.feeds import as_feed
from graphflow.fetches import Fetches, resolve_fetches
from graphflow.graph import BodyGraph, Graph, Node, Tensor, get_default_graph
from graphflow.ops.on_demand import value_of
from graphflow.passes.pipeline import PassRecord, choose_passes
from graphflow.plan import Plan, parse_nbytes
from graphflow.profile import Recorder
from graphflow.program import Program
from graphflow.runtime import VariableStore, load
from graphflow.subgraph import Subgraph
from graphflow.template import Template, is_plain, make_template
from graphflow.types import Shape, as_index, shape_from_user

__all__ = ["Session", "evaluate", "get_default_session", "session_for"]

_default: ContextVar[tuple[Any, ...]] = ContextVar("graphflow_sessions", default=())


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class _Signature:
    """A cut for certain fetches and fed tensors, with its executables by the feeds' shapes (and by the limit they keep)."""

    fetches: Fetches
    feeds: tuple[Tensor, ...]
    subgraph: Subgraph | None  # None where tensors were changed in place since the cut was made
    loaded: dict[tuple[Any, ...], Any]
    templates: list[
        Template | None
    ]  # at most one, made with the second set of shapes; None where there can be none
    version: int  # of the graph: tensors changed in place later mean something else, but not here
    latest: WeakValueDictionary[Template, Any] = field(  # what was loaded last of each template's programs
        default_factory=WeakValueDictionary
    )


_MOST_SIGNATURES = 1024
"""How many cuts a session keeps: what was used longest ago goes, so that evaluating ever new tensors needs no more."""

_MOST_SHAPES = 128
"""How many programs a cut keeps, one for each set of feeds' shapes; each has an arena of its own."""

_MOST_TEMPLATES = 4
"""How many kinds of sizes a cut keeps a template for."""

_REPLANNED_SECONDS = 1e-3
"""A profiled run from here on is planned again by what was measured: several lanes may do it faster."""

_BUSY = "this session is running on this thread already: a callback cannot use it"


class Session:
    """Runs parts of one graph, and holds the values of its variables.

    graph: the default graph if None. device: where nodes run that ask for none ("cpu").
    memory_limit: bytes, or text such as "2GB" or "512MiB", that no run exceeds: where it would, values are kept in
        clusters, computed again or put aside in files (`plan(...).explain()` says the price); where that does not do,
        MemoryLimitError.
    optimize: True or "exact" for rewrites that keep every bit, "fast" to allow rounding changes, False for none, or
        the names of those passes that are to run.
    threads: how many threads a run may use; at least 1.
    check: what every run looks for, as in `run`.
    Runs from several threads take turns. A session is closed by `close()` or at the end of `with session:`.
    """

    def __init__(
        self,
        graph: Graph | None = None,
        device: str | None = None,
        memory_limit: int | str | None = None,
        optimize: bool | str | Sequence[str] = True,
        threads: int | None = None,
        check: str | bool | None = None,
    ) -> None:
        if graph is not None and not isinstance(graph, Graph):
            raise ArgumentError(f"Session: graph must be a Graph, not {shorten(graph)}")
        try:
            self._passes = choose_passes(optimize)
        except ArgumentError as error:
            raise ArgumentError(f"Session: {error}") from None
        if threads is not None:
            threads = as_index(threads, "Session: threads")
            if threads < 1:
                raise ArgumentError(f"Session: threads must be at least 1, not {shorten(threads)}")
        self.graph = graph if graph is not None else get_default_graph()
        if isinstance(self.graph, BodyGraph):
            raise ArgumentError("Session: a loop body, branch or traced function has no session of its own")
        self.device = canonical(device)
        host = backend_for(self.device).xp is np
        self._io_device = self.device if host else "cpu:0"
        self.memory_limit = None if memory_limit is None else parse_nbytes(memory_limit, "memory_limit")
        self.optimize = optimize
        self.threads = threads
        self.check = _as_check(check, "Session", memory_limit=self.memory_limit)
        self._compiler = Compiler(self.graph, self.device, self._io_device, self._passes, threads)
        self.profile: Recorder | None = None
        self._store = VariableStore()
        self._signatures: dict[Any, _Signature] = {}
        self._alive: WeakSet[_Signature] = WeakSet()  # those too that only callables hold
        self._asked: tuple[Any, Compiled] | None = (
            None  # the plan that was asked for last, until a run is made of it
        )
        # Whether this thread is inside a run is asked of the lock itself: a flag of our own could be left set by an
        # interrupt, while entering and leaving `with lock` cannot be interrupted half-way.
        self._lock: Any = threading.RLock()
        self._closed = False
        self._tokens: list[Any] = []

    # --- running ---

    def run(
        self,
        fetches: Any,
        feed_dict: Mapping[Any, Any] | None = None,
        *,
        memory_limit: int | str | None = None,
        profile: bool = False,
        check: str | bool | None = None,
    ) -> Any:
        """Values of `fetches`, which may be any nest of tensors, operations, variables and names.

        feed_dict: values for tensors (or their names); any tensor may be fed, placeholders must be.
        memory_limit: for this run, instead of the session's. profile: time every node, into `self.profile`.
        check: for this run, instead of the session's: "nan" for a NumericsError at the first node that makes a NaN or
            an infinity ("only_nan": a NaN), "reference" for a MismatchError at the first pass or kernel that changes a
            value; False for none.
        Gives NumPy arrays that the caller owns (NumPy scalars for rank 0), None for operations.
        Raises FeedError and FetchError before anything runs. After an error the variables are as before.
        """
        limit = self.memory_limit if memory_limit is None else parse_nbytes(memory_limit, "memory_limit")
        wanted = self.check if check is None else check
        checked = _as_check(wanted, "run", profile=profile, memory_limit=limit)
        fed = self._feeds(feed_dict)
        with self._turn():
            self._check_open()
            signature = self._signature(fetches, tuple(fed))
            arrays = [as_feed(t, value) for t, value in fed.items()]
            executable = self._executable(signature, tuple([a.shape for a in arrays]), limit, checked)
            recorder = Recorder(self._libraries()) if profile else None
            values = executable.run(arrays, recorder)
            if recorder is not None:
                self.profile = recorder
                self._learn_costs(signature, executable, recorder)
        return signature.fetches.rebuild([v[()] for v in values])

    def _learn_costs(self, signature: _Signature, executable: Any, recorder: Recorder) -> None:
        """Plan by what was measured from now on, this run too where lanes may gain by it."""
        from graphflow.analysis.calibration import calibrate  # few runs are profiled

        before = self._compiler.calibration
        self._compiler = replace(
            self._compiler, calibration=calibrate(executable.program, recorder, before=before)
        )
        if recorder.seconds > _REPLANNED_SECONDS:
            for key in [k for k, e in signature.loaded.items() if e is executable]:
                del signature.loaded[key]

    def value(self, tensor: Tensor) -> Any:
        """The value of a tensor that small nodes make of constants, without a run; None for any other tensor."""
        self._turn()
        self._check_open()
        if self.memory_limit is not None or self._io_device != self.device:  # no host: it may give other bits
            return None
        return value_of(tensor, self.run)

    def make_callable(self, fetches: Any, feed_list: Sequence[Any] | None = None) -> Callable[..., Any]:
        """A function of arrays, one for each tensor of `feed_list`, that gives the values of `fetches`.

        The fast way to run the same thing many times: fetches and feeds are looked up once.
        """
        feeds = tuple(self._feeds(dict.fromkeys(self._listed_feeds(feed_list), 0)))
        with self._turn():
            self._check_open()
            signature = self._signature(fetches, feeds)
        return self._callable(signature, fetches)

    def _callable(self, signature: _Signature, fetches: Any) -> Callable[..., Any]:
        """What `make_callable` gives. Written for small steps, where each Python call is felt."""
        feeds, rebuild, check = signature.feeds, signature.fetches.rebuild, self.check
        loaded = signature.loaded if check is None else {}  # what is checked is found by `_executable`
        single = isinstance(fetches, Tensor)
        done = None if signature.fetches.tensors else rebuild([])
        lock, running_here = self._lock, self._lock._is_owned
        limit = self.memory_limit

        def prepare(values: tuple[Any, ...]) -> tuple[Any, Sequence[Any]]:
            if len(values) != len(feeds):
                raise FeedError(f"this callable takes {len(feeds)} arrays, got {len(values)}")
            arrays = [as_feed(t, v) for t, v in zip(feeds, values, strict=True)]
            shapes = tuple([a.shape for a in arrays])
            return self._executable(signature, shapes, limit, check), arrays

        def run(*values: Any) -> Any:
            try:
                executable = loaded.get(tuple([v.shape for v in values]))
            except (AttributeError, TypeError):  # not arrays
                executable = None
            if running_here():
                raise SessionError(_BUSY)
            with lock:
                self._check_open()
                if executable is not None and limit is None and executable.step(values):
                    return done
                arrays: Sequence[Any] = values
                if executable is None or limit is not None or not executable.accepts(values):
                    executable, arrays = prepare(values)
                results = executable.run(arrays)
            if single:
                return results[0][()]
            return rebuild([r[()] for r in results])

        return run

    def plan(self, fetches: Any, feeds: Mapping[Any, Any] | None = None) -> Plan:
        """What a run would cost, without running anything; see Plan.

        feeds: for each fed tensor (or name) an array or a shape. Placeholders left out are planned with their
            declared shape, which must be static then.
        """
        given = self._feeds(feeds)
        with self._turn():
            self._check_open()
            resolved = resolve_fetches(self.graph, fetches)
            missing = [t for t in _placeholders(resolved, given) if t not in given]
            shapes: dict[Tensor, Shape] = {t: _shape_of(t, value) for t, value in given.items()}
            for t in missing:
                if not t.type.is_static:
                    raise FeedError(
                        f"plan: '{t.name}' is {t.type}; say its shape: feeds={{{t.op.name}: (...)}}"
                    ).at(t.op.place)
                shapes[t] = t.type.dims
            log: list[PassRecord] = []
            cut_feeds, sizes, version = tuple(shapes), tuple(shapes.values()), self.graph.version
            with paused_collector():
                subgraph = self._compiler.cut(resolved, cut_feeds, version, log)
                made = self._compiler.compile(subgraph, sizes, self.memory_limit, log)
            deep = self._deep_key(resolved, cut_feeds, version)
            if deep not in self._signatures:  # a run that follows takes the cut and the plan as they are
                self._remember(deep, _Signature(resolved, cut_feeds, subgraph, {}, [], version))
                self._asked = self._plan_key(subgraph, sizes, self.memory_limit), made
            return Plan(
                made.planned.program,
                made.subgraph,
                self.device,
                passes=tuple(log),
                fusion=made.planned.fusion,
                fitted=made.fitted,
                calibration=self._compiler.calibration,
            )

    def _signature(self, fetches: Any, feeds: tuple[Tensor, ...]) -> _Signature:
        version = self.graph.version
        key = self._fast_key(fetches, feeds, version)
        known = self._signatures.pop(key, None) if key is not None else None
        if known is not None:
            self._signatures[key] = known  # the last one used
            return known
        resolved = resolve_fetches(self.graph, fetches)
        deep = self._deep_key(resolved, feeds, version)
        base = self._signatures.get(deep)
        if base is None:
            with paused_collector():
                subgraph = self._compiler.cut(resolved, feeds, version)
            base = self._remember(deep, _Signature(resolved, feeds, subgraph, {}, [], version))
        subgraph_now = base.subgraph if base.version == version else None
        known = replace(base, fetches=resolved, feeds=feeds, subgraph=subgraph_now, version=version)
        self._remember(key, known)
        return known

    def _remember(self, key: Any, signature: _Signature) -> _Signature:
        self._alive.add(signature)
        if key is not None:
            self._signatures[key] = signature
            if len(self._signatures) > _MOST_SIGNATURES:
                del self._signatures[next(iter(self._signatures))]
        return signature

    @staticmethod
    def _deep_key(fetches: Fetches, feeds: tuple[Tensor, ...], version: int) -> Any:
        """A key that different names of the same tensors share, and nodes that were made anew in a loop."""
        numbered = all(t.op.op.name == "placeholder" for t in feeds)
        wanted = tuple([t.number if numbered else t for t in fetches.tensors])
        return (None if numbered else version, wanted, fetches.targets, feeds)

    def _plan_key(self, subgraph: Subgraph, shapes: tuple[Shape, ...], limit: int | None) -> Any:
        """All that a plan of a cut is made from."""
        return subgraph, shapes, limit, self._compiler.calibration, config.get()

    @staticmethod
    def _fast_key(fetches: Any, feeds: tuple[Tensor, ...], version: int) -> Any:
        """A key that needs no look-up of the graph: for one tensor or operation, or a flat list or tuple of them."""
        kind = type(fetches)
        if kind is Tensor or kind is Node:
            return (version, fetches, feeds)
        if kind in (list, tuple) and all(type(f) is Tensor or type(f) is Node for f in fetches):
            return (version, kind, tuple(fetches), feeds)
        return None

    def _executable(
        self,
        signature: _Signature,
        shapes: tuple[Shape, ...],
        limit: int | None = None,
        check: str | None = None,
    ) -> Any:
        if check is not None:
            return self._checked(signature, shapes, limit, check)
        loaded = signature.loaded
        executable = loaded.get(shapes)
        if executable is not None and (limit is None or self._fits(executable, limit)):
            return executable
        key = shapes if limit is None else (*shapes, limit)
        executable = None if limit is None else loaded.get(key)
        if executable is not None and self._fits(executable, limit):  # type: ignore[arg-type]  # a limit is given
            return executable
        with paused_collector():
            program, template = self._program(signature, shapes, limit)
            if limit is not None:
                self._make_room(memory_profile(program).peak, limit)
            like = None if template is None else signature.latest.get(template)
            try:
                executable = load(program, backend_for, self._store, self.threads, like)
            except MemoryError as error:
                plan = Plan(program, None, self.device)
                raise MemoryLimitError(
                    f"the memory for this run is not to be had: {error}\n{plan.needs()}"
                ) from error
        if template is not None:
            signature.latest[template] = executable
        loaded[key] = executable
        if len(loaded) > _MOST_SHAPES:
            del loaded[next(iter(loaded))]
        return executable

    def _checked(
        self, signature: _Signature, shapes: tuple[Shape, ...], limit: int | None, check: str
    ) -> Any:
        """An executable that looks into its runs."""
        loaded, key = signature.loaded, (check, *shapes, limit)
        executable = loaded.get(key)
        if executable is not None and (limit is None or self._fits(executable, limit)):
            return executable
        with paused_collector():
            program, _ = self._program(signature, shapes, limit)
            if limit is not None:
                self._make_room(memory_profile(program).peak, limit)
            passes = self._passes
            from graphflow.checking import load_checked, source_of

            source = source_of(self.graph, signature, shapes, passes.before, passes.after)
            executable = load_checked(check, program, backend_for, self._store, self.threads, source)
        loaded[key] = executable
        if len(loaded) > _MOST_SHAPES:
            del loaded[next(iter(loaded))]
        return executable

    def _program(
        self, signature: _Signature, shapes: tuple[Shape, ...], limit: int | None
    ) -> tuple[Program, Template | None]:
        """The program for these shapes, and the template of the cut that it is from, where one fits."""
        templates = signature.templates
        for template in templates:
            program = None if template is None else template.program_for(shapes)
            if program is not None and (limit is None or memory_profile(program).peak <= limit):
                check_plan(program)
                return program, template
        subgraph = signature.subgraph
        current = subgraph is not None and signature.version == self.graph.version
        if not current:  # a callable's, made before a tensor was changed in place
            subgraph = self._compiler.cut(signature.fetches, signature.feeds, signature.version)
        asked, self._asked = self._asked, None
        if asked is not None and asked[0] != self._plan_key(subgraph, shapes, limit):  # type: ignore[arg-type]  # cut just above
            asked = None
        wanted = current and signature.loaded and self._passes.after and _wants_template(templates)
        known = [e.program for e in signature.loaded.values()] if wanted and asked is None else []
        usual = next(filter(is_plain, known), None)
        made: Template | None = None
        if usual is not None:
            made = self._template(subgraph, shapes, usual)  # type: ignore[arg-type]
            program = None if made is None else made.program_for(shapes)
            if program is not None and (limit is None or memory_profile(program).peak <= limit):
                templates.append(made)
                return program, made
        compiled = self._compiler.compile(subgraph, shapes, limit) if asked is None else asked[1]  # type: ignore[arg-type]
        planned = compiled.planned.program
        if usual is not None:
            templates.append(made)
        elif wanted and compiled.fitted is None and asked is None:
            templates.append(self._template(subgraph, shapes, planned) if is_plain(planned) else None)  # type: ignore[arg-type]
        return planned, None

    def _template(self, subgraph: Subgraph, shapes: tuple[Shape, ...], usual: Program) -> Template | None:
        return make_template(subgraph, shapes, self._passes, self._compiler.plan_bound, usual)

    def _fits(self, executable: Any, limit: int) -> bool:
        """Whether an executable runs within `limit` bytes; what other programs hold is given back if it must be."""
        peak = executable.peak_nbytes
        return peak <= limit and self._make_room(peak, limit, executable)

    def _make_room(self, peak: int, limit: int, keep: Any = None) -> bool:
        """Forget other programs' arenas where they and `peak` together would exceed the limit. Gives True."""
        others = [(s.loaded, key, e) for s in self._alive for key, e in s.loaded.items() if e is not keep]
        held = sum(sum(e.program.arena_nbytes.values()) for _, _, e in others)
        if peak + held > limit:
            for loaded, key, _ in others:
                loaded.pop(key, None)  # two signatures may share what they loaded
        return True

    def _feeds(self, feed_dict: Mapping[Any, Any] | None) -> dict[Tensor, Any]:
        if feed_dict is None:
            return {}
        if not isinstance(feed_dict, Mapping):
            raise FeedError(f"feed_dict must be a dict, not {shorten(feed_dict)}")
        graph = self.graph
        fed: dict[Tensor, Any] = {}
        for key, value in _flat_feeds(feed_dict):
            if type(key) is Tensor and key.op.graph is graph:
                t = graph.as_made(key) if graph.version else key
            else:
                t = self._feed_key(key)
            if t in fed:
                raise FeedError(f"'{t.name}' is fed twice")
            fed[t] = value
        return fed

    def _feed_key(self, key: Any) -> Tensor:
        if hasattr(type(key), "__graphflow_fetch__") and hasattr(type(key), "read"):
            key = key.read()
        try:
            element = self.graph.as_graph_element(key)
        except GraphflowError as error:
            raise FeedError(f"cannot feed {shorten(key)}: {error}") from error
        if isinstance(element, Node):
            if len(element.outputs) != 1:
                raise FeedError(f"cannot feed {element!r}: it has {len(element.outputs)} outputs; name one")
            return element.outputs[0]
        if element.op.op.name == "variable":
            raise FeedError(f"cannot feed the handle {element!r}; feed its read, or load the variable")
        return element

    @staticmethod
    def _listed_feeds(feed_list: Any) -> list[Any]:
        if feed_list is None:
            return []
        if not isinstance(feed_list, (list, tuple)):
            raise FeedError(f"make_callable: feed_list must be a list of tensors, not {shorten(feed_list)}")
        if any(isinstance(item, tuple) or type(item).__hash__ is None for item in feed_list):
            raise FeedError(
                f"make_callable: feed_list must be a flat list of tensors, not {shorten(feed_list)}"
            )
        if len({id(item) if not isinstance(item, str) else item for item in feed_list}) != len(feed_list):
            raise FeedError("make_callable: feed_list names a tensor twice")
        return list(feed_list)

    def _libraries(self) -> tuple[str, ...]:
        infos = {i.name: i for i in type(backend_for(self.device)).devices()}
        return infos[self.device].libraries

    def _turn(self) -> Any:
        """The lock that lets one thread at a time use the session. Raises SessionError inside a run of its own."""
        if self._lock._is_owned():
            raise SessionError(_BUSY)
        return self._lock

    def _check_open(self) -> None:
        if self._closed:
            raise SessionError("this session is closed")

    # --- variables ---

    def load(self, variable: Any, value: Any) -> None:
        """Set a variable of this session's graph to `value`, of its type. Raises as feeding does."""
        array = self._fitting(variable, value)
        with self._turn():
            self._check_open()
            self._set(variable, array)

    def load_all(self, values: Mapping[Any, Any]) -> None:
        """Set several variables, all or none."""
        arrays = {v: self._fitting(v, value) for v, value in values.items()}
        with self._turn():
            self._check_open()
            for v, array in arrays.items():
                self._set(v, array)

    def _fitting(self, variable: Any, value: Any) -> np.ndarray[Any, Any]:
        handle: Tensor = self.graph.as_graph_element(variable)  # type: ignore[assignment]
        array = as_feed(handle, value)
        if array.shape != handle.type.shape:
            raise FeedError(
                f"variable '{handle.op.name}' is {handle.type}, was given shape {list(array.shape)}"
            )
        return array

    def _set(self, variable: Any, array: np.ndarray[Any, Any]) -> None:
        handle: Tensor = variable.handle
        backend = backend_for(self._compiler.resolve(handle.op.device))
        key = handle.op.name
        storage = self._store.array(key, lambda: backend.empty(handle.type.dtype, array.shape))
        backend.copy_into(storage, backend.from_host(array))
        self._store.initialized.add(key)

    def is_initialized(self, variable: Any) -> bool:
        """Whether the variable has a value in this session."""
        return variable.handle.op.name in self._store.initialized

    # --- life ---

    def close(self) -> None:
        """Drop variables, programs and device memory. Closing twice is harmless; a later run is an error."""
        if self._closed:
            return
        with self._turn():
            self._closed = True
            executables = [e for s in self._alive for e in s.loaded.values()]
            used = dict.fromkeys([self.device, *[d for e in executables for d in e.program.devices]])
            for signature in self._alive:
                signature.loaded.clear()  # callables hold the signature: what it loaded must go all the same
            self._signatures.clear()
            self._asked = None
            self._store = VariableStore()
            del executables
            for device in used:
                backend_for(device).close()

    @contextmanager
    def as_default(self) -> Iterator[Session]:
        """Make this the session of `eval` and `run`, and its graph the default, without closing at the end."""
        token = _default.set((*_default.get(), self))
        try:
            with self.graph.as_default():
                yield self
        finally:
            _default.reset(token)

    def __enter__(self) -> Self:
        self._check_open()
        scope = self.as_default()
        scope.__enter__()
        self._tokens.append(scope)
        return self

    def __exit__(self, *exc: object) -> None:
        self._tokens.pop().__exit__(None, None, None)
        if not self._tokens:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.device
        return f"<Session of {self.graph!r}, {state}>"

    def __reduce__(self) -> Any:
        raise SessionError("a session cannot be pickled; save its variables with gf.train.Saver")


def _as_check(check: Any, what: str, **others: Any) -> str | None:
    """The check that is asked for, or None. Raises ArgumentError for one that there is not."""
    if check is None or check is False:
        return None
    from graphflow.checking import as_check  # few runs are checked

    return as_check(check, what, **others)


def _wants_template(templates: Sequence[Template | None]) -> bool:
    return len(templates) < _MOST_TEMPLATES and all(t is not None for t in templates)


def _placeholders(fetches: Fetches, given: Mapping[Tensor, Any]) -> list[Tensor]:
    """Placeholders that the fetches need, in the order of their making."""
    stack = [t.op for t in fetches.tensors if t not in given] + list(fetches.targets)
    seen = set(stack)
    while stack:
        node = stack.pop()
        needed = [t.op for t in node.inputs if t.op not in seen and t not in given]
        if node.control_inputs:
            needed += [n for n in node.control_inputs if n not in seen and n.op.name != "placeholder"]
        stack += needed
        seen.update(needed)
    found = [n for n in seen if n.op.name == "placeholder"]
    return [n.outputs[0] for n in sorted(found, key=lambda n: n.id)]


def _shape_of(t: Tensor, value: Any) -> Shape:
    """The shape that a plan is asked for: a tuple of ints is one; a list is, where it cannot be a value of `t`."""
    rank = None if t.type.shape is None else len(t.type.shape)
    if isinstance(value, tuple) or (isinstance(value, list) and rank not in (None, 1) and len(value) == rank):
        return shape_from_user(value, what=f"plan: the shape for '{t.name}'")
    shape_of_array: Shape = as_feed(t, value).shape
    return shape_of_array


def get_default_session() -> Session | None:
    """The session of the innermost `with session:`, or None."""
    stack = _default.get()
    return stack[-1] if stack else None


def _flat_feeds(feeds: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Keys and values, those made of several tensors one by one."""
    for key, value in feeds.items():
        if hasattr(type(key), "__graphflow_split__"):
            parts = key.__graphflow_parts__()
            yield from zip(parts, key.__graphflow_split__(value), strict=True)
        else:
            yield key, value


def session_for(session: Session | None, graph: Graph) -> Session:
    """`session`, else the default one if it is of that graph, else the graph's own."""
    if session is not None:
        if not isinstance(session, Session):
            raise SessionError(f"session must be a Session, not {shorten(session)}")
        return session
    default = get_default_session()
    if default is not None and default.graph is graph:
        return default
    if isinstance(graph, BodyGraph):
        raise SessionError("inside a loop body, branch or traced function no value exists yet")
    if graph.own_session is None:
        graph.own_session = Session(graph)
    return graph.own_session  # type: ignore[no-any-return]


def evaluate(fetch: Any, feed_dict: Any = None, session: Session | None = None) -> Any:
    """The value of a tensor, run on demand."""
    known = getattr(fetch, "known", None)  # left by an eager block
    if known is not None:
        return np.array(known)[()]
    session = session_for(session, fetch.graph)
    value = session.value(fetch) if feed_dict is None and type(fetch) is Tensor else None
    return session.run(fetch, feed_dict) if value is None else value
