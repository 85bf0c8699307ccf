"""Candidate samplers and the losses over drawn classes: bad input, distributions, determinism."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.ops.candidate_sampling import log_uniform_candidate_sampler, uniform_candidate_sampler
from graphflow.ops.sampled_losses import nce_loss, sampled_softmax_loss


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def ints(*shape: Any) -> gf.Tensor:
    return gf.placeholder("int64", shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


def softmax(**changed: Any) -> gf.Tensor:
    given: dict[str, Any] = {
        "weights": x(7, 3),
        "biases": x(7),
        "labels": ints(4, 2),
        "inputs": x(4, 3),
        "num_sampled": 3,
        "num_classes": 7,
        "num_true": 2,
        **changed,
    }
    return sampled_softmax_loss(**given)


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            lambda: log_uniform_candidate_sampler(ints(2, 3), 2, 4, True, 9),
            ShapeError,
            r"log_uniform_candidate_sampler: true_classes must be \[batch, 2\]",
        ),
        (
            lambda: uniform_candidate_sampler(x(2, 3), 3, 4, True, 9),
            DTypeError,
            "uniform_candidate_sampler: true_classes must be integers",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 0, 4, True, 9),
            ArgumentError,
            "num_true must be at least 1, not 0",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 3, 0, True, 9),
            ArgumentError,
            "num_sampled must be from 1",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 3, 4, True, 0),
            ArgumentError,
            "range_max must be from 1",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 3, 4, True, 3),
            ArgumentError,
            "uniform_candidate_sampler: 4 different classes cannot be drawn from 3",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 3, 4, None, 9),
            ArgumentError,
            "unique must be True or False, not None",
        ),
        (
            lambda: uniform_candidate_sampler(ints(2, 3), 3, 4, True, 9, seed=-1),
            ArgumentError,
            "uniform_candidate_sampler: seed must be at least 0",
        ),
        (lambda: softmax(weights=x(7)), ShapeError, "sampled_softmax_loss: weights must have two axes"),
        (lambda: softmax(inputs=x(4, 3, 1)), ShapeError, "sampled_softmax_loss: inputs must have two axes"),
        (lambda: softmax(labels=ints(4)), ShapeError, "sampled_softmax_loss: labels must be"),
        (lambda: softmax(labels=x(4, 2)), DTypeError, "sampled_softmax_loss: labels must be integers"),
        (
            lambda: softmax(partition_strategy="other"),
            ArgumentError,
            "sampled_softmax_loss: partition_strategy must be one of 'mod', 'div'",
        ),
        (
            lambda: softmax(sampled_values=(1, 2)),
            ArgumentError,
            "sampled_softmax_loss: sampled_values must be the three tensors",
        ),
        (
            lambda: softmax(remove_accidental_hits="yes"),
            ArgumentError,
            "sampled_softmax_loss: remove_accidental_hits must be True or False",
        ),
        (lambda: softmax(num_sampled=8), ArgumentError, "8 different classes cannot be drawn from 7"),
        (
            lambda: nce_loss(x(7, 3), x(7), ints(4, 1), x(4, 5), 3, 7),
            ShapeError,
            r"\[4.*3\]",
        ),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()


def test_a_true_class_that_there_is_not() -> None:
    labels = ints(1, 1)
    loss = nce_loss(np.zeros((7, 3), np.float32), np.zeros(7, np.float32), labels, np.zeros((1, 3)), 3, 7)
    with pytest.raises(IndexRangeError, match="7"):
        run(loss, {labels: [[7]]})


@pytest.mark.parametrize(
    ("sampler", "chance"),
    [
        (log_uniform_candidate_sampler, lambda k: np.log((k + 2) / (k + 1)) / np.log(51)),
        (uniform_candidate_sampler, lambda k: np.full(50, 1 / 50)),
    ],
)
def test_classes_are_drawn_as_often_as_expected(
    sampler: Callable[..., Any], chance: Callable[..., Any]
) -> None:
    drawn = run(sampler(np.array([[0]]), 1, 100_000, False, 50, seed=5)[0])
    expected = 100_000 * chance(np.arange(50.0))
    assert (np.abs(np.bincount(drawn, minlength=50) - expected) < 5 * np.sqrt(expected)).all()


def test_the_expected_count_of_unique_classes_is_how_often_they_come() -> None:
    sampled, of_true, _ = log_uniform_candidate_sampler(np.arange(20)[:, None], 1, 8, True, 20)
    session = gf.Session()
    hits, expected = np.zeros(20), np.zeros(20)
    for _ in range(600):
        classes, count = session.run([sampled, of_true])
        hits[classes] += 1
        expected += count[:, 0]
    assert np.abs(hits - expected).max() < 5 * np.sqrt(expected.max())


def test_a_seed_gives_the_same_classes_in_every_session_and_others_in_the_next_run() -> None:
    sampled = log_uniform_candidate_sampler(np.array([[0]]), 1, 5, True, 1000, seed=11)[0]
    one, other = gf.Session(), gf.Session()
    first, second = one.run(sampled), one.run(sampled)
    assert (first != second).any()
    np.testing.assert_array_equal(first, other.run(sampled))
    again = log_uniform_candidate_sampler(np.array([[0]]), 1, 5, True, 1000, seed=11)[0]
    np.testing.assert_array_equal(first, gf.Session().run(again))


def test_all_classes_of_a_steep_distribution_are_found() -> None:
    sampled = log_uniform_candidate_sampler(np.array([[0]]), 1, 3000, True, 3000, seed=1)[0]
    np.testing.assert_array_equal(np.sort(run(sampled)), np.arange(3000))


def test_training_with_few_drawn_classes_learns_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    points, truth = rng.standard_normal((40, 8)).astype(np.float32), rng.integers(0, 100, (40, 1))
    w = gf.Variable(np.zeros((100, 8), np.float32))
    b = gf.Variable(np.zeros(100, np.float32))
    loss = gf.mean(sampled_softmax_loss(w, b, truth, points, 20, 100))
    step = [v.assign_sub(g * 2.0) for v, g in zip((w, b), gf.gradients(loss, [w, b]), strict=True)]
    session = gf.Session()
    session.run(gf.global_variables_initializer())
    for _ in range(150):
        session.run(step)
    logits = points @ session.run(w).T + session.run(b)
    assert (logits.argmax(1) == truth[:, 0]).mean() > 0.9
