"""`check="reference"`: the first pass or kernel that changed a value, and bytes that changed while they were needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphflow.checking.bisection import blame
from graphflow.checking.lab import Changed, Lab, Stage
from graphflow.checking.lifetimes import arena_bytes, dead_bytes, last_uses, meets
from graphflow.checking.rounding import difference, fold_length, jittered, rounding_bounds, same_bits
from graphflow.checking.stepping import Stepped, node_of
from graphflow.errors import GraphflowError, MismatchError, RunError
from graphflow.graph import Node
from graphflow.interpret import compute, kernel_of
from graphflow.program import Instruction, Program
from graphflow.runtime import VariableStore
from graphflow.types import substitute

__all__ = ["POISON", "ReferenceCheck"]

POISON = 255
"""What every byte that nothing needs is filled with: a NaN in every floating type, -1 in every signed integer."""


class ReferenceCheck(Stepped):
    """A loaded program that is held against the ops' own kernels, value by value; raises MismatchError.

    Kernels: each instruction runs as always, on its planned bytes; what it gave is compared with what the op's own
    kernel gives under NumPy for the same inputs, bit for bit or else within what rounding may do. Then its own values
    go on, so that nothing is told twice. What has effects runs once and is not compared. Bodies of control flow are
    held against their own kernels too.
    Memory: each value is kept aside, and compared when it is read; bytes that nothing needs any more are filled with
    POISON, as all are at the beginning.
    Passes: the interpreter computes the results of the subgraph before and after each pass. What differs (for passes that
    may change rounding, by more than that) is told with the rewrite to blame.
    stages: the passes that led to the program; asked for once. Cost: several runs, and a copy of every live value.
    """

    def __init__(
        self,
        program: Program,
        backend_of: Callable[[str], Any],
        store: VariableStore,
        threads: int | None = None,
        stages: Callable[[], Sequence[Stage]] = tuple,
    ) -> None:
        self._stages = stages
        self._passed: Sequence[Stage] | None = None
        self._saved: dict[int, Any] = {}  # slot -> a copy of its value
        self._writer: dict[int, int] = {}  # root slot -> the instruction that wrote it last
        self._given: list[Any] = []
        self._at_commit: dict[int, Any] | None = None
        self._state: dict[str, Any] = {}
        super().__init__(program, backend_of, store, threads)
        self._dead = dead_bytes(self.program, self.root)
        self._last_use = last_uses(self.program)

    # --- kernels and memory ---

    def before(self, number: int, i: Instruction) -> None:
        if number == self.program.commit:
            self._at_commit = dict(self._saved)
        self._given = []
        for k, s in enumerate(i.inputs):
            if i.op.name == "assign" and k == 0:  # the variable: only its shape is asked for
                self._given.append(np.empty(self._env[s].shape, self.program.slots[s].type.dtype))
                continue
            if s not in self._saved:
                self._save(s)
            self._check_unchanged(number, s)
            self._given.append(self._saved[s])

    def after(self, number: int, i: Instruction) -> None:
        for s in i.outputs:
            self._save(s)
            self._writer[self.root[s]] = number
        if not i.op.has_effect:
            self._compare(i)
        for s in self._last_use[number]:
            self._saved.pop(s, None)
        for device, first, last in self._dead[number]:
            self._poison(device, first, last)

    def _save(self, slot: int) -> None:
        value = self.host(slot, copy=True)
        if value is None:
            self._saved.pop(slot, None)
        else:
            self._saved[slot] = value

    def _check_unchanged(self, number: int, slot: int) -> None:
        expected, now = self._saved.get(slot), self.host(slot)
        if expected is None or now is None:
            raise self._memory_error(slot, number, None, None, "was freed before its last use")
        if not same_bits(expected, now):
            raise self._memory_error(slot, number, expected, now, "changed")

    def _memory_error(self, slot: int, reader: int, expected: Any, got: Any, what: str) -> Any:
        """The error of a value that was not there any more at instruction `reader`, or past the last one at the end."""
        program = self.program
        writer = self._writer.get(self.root[slot])
        made = None if writer is None else program.instructions[writer].place
        source = made or program.slots[self.root[slot]].place
        name = f"the value of '{source.name}'" if source is not None else f"slot {slot}"
        at_end = reader >= len(program.instructions)
        end = "the end of the run" if at_end else f"'{program.instructions[reader].place.name}' reads it"
        lines = [f"{name} {what} before {end}"]
        found = None if expected is None else difference(expected, got)
        if found is not None:
            lines.append(f"  {found}")
        other = self._taker(slot, -1 if writer is None else writer, reader)
        if other is not None:
            lines.append(f"  '{other.place.name}' ({other.op.name}) has the same bytes: {other.place}")
        error = MismatchError(
            "\n".join(lines),
            stage="memory",
            culprit="" if other is None else other.place.name,
            node=None if source is None else source._node,
            expected=expected,
            got=got,
        )
        return error.at(str(source or ""))

    def _taker(self, slot: int, since: int, until: int) -> Instruction | None:
        """The last instruction between two that wrote bytes of a slot; else any whose value has bytes of it too."""
        own = self.root[slot]
        mine = arena_bytes(self.program, own)
        found: Instruction | None = None
        sharing: Instruction | None = None
        for number, i in enumerate(self.program.instructions):
            for root in [self.root[s] for s in i.outputs if not i.is_view]:
                between = since < number < until
                if root == own and between:
                    found = i
                elif root != own and meets(arena_bytes(self.program, root), mine):
                    found, sharing = (i, sharing) if between else (found, i)
        return found or sharing

    def _compare(self, i: Instruction) -> None:
        """Hold what an instruction gave against its op's own kernel."""
        node = node_of(i)
        if node is None or not i.outputs or i.op.name == "transfer":
            return
        given, sizes = self._given, dict(self._sizes)
        attrs = {key: substitute(value, sizes) for key, value in i.attrs.items()}
        expected = compute(node, given, attrs=attrs, sizes=sizes)
        got = [self._saved.get(s) for s in i.outputs]
        bounds: Sequence[Any] | None = None
        for k, (a, b) in enumerate(zip(expected, got, strict=True)):
            if a is None or b is None or same_bits(a, b):
                continue
            found = None
            if a.shape == b.shape and a.dtype == b.dtype:
                if bounds is None:
                    bounds = _kernel_bounds(node, given, attrs, sizes, expected)
                found = difference(a, b, bounds[k])
                if found is None:
                    continue
            raise _kernel_error(node, i.device, given, a, b, str(found or "another type"))

    def _poison(self, device: str, first: int, last: int) -> None:
        backend = self._backends[device]
        backend.view(self._arenas[device], first, np.dtype(np.uint8), (last - first,))[...] = POISON

    # --- one run ---

    def begin(self, feeds: Sequence[Any]) -> None:
        self._restart()
        slots = self.program.slots
        for value, s in zip(feeds, self.program.feeds, strict=True):
            self._saved[s] = np.array(value, slots[s].type.dtype, order="C")
        for s, _, _ in self.program.variables:
            if slots[s].key in self._store.initialized:
                self._save(s)
        if self._passed is None:
            self._passed = [stage for stage in self._stages() if stage.after is not stage.before]
        if self._passed:
            self._state = self.state(self._passed[0].before)

    def _restart(self) -> None:
        """Forget the last run, and poison all planned bytes."""
        self._saved.clear()
        self._writer.clear()
        self._at_commit = None
        for device, nbytes in self.program.arena_nbytes.items():
            if nbytes:
                self._poison(device, 0, nbytes)

    def end(self, feeds: Sequence[Any], results: list[Any]) -> None:
        last = len(self.program.instructions)
        early = self._saved if self._at_commit is None else self._at_commit
        late = {**self._saved, **{target: self._saved.get(source) for source, target in self.program.swaps}}
        for k, (s, result) in enumerate(zip(self.program.fetches, results, strict=True)):
            saved = (early if self.program.early_fetches[k] else late).get(s)
            if saved is not None and not same_bits(saved, result):
                raise self._memory_error(s, last, saved, result, "changed")
        for source, target in self.program.swaps:
            saved = self._saved.get(source)
            if saved is not None and not same_bits(saved, now := self.host(target)):
                raise self._memory_error(source, last, saved, now, "changed")
        self._saved.clear()
        if self._passed:
            self._check_passes(feeds)

    def _check_passes(self, feeds: Sequence[Any]) -> None:
        stages = self._passed or ()
        inputs = stages[0].before.inputs
        fed = [np.asarray(v, t.type.dtype) for t, v in zip(inputs, feeds, strict=True)]
        lab = Lab(fed, self._state, self.functions, self.scope, self.known)
        results = lab.results(stages[0].before)
        for stage in stages:
            given = lab.results(stage.after)
            changed = lab.changed(stage.before, results, given, stage.exact)
            if changed is not None:
                raise _pass_error(stage, lab, changed)
            results = given

    # --- bodies ---

    def _control(self, i: Instruction, backend: Any) -> Callable[..., Any]:
        parts = tuple([ReferenceCheck(p, self._backends_of, self._store).as_function() for p in i.bodies])
        attrs = {k: v for k, v in i.attrs.items() if k != "bodies"}
        kernel = i.op.kernel
        if kernel is None:
            raise RunError(f"op {i.op.name!r} has no kernel")

        def run(*arrays: Any) -> Any:
            made = kernel(backend.xp, *arrays, bodies=parts, used=i.used, **attrs)
            whole = made if isinstance(made, tuple) else (made,)
            return whole if len(i.outputs) != 1 else whole[0]

        return run

    def as_function(self) -> Callable[[Sequence[Any]], list[Any]]:
        run = super().as_function()

        def checked(values: Sequence[Any]) -> list[Any]:
            self._restart()
            return run(values)

        return checked


