"""Sums of many terms become chains of additions: the same bits, and one term held beside the sum."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow.passes.accumulate_sums import accumulate_sums
from graphflow.subgraph import cut
from graphflow.text import format_graph
from tests.passes.exactness import COMPLEX, FLOATS, INTS, Row, check_exact, check_kept

CHAINS = [
    Row("two terms", lambda a, b: gf.add_n([a, b]), "add", (*INTS, *FLOATS, *COMPLEX)),
    Row("three terms", lambda a, b, c: gf.add_n([a, b, c]), "add add", (*INTS, *FLOATS, *COMPLEX)),
    Row("one term often", lambda a, b: gf.add_n([a, b, a, a]), "add add add", (*INTS, *FLOATS)),
]
KEPT = [Row("one term", lambda a: gf.add_n([a]) * a, "", ("float32",))]


@pytest.mark.parametrize("row", CHAINS, ids=str)
def test_every_bit_stays(row: Row) -> None:
    check_exact(accumulate_sums, row)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_other_nodes_are_left_alone(row: Row) -> None:
    check_kept(accumulate_sums, row)


def test_the_terms_are_added_from_left_to_right() -> None:
    terms = [gf.placeholder("float32", ["n", 4], name=name) for name in "abcd"]
    before = cut([gf.add_n(terms)], terms)
    after = accumulate_sums(before)
    found = [line.partition(" : ")[0] for line in format_graph(after).splitlines()]
    assert found == ["%0 = add(<a:0>, <b:0>)", "%1 = add(%0, <c:0>)", "%2 = add(%1, <d:0>)", "return %2"]
    assert accumulate_sums(after) is after
    assert {node.origin.line for node in after.nodes} == {before.nodes[-1].origin.line}


def test_a_gradient_of_many_uses_holds_one_term_and_a_sum() -> None:
    x = gf.placeholder("float32", (8, 128))
    w = gf.Variable(np.zeros((128, 128), np.float32))
    states = [x]
    for _ in range(12):
        states.append(gf.tanh(gf.matmul(states[-1], w)))
    (gradient,) = gf.gradients(gf.sum(states[-1]), [w])
    sizes = {
        switches: gf.Session(optimize=switches).plan(gradient, {x: (8, 128)}).peak_nbytes
        for switches in (("reorder", "accumulate_sums"), ("reorder",))
    }
    product = 128 * 128 * 4
    assert sizes[("reorder",)] - sizes["reorder", "accumulate_sums"] > 8 * product
