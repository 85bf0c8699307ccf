"""Tables of embeddings: bad input, and what the table of samples cannot say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.ops.embedding import embedding_bag, partitioned_lookup
from tests.ops.refused import Refused, check_built, ids
from tests.ops.table import array

TABLE, TWO = (7, 2), ((4, 2), (3, 2))
BAG = [[0, 1], [2, 3]]

BUILD = [
    Refused(lambda *t: partitioned_lookup(t, [0], "mud"), ArgumentError, ("partitioned_lookup: partition_strategy", "'mud'"), TWO),
    Refused(lambda: partitioned_lookup([], [0]), ArgumentError, ("partitioned_lookup: params must list at least one",)),
    Refused(lambda *t: partitioned_lookup(t, [0]), ArgumentError, ("got [3, 4]",), TWO[::-1]),
    Refused(lambda *t: partitioned_lookup(t, [0]), ShapeError, ("params[1] float32[3, 3] does not fit params[0]",), ((4, 2), (3, 3))),
    Refused(lambda *t: partitioned_lookup(t, [0.5]), DTypeError, ("partitioned_lookup",), TWO),
    Refused(lambda *t: partitioned_lookup(t, [0], max_norm=0), ArgumentError, ("max_norm must be positive, got 0",), TWO),
    Refused(lambda t: embedding_bag(t, BAG, combiner="avg"), ArgumentError, ("embedding_bag: combiner", "'avg'"), (TABLE,)),
    Refused(lambda t: embedding_bag(t, [0, 1]), ShapeError, ("embedding_bag: ids must be [bags, n]",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, BAG, [0, 1], 2), ShapeError, ("embedding_bag: ids must be [n]",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, [0, 1], [0, 1]), ArgumentError, ("give segment_ids and num_segments",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, BAG, num_segments=3), ArgumentError, ("give segment_ids and num_segments",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, [0, 1], [0], 2), ShapeError, ("segment_ids must have the shape of ids",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, BAG, weights=[1.0, 2.0]), ShapeError, ("weights must have the shape of ids",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, BAG, weights=np.ones((2, 2)), combiner="max"), ArgumentError, ("'max' takes no weights",), (TABLE,)),
    Refused(lambda t: embedding_bag(t, [[9]]), IndexRangeError, ("9", "7"), (TABLE,)),
    Refused(lambda t: embedding_bag(t, [0], [5], 2), IndexRangeError, ("5", "2"), (TABLE,)),
    Refused(lambda t: embedding_bag(t, BAG, padding_id="x"), ArgumentError, ("embedding_bag: padding_id",), (TABLE,)),
]  # fmt: skip


@pytest.mark.parametrize("case", BUILD, ids=ids)
def test_bad_input_is_refused_when_built(case: Refused) -> None:
    check_built(case)


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("bad", [-1, 7, 8, 100, -(2**40)])
def test_an_id_that_no_table_has_is_refused(strategy: str, bad: int) -> None:
    tables = [np.zeros((3, 2)), np.zeros((2, 2)), np.zeros((2, 2))]
    ids = gf.placeholder("int64", (None,))
    rows = partitioned_lookup(tables, ids, strategy)
    with pytest.raises(IndexRangeError, match="out of range"):
        gf.Session().run(rows, {ids: [0, bad]})


@pytest.mark.parametrize("strategy", ["mod", "div"])
@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_parts_of_every_size_make_the_whole(strategy: str, count: int) -> None:
    whole = array(5, 2, seed=1)
    tables = [whole[k::count] for k in range(count)] if strategy == "mod" else np.array_split(whole, count)
    found = gf.Session().run(partitioned_lookup(list(tables), np.arange(5), strategy))
    np.testing.assert_array_equal(found, whole)


def test_only_the_rows_that_are_named_get_a_gradient() -> None:
    tables = [gf.constant(np.ones((2, 2))), gf.constant(np.ones((2, 2)))]
    rows = partitioned_lookup(tables, [3, 3, 0])
    first, second = gf.Session().run(gf.gradients(gf.sum(rows), tables))
    np.testing.assert_array_equal(first, [[1, 1], [0, 0]])
    np.testing.assert_array_equal(second, [[0, 0], [2, 2]])


@pytest.mark.parametrize("combiner", ["sum", "mean", "max"])
def test_bags_equal_pytorchs(combiner: str) -> None:
    torch = pytest.importorskip("torch")
    table, ids = array(9, 3, seed=1), np.array([3, 8, 8, 0, 4, 3, 1])
    offsets, bags = np.array([0, 2, 2, 6]), np.array([0, 0, 2, 2, 2, 2, 3])
    weight = torch.from_numpy(table).requires_grad_()
    expected = torch.nn.functional.embedding_bag(
        torch.from_numpy(ids), weight, torch.from_numpy(offsets), mode=combiner
    )
    (expected**2).sum().backward()
    params = gf.constant(table)
    made = embedding_bag(params, ids, bags, 4, combiner=combiner)
    found: Any = gf.Session().run([made, *gf.gradients(gf.sum(made * made), params)])
    np.testing.assert_allclose(found[0], expected.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(found[1], weight.grad.numpy(), rtol=1e-12)
