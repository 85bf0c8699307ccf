"""Sums of products are read back from what they were composed of, and contracted in a cheaper order."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphflow as gf
from graphflow.passes.einsum_path import einsum_path, einsum_path_fast
from graphflow.passes.match import Uses
from graphflow.passes.network import network_of
from tests.passes.patterns import Rewritten, bound, lines, rewritten, values


def _fed(*shapes: tuple[int, ...], dtype: str = "float64") -> dict[gf.Tensor, Any]:
    """Placeholders of unknown sizes, so that `einsum` has to guess its order."""
    rng = np.random.default_rng(0)
    made = [rng.standard_normal(s) if "float" in dtype else rng.integers(-(2**62), 2**62, s) for s in shapes]
    return {gf.placeholder(dtype, (None,) * v.ndim, name=f"x{k}"): v for k, v in enumerate(made)}


def _flops(result: Rewritten) -> list[int]:
    return [
        sum(
            n.op.flops([t.type for t in n.inputs], [n.outputs[0].type], **n.attrs)
            for n in s.nodes
            if n.op.flops
        )
        for s in (result.before, result.after)
    ]


def test_what_an_outer_product_before_a_contraction_becomes() -> None:
    feeds = _fed((30, 1), (20,), (20,))
    a, b, c = feeds
    assert lines(rewritten(einsum_path_fast, bound([(a * b) @ c], feeds)).after) == [
        "%0 = reshape(<x0:0>, shape=(30,)) : float64[30]",
        "%1 = expand_dims(<x1:0>, axis=(0,)) : float64[1, 20]",
        "%2 = expand_dims(<x2:0>, axis=(1,)) : float64[20, 1]",
        "%3 = matmul(%1, %2) : float64[1, 1]",
        "%4 = squeeze(%3, axis=(1,)) : float64[1]",
        "%5 = squeeze(%4, axis=(0,)) : float64[]",
        "%6 = expand_dims(%5, axis=(0,)) : float64[1]",
        "%7 = multiply(%0, %6) : float64[30]",
        "return %7",
    ]


EQUATIONS: list[tuple[str, list[tuple[int, ...]]]] = [
    ("ij,jk,kl->il", [(2, 90), (90, 90), (90, 3)]),
    ("ij,jk,kl->il", [(90, 2), (2, 90), (90, 3)]),
    ("bij,bjk,bk->bi", [(3, 40, 50), (3, 50, 60), (3, 60)]),
    ("ij,ik,il->jkl", [(40, 2), (40, 3), (40, 30)]),
    ("abcd,ae,bf,cg->efgd", [(4, 5, 6, 7), (4, 80), (5, 1), (6, 30)]),
    ("ij,jk,kl,lm->im", [(50, 2), (2, 50), (50, 3), (3, 50)]),
    ("bi,bij,bj,bk->bk", [(9, 40), (9, 40, 40), (9, 40), (9, 2)]),
    ("ai,bi,ci,di->abcd", [(2, 60), (3, 60), (9, 60), (9, 60)]),
    ("ij,jk,ki->", [(3, 70), (70, 80), (80, 3)]),
    ("...i,ij,jk->...k", [(50, 9, 3), (3, 80), (80, 4)]),
]


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_einsum_of_unknown_sizes_is_ordered_once_they_are_known(dtype: str) -> None:
    for equation, shapes in EQUATIONS:
        feeds = _fed(*shapes, dtype=dtype)
        symbolic = rewritten(
            einsum_path_fast if "float" in dtype else einsum_path, bound([gf.einsum(equation, *feeds)], feeds)
        )
        known = [gf.placeholder(dtype, s) for s in shapes]
        static = rewritten(
            einsum_path_fast,
            bound([gf.einsum(equation, *known)], dict(zip(known, feeds.values(), strict=True))),
        )
        assert not static.fired  # ordered when it was built
        assert _flops(symbolic)[1] <= 1.3 * _flops(static)[1]
        assert symbolic.fired == (_flops(symbolic)[1] < _flops(symbolic)[0])
        before, after = (values(s, feeds)[0] for s in (symbolic.before, symbolic.after))
        if dtype == "int64":
            assert after.tobytes() == before.tobytes()
        np.testing.assert_allclose(
            after, np.einsum(equation, *feeds.values(), optimize=True), rtol=1e-9, atol=1e-9
        )


def test_some_orders_did_change() -> None:
    fired = []
    for equation, shapes in EQUATIONS:
        feeds = _fed(*shapes)
        fired.append(rewritten(einsum_path_fast, bound([gf.einsum(equation, *feeds)], feeds)).fired)
    assert sum(fired) >= 3


_STEPS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99)), min_size=2, max_size=12
)


@given(_STEPS, st.integers(0, 999))
def test_whatever_is_read_back_has_the_same_value(steps: Any, seed: int) -> None:
    """Random products, sums and reshapings of few sizes, so that much fits; integers, so that every bit must stay."""
    rng = random.Random(seed)
    with gf.Graph().as_default():
        shapes = [tuple(rng.choice((1, 2, 6, 12)) for _ in range(rng.randint(1, 3))) for _ in range(4)]
        feeds = _fed(*shapes, dtype="int64")
        made = [gf.reshape(t, s) for t, s in zip(feeds, shapes, strict=True)]
        for kind, i, j in steps:
            a, b = made[i % len(made)], made[j % len(made)]
            try:
                made.append(_step(kind, a, b, rng))
            except gf.errors.GraphflowError:
                continue
        with_uses = bound(made[-2:], feeds)
        result = rewritten(einsum_path, with_uses)
        for before, after in zip(values(result.before, feeds), values(result.after, feeds), strict=True):
            assert before.tobytes() == after.tobytes()
        uses = Uses(with_uses)
        for node in with_uses.nodes:  # every network, cheaper or not
            if node.type in ("matmul", "multiply", "sum") and node.outputs[0].type.is_static:
                _check_reading(node, uses, with_uses, feeds)


def _step(kind: int, a: gf.Tensor, b: gf.Tensor, rng: random.Random) -> gf.Tensor:
    if kind < 4:
        return a @ b
    if kind < 6:
        return a * b
    if kind == 6:
        return gf.sum(a, rng.randrange(a.ndim), rng.random() < 0.5, dtype="int64")
    if kind == 7:
        return gf.permute_dims(a, rng.sample(range(a.ndim), a.ndim))
    if kind == 8:
        return gf.reshape(a, rng.choice([(-1,), (2, -1), (-1, 6), (1, -1), (3, 2, -1), (-1, 1)]))
    return gf.expand_dims(a, 0) if rng.random() < 0.5 else gf.squeeze(a)


def _check_reading(node: Any, uses: Uses, subgraph: Any, feeds: dict[gf.Tensor, Any]) -> None:
    """The network says what the node computes: NumPy's einsum of its terms, reshaped by its labels."""
    network = network_of(node, uses)
    if not network.terms or len(network.sizes) > 20:
        return
    wanted = gf.subgraph.Subgraph(
        subgraph.nodes, subgraph.inputs, (node.outputs[0], *[t for t, _ in network.terms])
    )
    right, *terms = values(wanted, feeds)
    letters = {label: "abcdefghijklmnopqrstuvwxyz"[k] for k, label in enumerate(network.sizes)}
    flat = [[label for axis in axes for label in axis] for _, axes in network.terms]
    result = [label for axis in network.result for label in axis]
    if len(set(result)) < len(result):
        return
    equation = (
        ",".join("".join(letters[k] for k in term) for term in flat)
        + "->"
        + "".join(letters[k] for k in result)
    )
    given = [v.reshape([network.sizes[k] for k in term]) for v, term in zip(terms, flat, strict=True)]
    assert np.einsum(equation, *given).reshape(right.shape).tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_what_was_contracted_is_contracted_no_further(dtype: str) -> None:
    """An order with as few operations as any may still copy more than another one."""
    feeds = _fed((17, 1), (1, 17), (17, 17), (17, 1), dtype=dtype)
    u, v, c, w = feeds
    assert rewritten(einsum_path_fast, bound([gf.sum((u @ v) * c * w, 0, dtype=dtype)], feeds)).fired


