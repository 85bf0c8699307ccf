"""The loop that runs a program over the verbs of its backends.

Everything whose arrays never change is bound once, when the program is loaded: then a run is a
walk over ready calls, done inside one C iterator (`starmap` over `operator.call`), which costs a
few tens of nanoseconds a call. A signal handler of Python's cannot run inside that walk, so the
commit, which is such a walk, happens whole or not at all.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import starmap
from operator import call, itemgetter, setitem
from typing import Any

import numpy as np

from graphflow.analysis.memory import memory_profile
from graphflow.backends.base import THREADS
from graphflow.bound_calls import Way, call_for_many, call_for_one, show
from graphflow.errors import (
    GraphflowError,
    IndexRangeError,
    MemoryLimitError,
    RunError,
    UninitializedError,
)
from graphflow.lane_runner import LaneCall, LanePool, LaneRunner
from graphflow.ops.fused import FUSED
from graphflow.ops.numpy_settings import kernel_settings, set_for_kernels
from graphflow.profile import Recorder
from graphflow.program import Instruction, Kind, Place, Program, Slot
from graphflow.types import STRING, Dim, substitute

__all__ = ["Executable", "VariableStore", "load"]

_consume: Callable[[Iterable[Any]], None] = deque[Any](maxlen=0).extend
_BROUGHT = (Kind.FEED, Kind.VIEW, Kind.DYNAMIC)
"""Slots whose arrays come with a run, or once others are there."""

_PLANNED = (Kind.BUFFER, Kind.COPIED_FEED)
"""Slots with bytes in an arena."""

LONG_RUN_NBYTES = 1 << 22
"""Programs that touch more bytes than this run call by call, so that an interrupt is honoured in between."""


class VariableStore:
    """The values that a session's variables and random counters have, by the node's name."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.initialized: set[str] = set()
        self.lanes = LanePool()

    def array(self, key: str, make: Callable[[], Any]) -> Any:
        """The storage under `key`, made (without a value) on first use."""
        if key not in self.arrays:
            self.arrays[key] = make()
        return self.arrays[key]


def load(
    program: Program,
    backend_of: Callable[[str], Any],
    store: VariableStore,
    threads: int | None = None,
    like: Any = None,
) -> Any:
    """Make a program runnable: by its backend's own way if it has one, else by the loop below.

    like: what was loaded from the same program for other sizes; of it is taken what no size changes.
    """
    if isinstance(like, Executable):
        return Executable(program, backend_of, store, threads, like)
    if len(program.devices) == 1:
        own = backend_of(program.host).load(program, store)
        if own is not None:
            return own
    return Executable(program, backend_of, store, threads)