# --- what is said -----------------------------------------------------------------------------------


def _kernel_bounds(
    node: Node,
    given: Sequence[Any],
    attrs: Mapping[str, Any],
    sizes: Mapping[str, Any],
    expected: Sequence[Any],
) -> list[Any]:
    """How far other roundings of a kernel may be from `expected`, for each output."""
    there = [np.zeros(0) if v is None else v for v in expected]

    def sample(seed: int) -> Sequence[Any] | None:
        try:
            drawn = compute(node, given, functions=jittered(kernel_of, seed), attrs=attrs, sizes=sizes)
        except GraphflowError:
            return None
        return [np.zeros(0) if v is None else v for v in drawn]

    return rounding_bounds(sample, there, fold_length(node.op, attrs, given, there))


def _kernel_error(
    node: Node, device: str, inputs: Sequence[Any], expected: Any, got: Any, found: str
) -> MismatchError:
    error = MismatchError(
        f"'{node.name}': the kernel of {node.op.name} on {device} gives something else than the op's own kernel "
        f"under NumPy: {found}",
        stage="kernel",
        culprit=node.op.name,
        node=node,
        inputs=inputs,
        expected=expected,
        got=got,
    )
    error.at(node.place)
    return error


def _pass_error(stage: Stage, lab: Lab, changed: Changed) -> MismatchError:
    """The error of a pass that changed a result, with the rewrite to blame. Cost: that of `blame`."""
    found = blame(stage, lab, changed)
    promise = "keeps every bit" if stage.exact else "may change rounding, no more"
    lines = [f"pass '{stage.name}', which {promise}, changed {changed}"]
    replaced = found.replacement
    if replaced is not None:
        lines.append(f"  by {replaced}")
    error = MismatchError(
        "\n".join(lines),
        stage="pass",
        culprit=stage.name,
        rule="" if replaced is None else replaced.rule,
        node=None if replaced is None else replaced.node,
        expected=changed.expected,
        got=changed.got,
    )
    if replaced is not None:
        error.at(replaced.node.place)
    return error
