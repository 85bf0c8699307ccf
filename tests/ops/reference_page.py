"""Writes `docs/ops.md` from the declarations and the samples: what each op gives, for which dtypes, at what cost."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.backends.cupy.kernels import KERNELS as CUPY_KERNELS
from graphflow.graph import Graph, Node
from graphflow.op import OPS, F, Op, load_all, zero_vjp
from graphflow.types import SUPPORTED, TensorType, is_floating
from tests.ops.table import Sample, all_samples

__all__ = ["Facts", "facades", "facts", "page"]

FACADES = ("", "nn", "linalg", "fft", "random", "image", "losses", "metrics", "sparse", "strings", "layers")

HEAD = """# All ops and functions

This page is generated from the op table and the table of samples; `UPDATE_DOCS=1 make test PYTEST_ARGS="-k reference_page"`
writes it anew.

*dtypes*: those that the samples run it with, by kind. *Gradient*: "2nd" where second derivatives too are tested against
central differences. *Backends*: every op runs on `numpy` by the kernel in its declaration; "own" names the backends with
a kernel of their own for it. *Operations*: floating point or integer operations by the cost rule; where the rule is not
one for each output element, an example. A tensor is written `float32[3, 4]`.

"""


@dataclass(slots=True)
class Facts:
    """What the samples show of one op."""

    dtypes: dict[str, None] = field(default_factory=dict)
    example: tuple[list[TensorType], list[TensorType], Any] | None = None
    gives_floats: bool = False
    differentiated: int = 0  # the highest order that a sample checks
    samples: int = 0


def _nodes(sample: Sample) -> Iterator[Node]:
    """The nodes that a sample makes, those of loop bodies and, for samples with gradients, theirs."""
    graph = Graph()
    with graph.as_default():
        inputs = []
        for value in sample.inputs:
            array = np.asarray(value)
            inputs.append(gf.placeholder(array.dtype, array.shape))
        made = sample.build(*inputs)
        outputs = list(made) if isinstance(made, (tuple, list)) else [made]
        floats = [t for t in outputs if is_floating(t.dtype)]
        sources = [n.outputs[0] for n in graph.operations if n.type == "placeholder"]
        wanted = [t for t in sources if is_floating(t.dtype)]
        if sample.grad and floats and wanted:
            gf.gradients(floats, wanted, unconnected_gradients="zero")
    pending = list(graph.operations)
    while pending:
        node = pending.pop()
        yield node
        for body in node.attrs.get("bodies", ()):
            pending.extend(body.graph.operations)


@functools.cache
def facts() -> dict[str, Facts]:
    """What the samples show of each op, by its name."""
    load_all()
    samples = all_samples()
    found = {name: Facts() for name in OPS}
    for sample in samples:
        for node in _nodes(sample):
            _note(found[node.type], node, sample)
    return found


def _note(seen: Facts, node: Node, sample: Sample) -> None:
    types = [t.type for t in node.inputs] or [t.type for t in node.outputs]
    outputs = [t.type for t in node.outputs]
    if types:
        seen.dtypes[types[0].dtype.name] = None
    seen.gives_floats |= any(t.dtype.kind in "fc" or is_floating(t.dtype) for t in outputs)
    seen.samples += 1
    if sample.grad:
        seen.differentiated = max(seen.differentiated, 2 if sample.second_order else 1)
    static = all(t.is_static for t in (*types, *outputs))
    best = -1 if seen.example is None else _elements(seen.example[1])
    if static and best < _elements(outputs) <= 200:
        seen.example = ([t.type for t in node.inputs], outputs, node.attrs)


def _elements(types: list[TensorType]) -> int:
    return sum(int(t.size) for t in types)  # type: ignore[arg-type]  # static


# --- cells ------------------------------------------------------------------------------------------------------------

_KINDS = {"b": "bool", "i": "ints", "u": "uints", "f": "floats", "c": "complex"}


def dtypes_of(seen: Facts) -> str:
    """The dtypes by kind: a whole kind by its name, else one by one."""
    kinds: dict[str, list[str]] = {}
    for name, dtype in SUPPORTED.items():
        kind = "f" if name == "bfloat16" else dtype.kind
        kinds.setdefault(kind, []).append(name)
    parts = []
    for kind, names in kinds.items():
        present = [n for n in names if n in seen.dtypes]
        if present and len(present) == len(names):
            parts.append(_KINDS.get(kind, names[0]))
        else:
            parts.extend(present)
    return ", ".join(parts)


def gradient_of(op: Op, seen: Facts) -> str:
    """What the declaration says of the gradient."""
    if not seen.gives_floats or op.is_source:
        return "–"
    if op.vjp is None:
        return f"none: {op.no_gradient}" if op.no_gradient else ""
    if op.vjp is zero_vjp:
        return "zero"
    return "yes, 2nd" if seen.differentiated == 2 else "yes"


def operations_of(op: Op, seen: Facts) -> str:
    """The FLOP rule: in words where it is the usual one, else its value for the largest small sample."""
    if op.flops is None:
        if op.is_control:
            return "those of the bodies"
        return "0" if op.is_view or op.shape_only or op.is_source else "1 per output element"
    if seen.example is None:
        return "by the sizes of the run"
    inputs, outputs, attrs = seen.example
    count = int(op.flops(inputs, outputs, **attrs))
    if count == 0:
        return "0"
    n = _elements(outputs)
    if n and count % n == 0 and count // n < 100 and op.is_elementwise:
        return f"{count // n} per output element"
    return f"{count} for {', '.join(map(str, inputs)) or ', '.join(map(str, outputs))}"


def backends_of(op: Op) -> str:
    """Which backends run it, and which by a kernel of their own."""
    from graphflow.backends.numpy.kernels import OWN

    if op.is_source or op.is_control:
        return "all"
    own = [name for name, table in (("numpy", OWN), ("cupy", CUPY_KERNELS)) if op.name in table]
    return f"all; own: {', '.join(own)}" if own else "all"


# --- the page ---------------------------------------------------------------------------------------------------------


def _module_of(op: Op) -> str:
    function = op.infer
    for candidate in (op.infer, op.kernel, op.vjp):
        module = getattr(candidate, "__module__", "") or ""
        if module.startswith("graphflow.ops."):
            return module
    return getattr(function, "__module__", "") or "graphflow.ops"


def _declaring_modules() -> dict[str, str]:
    """op name -> the module whose global it is."""
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        if name.startswith("graphflow.ops."):
            for value in vars(module).values():
                if isinstance(value, Op) and value.name not in found and f'"{value.name}"' in _source(name):
                    found[value.name] = name
    return found


@functools.cache
def _source(module: str) -> str:
    return inspect.getsource(importlib.import_module(module))


def _row(op: Op, seen: Facts) -> str:
    cells = (
        f"`{op.name}`",
        op.doc,
        dtypes_of(seen),
        gradient_of(op, seen),
        backends_of(op),
        operations_of(op, seen),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """The text of `docs/ops.md`."""
    seen, homes = facts(), _declaring_modules()
    groups: dict[str, list[Op]] = {}
    for op in sorted(OPS.values(), key=lambda op: op.name):
        groups.setdefault(homes.get(op.name, _module_of(op)), []).append(op)
    lines = [HEAD.rstrip(), "", f"{len(OPS)} ops, {len(all_samples())} samples.", "", "## Ops", ""]
    for module in sorted(groups):
        summary = (importlib.import_module(module).__doc__ or "").strip().splitlines()[0]
        lines += [f"### {module.removeprefix('graphflow.ops.')}", "", summary, ""]
        lines += ["| op | gives | dtypes | gradient | backends | operations |", "|---|---|---|---|---|---|"]
        lines += [_row(op, seen[op.name]) for op in groups[module]]
        lines.append("")
    lines += ["## Functions", ""]
    for facade in FACADES:
        lines += _functions(facade)
    return "\n".join(lines).rstrip() + "\n"


def facades() -> list[Any]:
    """The modules that offer functions to users, each name in them loaded."""
    modules = [gf if not name else importlib.import_module(f"graphflow.{name}") for name in FACADES]
    for module in modules:
        for name in module.__all__:
            getattr(module, name)
    return modules


def _functions(facade: str) -> list[str]:
    module: Any = gf if not facade else importlib.import_module(f"graphflow.{facade}")
    rows = []
    for name in sorted(module.__all__):
        function = getattr(module, name)
        if inspect.isfunction(function) and function.__module__.startswith("graphflow."):
            told = (inspect.getdoc(function) or "").strip().splitlines()
            rows.append(f"| `{name}` | {(told[0] if told else '').replace('|', chr(92) + '|')} |")
    title = f"gf.{facade}" if facade else "gf"
    return [f"### {title}", "", "| function | gives |", "|---|---|", *rows, ""] if rows else []


def functions_without_docs() -> list[str]:
    """Public functions that say nothing of themselves."""
    load_all()
    return sorted(name for name, f in F.table.items() if not (inspect.getdoc(f) or "").strip())
