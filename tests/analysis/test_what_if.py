"""What more lanes or faster nodes would change: simulated, between the bounds, with clear errors."""

from __future__ import annotations

import math
import pickle

import pytest

import graphflow as gf
from graphflow.analysis.what_if import WhatIf, what_if
from graphflow.errors import ArgumentError
from graphflow.plan import Plan
from tests.analysis.programs import branches


def _ask(plan: Plan, **options: object) -> WhatIf:
    return what_if(plan.program, [c.seconds for c in plan.costs], **options)


def test_more_workers() -> None:
    plan = branches(4)
    seconds = [c.seconds for c in plan.costs]
    product, total = seconds[0], seconds[-1]
    found = [_ask(plan, workers=n) for n in (1, 2, 3, 4, 100)]
    assert found == pytest.approx(
        [4 * product + total, 2 * product + total, 2 * product + total, product + total, product + total]
    )
    assert _ask(plan) == found[0]
    for n, answer in zip((1, 2, 3, 4, 100), found, strict=True):
        assert answer.workers == n
        assert max(answer.span, answer.work / n) <= answer.at_least * (1 + 1e-9)
        assert answer.at_least <= answer * (1 + 1e-9)
        assert answer <= answer.at_most * (1 + 1e-9)
        assert answer.changed == ()


def test_faster_nodes_by_name_node_tensor_and_place() -> None:
    plan = branches(2)
    graph = gf.get_default_graph()
    node = graph.get_operation_by_name("product0")
    product = plan.costs[0].seconds
    place = plan.program.instructions[0].place
    for key in ("product0", "product0:0", node, node.outputs[0], place):
        answer = _ask(plan, faster={key: 2})
        assert answer == pytest.approx(plan.work - product / 2)
        assert [(p.name, old, new) for p, old, new in answer.changed] == [
            ("product0", product, pytest.approx(product / 2))
        ]
    assert "product0: " in str(answer)
    slower = _ask(plan, workers=2, faster={"product0": 0.5, "product1": 1})
    assert slower == pytest.approx(2 * product + plan.costs[-1].seconds)
    assert f"{slower:.9f}" == f"{float(slower):.9f}"
    assert pickle.loads(pickle.dumps(slower)).changed[0][0].name == "product0"


def test_a_node_within_a_cluster() -> None:
    x = gf.placeholder(gf.float64, [1_000_000], name="x")
    y = gf.add(gf.exp(x, name="dear"), gf.multiply(x, 2.0, name="cheap"), name="sum")
    plan = gf.Session().plan(y, {x: (1_000_000,)})
    names = [n for i in plan.program.instructions for n in getattr(i.attrs.get("body"), "names", ())]
    assert {"dear", "cheap"} <= set(names)  # else this shows nothing
    dear, cheap = (plan.work - _ask(plan, faster={n: 1e9}) for n in ("dear", "cheap"))
    assert 0 < cheap < dear < plan.work


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers must be a positive int, not 0"),
        ({"workers": True}, "workers must be a positive int, not True"),
        ({"workers": 2.0}, "workers must be a positive int, not 2.0"),
        ({"faster": ["product0"]}, r"faster must map nodes or their names to factors, not \['product0'\]"),
        ({"faster": {"product7": 2}}, "nothing in this plan runs as 'product7'.*near to it: 'product"),
        ({"faster": {"x": 2}}, "nothing in this plan runs as 'x'"),
        ({"faster": {"product0": 0}}, "the factor for 'product0' must be a positive number, not 0"),
        ({"faster": {"product0": -1.5}}, "must be a positive number, not -1.5"),
        ({"faster": {"product0": math.nan}}, "must be a positive number, not nan"),
        ({"faster": {"product0": math.inf}}, "must be a positive number, not inf"),
        ({"faster": {"product0": "2"}}, "must be a positive number, not '2'"),
        ({"faster": {"product0": True}}, "must be a positive number, not True"),
        ({"faster": {"product0": 1e-320}}, "must be a positive number, not 1e-320"),
        (
            {"faster": {"product0": 2, "product0:0": 4}},
            "'product0' is there twice, as 'product0' and 'product0:0'",
        ),
        ({"faster": {3: 2}}, "3 is no node, nor the name of one"),
    ],
)
def test_bad_questions(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        _ask(branches(2, 8), **options)
