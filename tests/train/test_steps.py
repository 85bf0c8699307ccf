"""The global step."""

from __future__ import annotations

import numpy as np
import pytest

import graphflow as gf
from graphflow import train
from graphflow.errors import ArgumentError, DTypeError, GraphError


def test_made_once():
    assert train.get_global_step() is None
    step = train.get_or_create_global_step()
    assert train.get_or_create_global_step() is train.get_global_step() is step
    assert (step.op.name, step.dtype, step.shape, step.trainable) == ("global_step", "int64", (), False)
    assert gf.get_default_graph().get_collection("global_step") == [step]
    with pytest.raises(GraphError, match="has a global step"):
        train.create_global_step()


def test_of_another_graph_and_from_within_a_scope():
    graph = gf.Graph()
    with gf.name_scope("deep"):
        step = train.get_or_create_global_step(graph)
    assert step.graph is graph
    assert step.op.name == "global_step"
    assert train.get_global_step() is None
    with pytest.raises(ArgumentError, match="graph must be a Graph"):
        train.get_global_step("graph")


def test_value():
    step = train.get_or_create_global_step()
    with gf.Session() as session:
        session.run(gf.global_variables_initializer())
        session.run(step.assign_add(41))
        assert train.global_step(session, step) == 41
        assert type(train.global_step(session, step)) is int
        with pytest.raises(DTypeError, match="integer scalar"):
            train.global_step(session, gf.constant(1.0))


def test_a_collection_that_holds_something_else():
    graph = gf.get_default_graph()
    graph.add_to_collection("global_step", gf.Variable(np.zeros(2), name="w"))
    with pytest.raises(DTypeError, match="integer scalar variable"):
        train.get_global_step()
    graph.add_to_collection("global_step", gf.Variable(0))
    with pytest.raises(GraphError, match="2 global steps"):
        train.get_global_step()
