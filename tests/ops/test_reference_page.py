"""Every op has samples, says what its gradient is and what it costs; and the page that lists them is up to date."""

from __future__ import annotations

import os
from pathlib import Path

from graphflow.op import OPS, F, load_all
from tests.each import Each
from tests.ops.reference_page import facades, facts, functions_without_docs, gradient_of, page
from tests.ops.table import INTERNAL

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"

load_all()


def test_every_op_tells_all(each: Each) -> None:
    each(sorted(OPS), _check)


def _check(name: str) -> None:
    op, seen = OPS[name], facts()[name]
    assert op.doc, "no line of documentation"
    assert seen.samples or name in INTERNAL, "no sample"
    assert gradient_of(op, seen), (
        "its output is a float: give it a `vjp`, or say why there is none: `no_gradient`"
    )
    assert not (op.vjp is not None and op.no_gradient), "a gradient, and a reason why there is none"
    if op.flops is not None and seen.example is not None:
        inputs, outputs, attrs = seen.example
        assert int(op.flops(inputs, outputs, **attrs)) >= 0
    if op.is_elementwise and name != "cast":
        assert op.scalar_expr is not None or op.vjp is None, "no scalar expression"


def test_every_public_function_is_documented() -> None:
    assert functions_without_docs() == []


CALLED_BY_OTHERS = {
    *("broadcast_to_like", "getitem", "index_scatter", "partitioned_lookup", "random_normal_like"),
    *(
        "random_uniform_like",
        "reshape_like",
        "split_like",
        "strided_slice_grad",
        "string_equal",
        "sum_to_like",
    ),
    *("to_device", "unflatten"),
}
"""What operators, methods, gradients and other public functions stand for; users have those."""


def test_every_public_function_is_offered_to_users() -> None:
    offered = {id(function) for module in facades() for function in map(vars(module).get, module.__all__)}
    assert {n for n, f in F.table.items() if id(f) not in offered} == CALLED_BY_OTHERS


def test_the_reference_page_is_what_the_tables_say() -> None:
    text = page()
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(text, encoding="utf-8")
    assert PAGE.read_text("utf-8") == text, "write it anew: UPDATE_DOCS=1"