class Executable:
    """A loaded program. `run` gives the fetched values; it keeps nothing of one run for the next."""

    def __init__(
        self,
        program: Program,
        backend_of: Callable[[str], Any],
        store: VariableStore,
        threads: int | None = None,
        like: Executable | None = None,
    ) -> None:
        self.program = program
        self._store = store
        if like is None:
            self._backends = {d: backend_of(d) for d in program.devices}
            found = [b.scope(program) for b in self._backends.values()]
            self._scopes = [scope for scope in found if scope is not None]
            self._ways: list[tuple[Mapping[str, Any], Way] | None] = [None] * len(program.instructions)
            self._has_bodies = any(i.bodies for i in program.instructions)
            self._calls_back = any(map(_sees_context, program.instructions))
        else:
            self._backends, self._scopes, self._ways = like._backends, like._scopes, like._ways
            self._has_bodies, self._calls_back = like._has_bodies, like._calls_back
        self._arenas = {d: self._backends[d].allocate(n) for d, n in program.arena_nbytes.items() if n}
        self._env, self._varying = self._fixed(like)
        self._sizes: dict[str, int] = {}
        self._sizes_matter = program.has_symbols and any(
            _speaks_of_sizes(v) for i in program.instructions for v in i.attrs.values()
        )
        touched = sum([s.nbytes or 0 for s in program.slots])
        self._step_by_step = self._has_bodies or touched > LONG_RUN_NBYTES
        self._bind_all()
        self._add_commit()
        self._prepare_io()
        self._context = contextvars.copy_context()
        self._context.run(set_for_kernels)
        self._context.run(THREADS.set, threads)
        self._lanes = self._lane_runner()
        self._all = self._head + self._tail
        simple = not (
            self._lanes
            or program.fetches
            or self._step_by_step
            or self._calls_back
            or self._scopes
            or self._dynamic_swaps
        )
        self._quick_feeds: list[tuple[Any, Any]] | None = None
        if simple and not self._dynamic_slots:
            self._quick_feeds = [(buffer.dtype, buffer) for _, buffer in self._copied]

    @cached_property
    def peak_nbytes(self) -> int:
        """The most bytes that a run holds at once."""
        return memory_profile(self.program).peak

    # --- loading ---

    def _lane_runner(self) -> LaneRunner | None:
        """What runs the head on several lanes; None where the program has one."""
        program = self.program
        head = program.instructions[: program.commit]
        if not any(i.lane for i in head):
            return None
        calls = [
            LaneCall(number, bound, place)
            for number, bound, place in zip(self._numbers, self._head, self._places, strict=False)
        ]
        waits = [i.waits for i in head]
        return LaneRunner(calls, [i.lane for i in head], waits, self._store.lanes, self._step_by_step)

    def _fixed(self, like: Executable | None) -> tuple[list[Any], set[int]]:
        """The arrays that are the same in every run, by slot, and the slots whose arrays are not."""
        slots = self.program.slots
        self._resized: list[int] = []  # slots that another like this one fills anew
        if like is None:
            env: list[Any] = [None] * len(slots)
            varying = {n for n, s in enumerate(slots) if s.kind in _BROUGHT}
            missing = [n for n in range(len(slots)) if n not in varying]
        else:
            env, varying, known = like._env.copy(), like._varying.copy(), like.program.slots
            missing = like._resized or [
                n
                for n, s in enumerate(slots)
                if s.kind in _PLANNED or (s is not known[n] and s.kind not in _BROUGHT)
            ]
            self._resized = missing
        device = ""
        backend: Any = None
        memory: Any = None
        for n in missing:
            slot = slots[n]
            if slot.device != device:
                device = slot.device
                backend, memory = self._backends[device], self._arenas.get(device)
            if slot.kind not in _PLANNED:
                env[n] = self._kept(slot, backend)
                continue
            dtype, shape = slot.type
            if memory is None or not slot.nbytes:
                env[n] = backend.empty(dtype, shape)
            else:
                env[n] = backend.view(memory, slot.offset, dtype, shape)
        return env, varying

    def _kept(self, slot: Slot, backend: Any) -> Any:
        """The array of a slot whose value outlives a run: a constant, or what the session stores."""
        if slot.kind is Kind.CONSTANT:
            at_hand = slot.device == self.program.host and _is_host(backend)
            return slot.value if at_hand and slot.value is not None else backend.from_host(slot.value)
        if slot.kind is Kind.VARIABLE:
            return self._store.array(slot.key, partial(backend.empty, *slot.type))
        return self._store.array(slot.key, partial(backend.from_host, np.zeros((), np.int64)))

    def _bind_all(self) -> None:
        """The calls of head and tail, and for each the number of its instruction and its place."""
        program, env = self.program, self._env
        calls: list[tuple[Any, ...]] = []
        numbers: list[int] = []
        commit: int | None = None
        self._late: dict[int, Callable[[], tuple[Any, ...]]] = {}
        for number, instruction in enumerate(program.instructions):
            if number == program.commit:
                commit = len(calls)
            way = self._ways[number]
            if way is not None and way[0] is instruction.attrs:
                call = way[1](env)
                if call is not None:
                    calls.append(call)
                    numbers.append(number)
                continue
            made = self._bind(number, instruction)
            if commit is not None and (ready := self._ready(instruction)) is not None:
                self._late[len(calls) - commit] = ready
                made[1:] = [(setitem, env, s, None) for s in instruction.frees]
            calls += made
            numbers += [number] * len(made)
        if commit is None:
            commit = len(calls)
        self._head, self._tail = calls[:commit], calls[commit:]
        self._numbers = numbers
        self._places = [program.instructions[n].place for n in numbers]

    def _bind(self, number: int, i: Instruction) -> list[tuple[Any, ...]]:
        """The calls for one instruction; none for a view of bytes that never move."""
        backend = self._backends[i.device]
        env, varying = self._env, self._varying
        way: Way | None = None
        if varying.isdisjoint(i.inputs):
            if i.is_view:
                if i.op.is_silent and not (self._sizes_matter and _has_symbols(i)):
                    way = show(i, backend)
                    varying.discard(i.outputs[0])
            elif varying.isdisjoint(i.outputs) and not i.bodies:
                if len(i.outputs) == 1 and i.op is not FUSED:
                    way = call_for_one(i, backend)
                elif i.op.takes_out:
                    way = call_for_many(i, backend)
        if way is not None:
            self._ways[number] = i.attrs, way
            call = way(env)
            return [] if call is None else [call]
        calls: list[tuple[Any, ...]] = [(self._dynamic(i, backend),)]
        if i.frees:
            calls.append((_release, env, i.frees))
        return calls

    def _ready(self, i: Instruction) -> Callable[[], tuple[Any, ...]] | None:
        """For an instruction of the commit whose arrays a run brings: what gives its call, right before the commit.

        A call that looks its arrays up by itself is a Python function, in which an interrupt may be raised: then some
        variables would be written and others not. None where the call is bound already.
        """
        env, varying, backend = self._env, self._varying, self._backends[i.device]
        if varying.isdisjoint((*i.inputs, *i.outputs)) or len(i.outputs) != 1 or i.op is FUSED:
            return None
        target, fetch = i.outputs[0], _getter(env, i.inputs)
        if i.is_view:
            function = self._function(i, backend)

            def shown() -> tuple[Any, ...]:
                env[target] = function(*fetch())
                return (len, ())  # nothing is left to do

            return shown
        if not i.op.takes_out:
            return None
        made = self.program.slots[target].type

        def ready() -> tuple[Any, ...]:
            if target in varying:
                env[target] = backend.empty(made.dtype, made.shape)
            function, arguments = backend.call(i.op, i.attrs, fetch(), env[target])
            return (function, *arguments)

        return ready

    def _dynamic(self, i: Instruction, backend: Any) -> Callable[[], None]:
        """A call that looks its arrays up at each run."""
        env = self._env
        inputs, outputs = i.inputs, i.outputs
        if i.op.name == "transfer":
            return self._transfer(i)
        function = self._control(i, backend) if i.bodies else self._function(i, backend)
        fetch = _getter(env, inputs)
        contiguous = backend.contiguous
        types = [self.program.slots[s].type for s in outputs]
        is_given = all(t.is_static and t.dtype is not STRING for t in types)
        if (len(outputs) != 1 or i.op is FUSED) and i.op.takes_out and is_given:

            def fill_all() -> None:
                out = tuple(
                    [
                        backend.empty(t.dtype, t.shape) if s in self._varying else env[s]
                        for s, t in zip(outputs, types, strict=True)
                    ]
                )
                for s, value in zip(outputs, function(*fetch(), out=out), strict=True):
                    env[s] = value

            return fill_all
        if len(outputs) != 1:

            def many() -> None:
                for s, value in zip(outputs, function(*fetch()), strict=True):
                    if value is None:  # what nothing needs of a loop
                        continue
                    env[s] = value = contiguous(value)
                    if self._sizes_matter:
                        self._learn(s, value)

            return many
        target = outputs[0]
        if target not in self._varying:
            out = env[target]
            if i.op.takes_out:

                def fill() -> None:
                    function(*fetch(), out=out)

                return fill
            return lambda: backend.copy_into(out, function(*fetch()))
        if i.is_view:

            def view() -> None:
                env[target] = function(*fetch())

            return view
        if i.op.is_view:  # planned as a copy: its kernel may have found that a view would do

            def apart() -> None:
                value = contiguous(function(*fetch()))
                env[target] = value = (
                    backend.copy(value) if _overlap(backend.xp, value, env[inputs[0]]) else value
                )
                if self._sizes_matter:
                    self._learn(target, value)

            return apart
        if i.bodies:

            def whole() -> None:
                value = function(*fetch())
                if value is not None:  # what nothing needs of a scan
                    env[target] = value = contiguous(value)
                    if self._sizes_matter:
                        self._learn(target, value)

            return whole
        if self._sizes_matter and not self.program.slots[target].type.is_static:

            def measured() -> None:
                env[target] = value = contiguous(function(*fetch()))
                self._learn(target, value)

            return measured

        (given,) = types
        if i.op.takes_out and is_given:  # no temporaries but those declared

            def made() -> None:
                env[target] = function(*fetch(), out=backend.empty(given.dtype, given.shape))

            return made

        def single() -> None:
            env[target] = contiguous(function(*fetch()))

        return single

    def _function(self, i: Instruction, backend: Any) -> Callable[..., Any]:
        """The kernel; where its attributes speak of sizes that depend on data, they are filled in at each call."""
        if not (self._sizes_matter and _has_symbols(i)):
            return backend.function(i.op, i.attrs)  # type: ignore[no-any-return]

        def run(*arrays: Any, **options: Any) -> Any:
            attrs = {k: substitute(v, self._sizes) for k, v in i.attrs.items()}
            return backend.function(i.op, attrs)(*arrays, **options)

        return run

    def _learn(self, slot: int, value: Any) -> None:
        """Note the sizes that a value shows."""
        for d, size in zip(self.program.slots[slot].type.shape or (), value.shape, strict=False):
            if isinstance(d, Dim) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.terms[0][0]) == 1:
                self._sizes[d.terms[0][0][0]] = size

    def _transfer(self, i: Instruction) -> Callable[[], None]:
        env, source, target = self._env, i.inputs[0], i.outputs[0]
        giver, taker = self._backends[i.attrs["source"]], self._backends[i.attrs["target"]]

        def move() -> None:
            value = env[source]
            env[target] = taker.from_host(value if _is_host(giver) else giver.to_host(value))

        return move

    def _control(self, i: Instruction, backend: Any) -> Callable[..., Any]:
        parts = tuple(Executable(p, self._backends_of, self._store).as_function() for p in i.bodies)
        kernel, attrs = i.op.kernel, {k: v for k, v in i.attrs.items() if k != "bodies"}
        if kernel is None:
            raise RunError(f"op {i.op.name!r} has no kernel")

        def run(*arrays: Any) -> tuple[Any, ...]:
            result = kernel(backend.xp, *arrays, bodies=parts, used=i.used, **attrs)
            return result if isinstance(result, tuple) else (result,)

        return run if len(i.outputs) != 1 else lambda *arrays: run(*arrays)[0]

    def _backends_of(self, device: str) -> Any:
        from graphflow.backends import backend_for

        return self._backends.get(device) or backend_for(device)

    def _add_commit(self) -> None:
        self._dynamic_swaps = []
        for source, target in self.program.swaps:
            if source not in self._varying:
                backend = self._backends[self.program.slots[target].device]
                function, arguments = backend.store(self._env[target], self._env[source])
                self._tail.append((function, *arguments))
            else:
                self._dynamic_swaps.append((self._env[target], source))
        for counter in self.program.counters:
            array = self._env[counter]
            function, arguments = self._backends[self.program.slots[counter].device].advance(array)
            self._tail.append((function, *arguments))

    def _prepare_io(self) -> None:
        slots = self.program.slots
        self._host = self._backends[self.program.host]
        early = self.program.early_fetches
        self._late_fetches = [(k, s) for k, s in enumerate(self.program.fetches) if not early[k]]
        varying = self._varying
        self._copied = [(n, self._env[s]) for n, s in enumerate(self.program.feeds) if s not in varying]
        self._feed_dtypes = [slots[s].type.dtype for s in self.program.feeds]
        self._by_reference = [s in varying for s in self.program.feeds]
        self._referred = [(n, s) for n, s in enumerate(self.program.feeds) if s in varying]
        self._needed = [(slots[s].key, place) for s, needed, place in self.program.variables if needed]
        self._written = [slots[s].key for s in self.program.written]
        self._dynamic_slots = tuple(sorted(varying))
        self._owned = [slots[s].kind is Kind.DYNAMIC for s in self.program.fetches]

    def _made(self, slots: Sequence[int]) -> list[Any]:
        """The values in some slots, for a recorder."""
        return [self._env[s] for s in slots]

    # --- running ---

    def run(self, feeds: Sequence[Any], recorder: Recorder | None = None) -> list[Any]:
        """Values of the fetches, as arrays the caller owns.

        feeds: host arrays of exactly the declared shape and native byte order, C-contiguous unless small;
            the dtype may differ for small ones, which are converted as they are copied.
        Raises UninitializedError before anything runs; RunError and its kin with the node's line. After an
        error nothing has changed.
        """
        if self._needed:
            self._check_initialized()
        env = self._env
        try:
            for n, buffer in self._copied:
                buffer[...] = feeds[n]
            for n, s in self._referred:
                env[s] = feeds[n]
            if not self._scopes:
                results = self._run_all(recorder)
            else:
                with contextlib.ExitStack() as stack:
                    for scope in self._scopes:
                        stack.enter_context(scope)
                    results = self._run_all(recorder)
            for k, s in self._late_fetches:
                results[k] = self._backends[self.program.slots[s].device].to_host(env[s])
        finally:
            for s in self._dynamic_slots:
                env[s] = None
        return results

    def step(self, values: Sequence[Any]) -> bool:
        """The fast way for runs of small feeds and no results: True if it was run, False if it must go through `run`.

        values: arrays whose shapes are known to fit.
        """
        if self._quick_feeds is None or self._needed or self._written:
            return False
        for v, (dtype, buffer) in zip(values, self._quick_feeds):  # noqa: B905 the shapes fit, so the counts do
            if type(v) is not np.ndarray or v.dtype is not dtype:
                return False
            buffer[...] = v
        iterator = iter(self._all)
        try:
            self._context.run(_consume, starmap(call, iterator))
        except Exception as error:
            raise self._located(error, iterator, len(self._all)) from error
        return True

    def accepts(self, values: Sequence[Any]) -> bool:
        """Whether these arrays, whose shapes are known to fit, can be fed as they are."""
        for v, dtype, by_reference in zip(values, self._feed_dtypes, self._by_reference):  # noqa: B905 counts fit
            if type(v) is not np.ndarray or v.dtype is not dtype or (by_reference and not v.flags.carray):
                return False
        return True

    def _check_initialized(self) -> None:
        initialized = self._store.initialized
        for key, place in self._needed:
            if key not in initialized:
                raise UninitializedError(
                    f"variable '{key}' has no value in this session; run gf.global_variables_initializer() first, or gf.local_variables_initializer() if it is a local one"
                ).at(str(place))
        self._needed = []  # a variable never loses its value again

    def _run_all(self, recorder: Recorder | None) -> list[Any]:
        """The head, then the results that the commit might change, then the commit."""
        if recorder is not None:
            recorder.begin(self.program, self._made)
        if self._lanes is not None:
            failed = self._lanes.run(self._context, recorder)
            if failed is not None:
                raise _located(failed[1], failed[0]) from _cause(failed[1])
        elif recorder is not None:
            self._run_recorded(self._head, recorder)
        elif self._calls_back:  # what a callback sees must be the caller's own context
            with kernel_settings():
                self._walk(self._head)
        else:
            self._context.run(self._walk, self._head)
        early = self.program.early_fetches
        results = [self._result(k, s) if early[k] else None for k, s in enumerate(self.program.fetches)]
        tail = self._tail
        if self._late:
            tail = list(tail)
            for k, ready in self._late.items():
                tail[k] = ready()
        if self._dynamic_swaps:
            tail = tail + [(setitem, target, ..., self._env[s]) for target, s in self._dynamic_swaps]
        if tail:
            if recorder is not None:
                recorder.begin_commit()
            self._context.run(_consume, starmap(call, tail))
        if recorder is not None:
            recorder.end()
        if self._written:
            self._store.initialized.update(self._written)
            self._written = []
        return results

    def _result(self, k: int, s: int) -> Any:
        if self._owned[k] and self.program.fetches.index(s) == k:
            return self._env[s]
        return self._backends[self.program.slots[s].device].to_host(self._env[s])

    def _walk(self, calls: list[tuple[Any, ...]]) -> None:
        iterator = iter(calls)
        try:
            if self._step_by_step:
                for function, *arguments in iterator:
                    function(*arguments)
            else:
                _consume(starmap(call, iterator))
        except Exception as error:  # noqa: BLE001 whatever a kernel raises
            raise self._located(error, iterator, len(calls)) from _cause(error)

    def _located(self, error: Exception, rest: Iterator[Any], count: int) -> Exception:
        """The error of the call before `rest`, as one of ours, with the node's line."""
        done = count - sum(1 for _ in rest)
        return _located(error, self._places[min(done, len(self._places)) - 1])

    def _run_recorded(self, calls: list[tuple[Any, ...]], recorder: Recorder) -> None:
        with kernel_settings():
            for number, (function, *arguments) in enumerate(calls):
                try:
                    recorder.record(self._places[number], function, arguments, self._numbers[number])
                except Exception as error:  # noqa: BLE001 whatever a kernel raises
                    raise _located(error, self._places[number]) from _cause(error)

    def as_function(self) -> Callable[[Sequence[Any]], list[Any]]:
        """The program of a control-flow body: device arrays in, fresh device arrays out, no commit of its own."""
        env, program = self._env, self.program
        feeds, fetches = program.feeds, program.fetches
        backend = self._backends[program.host]
        calls = [*self._head, *self._tail]

        def run(values: Sequence[Any]) -> list[Any]:
            for s, value in zip(feeds, values, strict=True):
                env[s] = value
                if self._sizes_matter:
                    self._learn(s, value)
            iterator = iter(calls)
            try:
                for function, *arguments in iterator:
                    function(*arguments)
                results = [
                    env[s] if self._owned[k] and fetches.index(s) == k else backend.copy(env[s])
                    for k, s in enumerate(fetches)
                ]
            except Exception as error:  # noqa: BLE001 whatever a kernel raises
                raise self._located(error, iterator, len(calls)) from _cause(error)
            for s in self._dynamic_slots:
                env[s] = None
            return results

        return run


