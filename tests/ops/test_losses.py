"""Losses: bad input, weights, the collection of `gf.losses`, and PyTorch's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow import losses as collected
from graphflow.errors import ArgumentError, DTypeError, GraphError, IndexRangeError, ShapeError
from graphflow.graph import GraphKeys
from graphflow.ops import classification_losses as classes
from graphflow.ops import losses as plain
from graphflow.ops import ranking_losses as ranking
from graphflow.ops import regression_losses as regression
from graphflow.ops.loss_reduction import Reduction


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


PAIRED = [
    *[
        getattr(plain, n)
        for n in ("absolute_difference", "hinge_loss", "huber_loss", "log_loss", "mean_squared_error")
    ],
    regression.log_cosh_loss,
    regression.poisson_loss,
    regression.kl_divergence,
    classes.binary_cross_entropy,
    classes.categorical_cross_entropy,
    classes.squared_hinge_loss,
    classes.categorical_hinge_loss,
    classes.focal_loss,
    ranking.contrastive_loss,
]
"""Losses of two tensors of one shape."""

# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", PAIRED, ids=lambda f: f.__name__)
def test_losses_do_not_broadcast(f: Callable[..., Any]) -> None:
    """[n] against [n, 1] would silently give [n, n]."""
    with pytest.raises(ShapeError, match=f"^{f.__name__}: labels and .* need one shape.*\\[4\\].*\\[4, 1\\]"):
        f(x(4), x(4, 1))


@pytest.mark.parametrize("f", PAIRED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("reduction", ["average", None, 1, "weighted_none"])
def test_another_reduction(f: Callable[..., Any], reduction: Any) -> None:
    with pytest.raises(
        ArgumentError, match=f"^{f.__name__}: reduction must be one of 'none', 'weighted_sum'"
    ):
        f(x(4), x(4), reduction=reduction)


@pytest.mark.parametrize("f", PAIRED, ids=lambda f: f.__name__)
def test_what_is_no_number(f: Callable[..., Any]) -> None:
    with pytest.raises(DTypeError, match=f"^{f.__name__}: "):
        f(x(4), "four")
    with pytest.raises(DTypeError, match=f"^{f.__name__}: .*complex"):
        f(x(4), x(4, dtype="complex64"))
    with pytest.raises(DTypeError, match=f"^{f.__name__}: weights"):
        f(x(4, 4), x(4, 4), weights="heavy")


@pytest.mark.parametrize("shape", [(3,), (4,), (3, 4, 1), (4, 3), (1, 3, 4)])
def test_weights_neither_enlarge_the_losses_nor_leave_it_open_which_axis_they_mean(shape: Any) -> None:
    with pytest.raises(
        ShapeError, match=r"^mean_squared_error: weights .* must be a scalar, or have the axes"
    ):
        plain.mean_squared_error(x(3, 4), x(3, 4), x(*shape))
    good = plain.mean_squared_error(x(3, 4), x(3, 4), x(3, 1))
    assert good.shape == ()


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            lambda: plain.softmax_cross_entropy(x(2, 3), x(2, 3), label_smoothing=1.5),
            ArgumentError,
            r"softmax_cross_entropy: label_smoothing must be in \[0, 1\], got 1.5",
        ),
        (
            lambda: plain.sigmoid_cross_entropy(x(2, 3), x(2, 3), label_smoothing=float("nan")),
            ArgumentError,
            "sigmoid_cross_entropy: label_smoothing must be in",
        ),
        (
            lambda: plain.log_loss(x(2), x(2), epsilon=-1.0),
            ArgumentError,
            "log_loss: epsilon must not be negative, got -1.0",
        ),
        (
            lambda: regression.log_poisson_loss(x(2), x(3)),
            ShapeError,
            "log_poisson_loss: labels and log_input need one shape",
        ),
        (
            lambda: regression.log_poisson_loss(x(2), x(2), compute_full_loss="yes"),
            ArgumentError,
            "log_poisson_loss: compute_full_loss must be True or False",
        ),
        (
            lambda: regression.cosine_distance(x(2), x(2)),
            ArgumentError,
            "cosine_distance: axis must be an integer, not None",
        ),
        (lambda: regression.cosine_distance(x(2), x(2), 1), ArgumentError, "axis 1 is out of range"),
        (lambda: regression.cosine_similarity(x(2), x(3)), ShapeError, r"\[2\].*\[3\]"),
        (
            lambda: regression.cosine_similarity(x(2), x(2), epsilon=-1),
            ArgumentError,
            "cosine_similarity: epsilon must not be negative",
        ),
        (
            lambda: regression.mean_pairwise_squared_error(x(2, 3), x(2, 3), x(2, 3)),
            ShapeError,
            "mean_pairwise_squared_error: weights must be a scalar or one number for each example",
        ),
        (
            lambda: regression.mean_pairwise_squared_error(x(), x()),
            ShapeError,
            "mean_pairwise_squared_error: labels and predictions need an axis",
        ),
        (
            lambda: classes.categorical_cross_entropy(x(2, 3), x(2, 3), axis="1"),
            ArgumentError,
            "categorical_cross_entropy: axis must be an integer",
        ),
        (
            lambda: classes.categorical_cross_entropy(x(2, 3), x(2, 3), axis=2),
            ArgumentError,
            "axis 2 is out of range",
        ),
        (
            lambda: classes.binary_cross_entropy(x(2), x(2), from_logits=3),
            ArgumentError,
            "binary_cross_entropy: from_logits must be True or False",
        ),
        (
            lambda: classes.sparse_categorical_cross_entropy(x(2), x(2, 3)),
            DTypeError,
            "sparse_categorical_cross_entropy: labels must be integers",
        ),
        (
            lambda: classes.sparse_categorical_cross_entropy(x(3, dtype="int32"), x(2, 3)),
            ShapeError,
            r"sparse_categorical_cross_entropy: labels int32\[3\] do not fit predictions",
        ),
        (
            lambda: classes.nll_loss(x(2, 3, dtype="int32"), x(2, 3)),
            ShapeError,
            "nll_loss: labels .* need one axis less than log_probabilities",
        ),
        (
            lambda: classes.weighted_cross_entropy_with_logits(x(3), x(3), x(2, 3)),
            ShapeError,
            "weighted_cross_entropy_with_logits: pos_weight .* must broadcast to logits",
        ),
        (
            lambda: classes.focal_loss(x(3), x(3), gamma=-1),
            ArgumentError,
            "focal_loss: gamma must not be negative, got -1.0",
        ),
        (
            lambda: classes.focal_loss(x(3), x(3), alpha=2),
            ArgumentError,
            r"focal_loss: alpha must be in \[0, 1\]",
        ),
        (
            lambda: ranking.triplet_loss(x(2, 3), x(2, 3), x(2, 4)),
            ShapeError,
            "triplet_loss: anchor and negative need one shape",
        ),
        (
            lambda: ranking.triplet_loss(x(2, 3), x(2, 3), x(2, 3), margin=float("inf")),
            ArgumentError,
            "triplet_loss: margin must be finite",
        ),
        (
            lambda: ranking.contrastive_loss(x(2), x(2), margin=0),
            ArgumentError,
            "contrastive_loss: margin must be positive, got 0.0",
        ),
        (
            lambda: ranking.margin_ranking_loss(x(2), x(2), x(3)),
            ShapeError,
            "margin_ranking_loss: first and second need one shape",
        ),
        (
            lambda: ranking.margin_ranking_loss(x(1), x(2), x(2)),
            ShapeError,
            "margin_ranking_loss: labels and first need one shape",
        ),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()


@pytest.mark.parametrize("label", [3, -4])
def test_a_class_that_there_is_not(label: int) -> None:
    truth, scores = x(2, dtype="int64"), x(2, 3)
    for loss in (
        classes.nll_loss(truth, scores),
        classes.sparse_categorical_cross_entropy(truth, scores, from_logits=True),
    ):
        with pytest.raises(IndexRangeError, match=str(label)):
            run(loss, {truth: [0, label], scores: np.zeros((2, 3))})


# --- edges ----------------------------------------------------------------------------------------


def test_reductions_are_tensorflows_with_or_without_their_prefix() -> None:
    t, w = x(2, 2, dtype="float64"), np.array([[1.0, 0.0], [3.0, 0.0]])
    at = np.array([[1.0, 2.0], [3.0, 4.0]])
    wanted = {
        Reduction.SUM: 10.0,
        Reduction.MEAN: 2.5,
        Reduction.SUM_OVER_BATCH_SIZE: 2.5,
        Reduction.SUM_BY_NONZERO_WEIGHTS: 5.0,
        Reduction.SUM_OVER_NONZERO_WEIGHTS: 5.0,
    }
    for key, total in wanted.items():
        for name in (key, key.removeprefix("weighted_")):
            loss = plain.absolute_difference(0 * t, t, w, reduction=name)
            assert run(loss, {t: at}) == total
    Reduction.validate("none")
    with pytest.raises(ArgumentError, match=r"Reduction.validate: reduction must be"):
        Reduction.validate("some")


def test_focal_loss_of_what_is_certain_has_finite_gradients() -> None:
    logits = x(4, dtype="float64")
    loss = classes.focal_loss(np.array([1.0, 1, 0, 0]), logits, gamma=2.0, reduction="none")
    (g,) = gf.gradients(loss, [logits])
    values, slopes = run([loss, g], {logits: [1000.0, -1000, 1000, -1000]})
    np.testing.assert_allclose(values, [0, 250, 750, 0])
    assert np.isfinite(slopes).all()


def test_sixteen_bit_losses_come_out_in_sixteen_bits() -> None:
    for f in PAIRED:
        for dtype in ("float16", "bfloat16"):
            assert f(x(4, 4, dtype=dtype), x(4, 4, dtype=dtype)).dtype.name == dtype, f.__name__


def test_a_name_is_that_of_the_result() -> None:
    for f in PAIRED:
        assert f(x(4, 4), x(4, 4), name="the_loss").op.name.startswith("the_loss"), f.__name__


# --- the collection -------------------------------------------------------------------------------


def test_losses_are_collected_and_added_up() -> None:
    a, b = x(2, 3, dtype="float64"), x(2, 3, dtype="float64")
    first = collected.mean_squared_error(a, b)
    second = collected.absolute_difference(a, b, 2.0, scope="second")
    collected.huber_loss(a, b, loss_collection=None)
    collected.log_loss(a, b, loss_collection="elsewhere")
    own = gf.sum(a)
    collected.add_loss(own)
    found = collected.get_losses()
    assert [t.name for t in found] == [first.name, second.name, own.name]
    assert [t.name for t in collected.get_losses("second")] == [second.name]
    assert len(collected.get_losses(loss_collection="elsewhere")) == 1
    gf.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, gf.constant(np.float64(100)))
    total, without = collected.get_total_loss(), collected.get_total_loss(False, name="bare")
    assert total.op.name == "total_loss"
    at, to = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    expected = ((at - to) ** 2).mean() + 2 * np.abs(at - to).mean() + at.sum()
    values = run([total, without, collected.get_regularization_loss()], {a: at, b: to})
    np.testing.assert_allclose(values, [expected + 100, expected, 100])


def test_an_empty_collection() -> None:
    assert collected.get_losses() == []
    assert run(collected.get_regularization_loss()) == 0
    with pytest.raises(GraphError, match="get_total_loss: no loss was collected"):
        collected.get_total_loss()
    with pytest.raises(ArgumentError, match="loss_collection must be a name or None, not 3"):
        collected.mean_squared_error(x(2), x(2), loss_collection=3)


@pytest.mark.parametrize(
    "name", [n for n in collected.__all__ if hasattr(plain, n) or hasattr(regression, n)]
)
def test_a_collected_loss_is_the_plain_one(name: str) -> None:
    f, g = getattr(collected, name), getattr(plain, name, None) or getattr(regression, name)
    sparse = name.startswith("sparse")
    labels, scores = x(4, dtype="int32") if sparse else x(4, 3), x(4, 3)
    extra: dict[str, Any] = {"axis": 1} if name == "cosine_distance" else {}
    rng = np.random.default_rng(0)
    feeds = {
        labels: rng.integers(0, 3, 4) if sparse else rng.uniform(0.1, 0.9, (4, 3)),
        scores: rng.uniform(0.1, 0.9, (4, 3)),
    }
    weights = 2.0 if "pairwise" in name else np.float32(0.5)
    ours, theirs = run(
        [f(labels, scores, weights=weights, **extra), g(labels, scores, weights=weights, **extra)], feeds
    )
    assert ours == theirs
    assert len(collected.get_losses()) == 1


def test_compute_weighted_loss() -> None:
    t = x(2, 2, dtype="float64")
    loss = collected.compute_weighted_loss(t, [[1.0, 0.0], [1.0, 0.0]], "mine")
    single = collected.compute_weighted_loss(t, reduction=Reduction.NONE)
    assert single is not t
    assert run(loss, {t: [[1.0, 2.0], [3.0, 4.0]]}) == 2.0
    assert len(collected.get_losses()) == 2
    assert loss.op.name.startswith("mine")


# --- PyTorch --------------------------------------------------------------------------------------


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    f = torch.nn.functional
    rng = np.random.default_rng(0)
    a, b, c = rng.standard_normal((3, 5, 4))
    p, q = rng.dirichlet(np.ones(4), (2, 5))
    k, y = rng.integers(0, 4, 5), np.sign(rng.standard_normal((5, 4)))
    z = (y + 1) / 2
    at = {
        n: torch.tensor(v)
        for n, v in (("a", a), ("b", b), ("c", c), ("p", p), ("q", q), ("k", k), ("y", y), ("z", z))
    }
    logs = torch.log_softmax(at["a"], -1)
    pairs: list[tuple[Any, Any]] = [
        (plain.huber_loss(b, a, delta=0.7), f.huber_loss(at["a"], at["b"], delta=0.7)),
        (regression.kl_divergence(p, q), f.kl_div(torch.log(at["q"]), at["p"], reduction="batchmean")),
        (regression.cosine_similarity(a, b), f.cosine_similarity(at["a"], at["b"])),
        (
            regression.poisson_loss(p, q, epsilon=1e-8),
            f.poisson_nll_loss(at["q"], at["p"], log_input=False, eps=1e-8),
        ),
        (
            regression.log_poisson_loss(np.abs(a) * 3, b, compute_full_loss=True),
            f.poisson_nll_loss(at["b"], torch.abs(at["a"]) * 3, full=True, reduction="none"),
        ),
        (classes.nll_loss(k, logs.numpy()), f.nll_loss(logs, at["k"])),
        (
            classes.sparse_categorical_cross_entropy(k, a, from_logits=True, label_smoothing=0.1),
            f.cross_entropy(at["a"], at["k"], label_smoothing=0.1),
        ),
        (classes.binary_cross_entropy(z, q), f.binary_cross_entropy(at["q"], at["z"])),
        (
            classes.weighted_cross_entropy_with_logits(z, a, np.abs(b[0])),
            f.binary_cross_entropy_with_logits(
                at["a"], at["z"], pos_weight=torch.abs(at["b"][0]), reduction="none"
            ),
        ),
        (ranking.margin_ranking_loss(y, a, b, 0.2), f.margin_ranking_loss(at["a"], at["b"], at["y"], 0.2)),
        (ranking.triplet_loss(a, b, c), f.triplet_margin_loss(at["a"], at["b"], at["c"], eps=0.0)),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(run(ours), theirs.numpy(), rtol=1e-7, atol=1e-12)
