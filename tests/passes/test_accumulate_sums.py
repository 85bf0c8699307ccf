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
    Row("two terms", lambda a, b: gf.add_n([-a, -b]), "negative negative add", (*INTS, *FLOATS, *COMPLEX)),
    Row(
        "three terms",
        lambda a, b, c: gf.add_n([-a, -b, c]),
        "negative negative add add",
        (*INTS, *FLOATS, *COMPLEX),
    ),
    Row(
        "one term often",
        lambda a, b: gf.add_n([-a, -b, a, a]),
        "negative negative add add add",
        (*INTS, *FLOATS),
    ),
]
KEPT = [
    Row("one term", lambda a: gf.add_n([a]) * a, "", ("float32",)),
    Row("what is fed", lambda a, b: gf.add_n([a, b, a, -b]), "", ("float32",)),
]


@pytest.mark.parametrize("row", CHAINS, ids=str)
def test_every_bit_stays(row: Row) -> None:
    check_exact(accumulate_sums, row)


@pytest.mark.parametrize("row", KEPT, ids=str)
def test_other_nodes_are_left_alone(row: Row) -> None:
    check_kept(accumulate_sums, row)


def test_the_terms_are_added_from_left_to_right() -> None:
    terms = [gf.placeholder("float32", ["n", 4], name=name) for name in "abcd"]
    before = cut([gf.add_n([gf.exp(t) for t in terms])], terms)
    after = accumulate_sums(before)
    found = [line.partition(" : ")[0] for line in format_graph(after).splitlines()]
    assert found[4:] == ["%4 = add(%0, %1)", "%5 = add(%4, %2)", "%6 = add(%5, %3)", "return %6"]
    assert accumulate_sums(after) is after
    assert {node.origin.line for node in after.nodes[4:]} == {before.nodes[-1].origin.line}


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
