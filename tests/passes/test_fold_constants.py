"""What is known before the run becomes a constant, unless the program would grow."""

from __future__ import annotations

import graphflow as gf
from graphflow.passes.fold_constants import FOLD_NBYTES, fold_constants
from graphflow.subgraph import cut
from tests.passes.control import text


def test_what_only_constants_make_is_a_constant() -> None:
    x = gf.placeholder("float32", [2], name="x")
    assert text(fold_constants(cut([x * (gf.constant(2.0) * 3.0)], (x,)))) == [
        "%0 = constant(value=6.) : float32[]",
        "%1 = multiply(<x:0>, %0) : float32[2]",
        "return %1",
    ]


def test_programs_do_not_grow() -> None:
    big = gf.zeros((FOLD_NBYTES,), dtype="float32") + 1.0
    assert "constant(value=0" not in "".join(text(fold_constants(cut([big], ()))))
    huge = gf.zeros((10**9,), dtype="float64")
    assert [n.type for n in fold_constants(cut([huge])).nodes] == ["full"]


def test_sizes_are_constants_once_they_are_known() -> None:
    x = gf.placeholder("float32", [4, 5], name="x")
    assert text(fold_constants(cut([gf.size(x)], (x,)))) == ["%0 = constant(value=20) : int64[]", "return %0"]