def _cause(error: BaseException) -> BaseException:
    """What to chain: the foreign error, or what one of ours was raised from."""
    return error.__cause__ or error if isinstance(error, GraphflowError) else error


def _sees_context(i: Instruction) -> bool:
    """True for what reads the caller's context variables: settings, or anything a callback cares for."""
    return i.op.has_effect or bool(i.bodies) or "callback" in i.attrs


def _speaks_of_sizes(attribute: Any) -> bool:
    """True if the attribute holds a dimension that is not a number yet."""
    if type(attribute) is tuple:
        return any(_speaks_of_sizes(item) for item in attribute)
    return isinstance(attribute, Dim)


def _has_symbols(i: Instruction) -> bool:
    return any(_speaks_of_sizes(v) for v in i.attrs.values())


def _overlap(xp: Any, a: Any, b: Any) -> bool:
    """Whether two arrays may share bytes; True where the array module cannot tell."""
    ask = getattr(xp, "may_share_memory", None)
    return True if ask is None else bool(ask(a, b))


def _is_host(backend: Any) -> bool:
    return backend.xp is np


def _release(env: list[Any], slots: Iterable[int]) -> None:
    for s in slots:
        env[s] = None


def _getter(env: list[Any], slots: tuple[int, ...]) -> Callable[[], tuple[Any, ...]]:
    if len(slots) == 0:
        return tuple
    if len(slots) == 1:
        only = slots[0]
        return lambda: (env[only],)
    pick = itemgetter(*slots)
    return lambda: pick(env)


def _located(error: BaseException, place: Place) -> Exception:
    """The error that a kernel raised, as one of ours, with the node's line."""
    if isinstance(error, GraphflowError):
        return error.at(str(place))
    text = f"'{place.name}' failed: {type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return MemoryLimitError(text).at(str(place))
    if isinstance(error, IndexError):
        return IndexRangeError(text).at(str(place))
    return RunError(text).at(str(place))
