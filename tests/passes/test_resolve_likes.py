"""What has the shape of another tensor gets it as a number once sizes are known."""

from __future__ import annotations

import graphflow as gf
from graphflow.bind import bind, match_feeds
from graphflow.passes.resolve_likes import resolve_likes
from graphflow.subgraph import cut
from graphflow.types import TensorType


def test_no_shape_is_asked_of_a_tensor_once_sizes_are_known() -> None:
    x = gf.placeholder("float32", [None], name="x")
    w = gf.placeholder("float32", [], name="w")
    (g,) = gf.gradients(gf.exp(x * w), w)
    shapes = [(7,), ()]
    types = [TensorType(t.dtype, s) for t, s in zip((x, w), shapes, strict=True)]
    bound = bind(cut([g], (x, w)), types, match_feeds((x, w), shapes))[0]
    before, after = ([n.type for n in s.nodes] for s in (bound, resolve_likes(bound)))
    assert any(name.endswith("_like") for name in before)
    assert not any(name in ("sum_to_like", "broadcast_to_like", "reshape_like") for name in after)
