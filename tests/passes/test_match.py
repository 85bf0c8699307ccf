"""What passes ask about a subgraph before they match: who reads a value, what a value is, how a product is made up."""

from __future__ import annotations

import numpy as np

import graphflow as gf
from graphflow.op import F
from graphflow.passes.match import (
    Plan,
    Uses,
    added,
    composed,
    factored,
    is_kept_sum,
    make,
    number,
    rewrite_planned,
    same_shape,
)
from graphflow.subgraph import cut
from tests.passes.patterns import lines, values


def test_shapes_lent_and_values_nobody_needs_are_no_uses() -> None:
    x, g = gf.placeholder("float32", [None]), gf.placeholder("float32", [None])
    y = gf.exp(x)
    once = gf.sin(y)
    lent = F.sum_to_like(g, once)  # wants the shape of the sine alone
    counted = gf.size(y)
    uses = Uses(cut([lent, counted, gf.cos(y)], [x, g]))
    assert [n.type for n in uses.of(y)] == ["cos"]
    assert uses.of(once) == []
    assert uses.is_private(y)
    assert [n.type for n in uses.only_readers(y.op)] == ["cos"]


def test_what_is_kept_is_not_private() -> None:
    x = gf.placeholder("float32", [3])
    fetched, before, target = gf.exp(x), gf.sin(x), gf.cos(x)
    with gf.control_dependencies([before]):
        late = gf.tanh(x)
    ends = [gf.neg(t) for t in (fetched, before, target)]
    uses = Uses(cut([*ends, fetched, late], [x], [target.op]))
    assert [uses.is_private(t) for t in (fetched, before, target)] == [False, False, False]
    assert uses.kept >= {fetched.op, before.op, target.op}
    assert uses.made(late, "tanh") is None  # it runs after something: nothing may take its place
    assert uses.made(fetched, "exp") is fetched.op
    assert Uses(cut([ends[0]], [x, fetched])).made(ends[0], "negative") is not None
    fed = cut([ends[0]], [x, fetched])
    assert Uses(fed).made(fed.nodes[0].inputs[0], "exp") is None


def test_inner_nodes_end_with_their_root_only_if_nothing_else_needs_them() -> None:
    x = gf.placeholder("float32", [3])
    a = gf.exp(x)
    b, c = gf.sin(a), gf.cos(a)
    root = b * c
    inner = [a.op, b.op, c.op]
    assert Uses(cut([root], [x])).end_with(root.op, inner)
    assert not Uses(cut([root, b], [x])).end_with(root.op, inner)
    assert not Uses(cut([root, gf.tanh(a)], [x])).end_with(root.op, inner)


def test_numbers() -> None:
    x = gf.placeholder("float32", [3])
    known = [gf.constant(2), gf.constant([[2.0]]), gf.fill((3, 4), 2.0), gf.cast(gf.constant(2), "float64")]
    assert [number(t) for t in known] == [2.0] * 4
    other = [x, gf.constant([2.0, 2.0]), gf.constant(2j), gf.constant("2"), gf.constant([]), gf.exp(x)]
    assert [number(t) for t in other] == [None] * 6


def test_sums_that_broadcast_against_what_they_sum() -> None:
    x = gf.placeholder("float32", [4, 4])

    def kept(total: gf.Tensor) -> bool:
        node = total.op if total.op.type == "sum" else total.op.inputs[0].op
        return is_kept_sum(total, node)

    assert all(
        map(
            kept,
            [
                gf.sum(x, 1, True),
                gf.expand_dims(gf.sum(x, 1), 1),
                gf.sum(x, 0),
                gf.sum(x),
                gf.sum(x, (0, 1), True),
            ],
        )
    )
    assert not any(
        map(kept, [gf.sum(x, 1), gf.expand_dims(gf.sum(x, 1), 0), gf.expand_dims(gf.sum(x, 0), 1)])
    )
    batch = gf.placeholder("float32", [None, 4])
    assert kept(gf.sum(batch, 1, True))
    assert not kept(gf.sum(gf.placeholder("float32", None), 1, True))
    assert same_shape(batch, gf.exp(batch))
    assert not same_shape(batch, gf.placeholder("float32", [None, 4]))


def test_products_and_sums_are_taken_apart() -> None:
    x, y = gf.placeholder("float32", [3]), gf.placeholder("float32", [3])
    shared = x * 2.0
    product = -(shared * (y * -3.0)) * 0.5
    uses = Uses(cut([product, gf.exp(shared)], [x, y]))
    constant, factors, nodes = factored(uses, product)
    assert constant == 1.5
    assert factors[0] is shared  # something else needs it
    assert factors[1] is y
    assert len(nodes) == 4
    total = x - (y - gf.exp(x)) + -gf.sin(y)
    terms, nodes = added(Uses(cut([total], [x, y])), total)
    assert [(sign, t.op.type) for sign, t in terms] == [
        (1, "placeholder"),
        (-1, "placeholder"),
        (1, "exp"),
        (-1, "sin"),
    ]


def test_plans_speak_of_the_old_graph_and_compositions_are_copied() -> None:
    x = gf.placeholder("float32", [2, 3], name="x")
    y = gf.exp(x)
    z = gf.sin(y)
    before = cut([z], [x])
    plans = {
        y.op: Plan("to_tanh", lambda now: (make(y.op, "tanh", now(x)),)),
        z.op: Plan(
            "to_mean",
            lambda now: (composed(z.op, lambda t: gf.broadcast_to(gf.mean(t, 0, True), (2, 3)), now(y)),),
        ),
    }
    after = rewrite_planned(before, plans)
    assert lines(after) == [
        "%0 = tanh(<x:0>) : float32[2, 3]",
        "%1 = sum(%0, axis=(0,), keepdims=True, dtype=dtype('float32')) : float32[1, 3]",
        "%2 = constant(value=2.) : float32[]",
        "%3 = divide(%1, %2) : float32[1, 3]",
        "%4 = broadcast_to(%3, shape=(2, 3)) : float32[2, 3]",
        "return %4",
    ]
    assert {str(n.origin) for n in after.nodes} == {str(y.op.origin), str(z.op.origin)}
    fed = np.ones((2, 3), "f4")
    np.testing.assert_allclose(values(after, [fed])[0], np.tanh(fed))
    assert rewrite_planned(before, {}) is before
    assert len(gf.get_default_graph()) == 3  # nothing was added to the user's graph