def test_projections_of_heads_are_read_through_their_reshapings() -> None:
    feeds = _fed((2, 64, 4), (4, 32), (2, 64, 4), (4, 32))
    x, wq, y, wk = feeds
    q = gf.transpose(gf.reshape(x @ wq, (2, 64, 4, 8)), (0, 2, 1, 3))
    k = gf.transpose(gf.reshape(y @ wk, (2, 64, 4, 8)), (0, 2, 3, 1))
    before = bound([q @ k], feeds)
    network = network_of(before.nodes[-1], Uses(before))
    assert [t.name for t, _ in network.terms] == ["x0:0", "x1:0", "x2:0", "x3:0"]
    result = rewritten(einsum_path_fast, before)
    np.testing.assert_allclose(
        values(result.after, feeds)[0], values(before, feeds)[0], rtol=1e-10, atol=1e-10
    )


def test_what_is_left() -> None:
    feeds = _fed((90, 2), (2, 90), (90, 3))
    a, b, c = feeds
    outer = a @ b
    assert not rewritten(einsum_path, bound([gf.einsum("ij,jk,kl->il", *feeds)], feeds)).fired  # floats
    assert not rewritten(einsum_path_fast, bound([outer @ c, outer], feeds)).fired
    assert not rewritten(einsum_path_fast, bound([gf.exp(outer) @ c], feeds)).fired
    fed = bound([outer @ c], {outer: np.ones((90, 90)), c: feeds[c]})
    assert not rewritten(einsum_path_fast, fed).fired
    small = {gf.placeholder("int32", s): np.ones(s, "int32") for s in [(5, 5), (5, 5)]}
    p, q = small
    widened = gf.sum(p @ q, 1) @ gf.cast(q, "int64")  # sums in 64 bits what was multiplied in 32
    assert not rewritten(einsum_path, bound([widened], small)).fired


def test_opt_einsum_is_imported_only_where_there_is_something_to_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opt_einsum", None)  # importing it fails
    feeds = _fed((3, 3), (3, 3))
    x, y = feeds
    for t in (gf.tanh(x @ y) @ x, gf.sum(x @ y, 0), gf.reshape(x @ y, (9,))):
        assert not rewritten(einsum_path_fast, bound([t], feeds)).fired
