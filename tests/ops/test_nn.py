"""Neural network functions: bad input, edges, and TensorFlow 1's other names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, IndexRangeError, ShapeError
from graphflow.op import OPS, F
from graphflow.ops import aliases, losses, nn

ACTIVATIONS = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
]
PAIRED = ["absolute_difference", "hinge_loss", "huber_loss", "log_loss", "mean_squared_error"]


def x(*shape: Any, dtype: str = "float32") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ACTIVATIONS, "l2_loss", "l2_normalize", "layer_norm"])
@pytest.mark.parametrize(
    "value", [None, "text", object(), np.array(["a"])], ids=["none", "str", "object", "strings"]
)
def test_what_is_no_number_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(DTypeError, match=f"^{'silu' if name == 'swish' else name}: "):
        F.table[name](value)
    assert len(gf.get_default_graph()) == 0


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_complex_numbers_are_refused(name: str) -> None:
    with pytest.raises(DTypeError, match="complex"):
        F.table[name](x(2, dtype="complex64"))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("axis", [2, -3, 1.5, "0"])
def test_an_axis_that_there_is_not(name: str, axis: Any) -> None:
    with pytest.raises(ArgumentError, match="axis"):
        F.table[name](x(2, 3), axis)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_of_nothing(name: str) -> None:
    with pytest.raises(ShapeError, match="float32"):
        F.table[name](x(3, 0))
    with pytest.raises(ArgumentError, match="axis"):
        F.table[name](x())
    with pytest.raises(ArgumentError, match=f"{name}: axis=0 and dim=1 are two names"):
        F.table[name](x(2, 2), 0, dim=1)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "give one of rate= and keep_prob="),
        ({"rate": 0.5, "keep_prob": 0.5}, "give one of"),
        ({"rate": 1.0}, r"rate must be in \[0, 1\), got 1.0"),
        ({"rate": -0.1}, r"rate must be in \[0, 1\)"),
        ({"rate": float("nan")}, "got nan"),
        ({"rate": True}, "rate must be a real number, not True"),
        ({"rate": "0.5"}, "rate must be a real number, not '0.5'"),
        ({"keep_prob": 0.0}, r"keep_prob must be in \(0, 1\], got 0"),
        ({"keep_prob": 1.5}, r"keep_prob must be in \(0, 1\]"),
    ],
)
def test_the_chance_of_dropout(options: Any, text: str) -> None:
    with pytest.raises(ArgumentError, match=f"^dropout: .*{text}"):
        gf.nn.dropout(x(3), **options)


def test_other_arguments_of_dropout() -> None:
    with pytest.raises(ShapeError, match=r"noise_shape \(1,\) needs one size for each axis"):
        nn.dropout(x(2, 3), 0.5, noise_shape=(1,))
    with pytest.raises(DTypeError, match="rate must be a scalar float"):
        nn.dropout(x(2), rate=x(dtype="int32"))
    with pytest.raises(ShapeError, match="keep_prob must be a scalar"):
        nn.dropout(x(2), keep_prob=x(2))
    with pytest.raises(DTypeError, match="training must be a scalar bool"):
        nn.dropout(x(2), 0.5, training=x())


@pytest.mark.parametrize("name", PAIRED)
def test_losses_do_not_broadcast(name: str) -> None:
    """[n] against [n, 1] would silently give [n, n]."""
    with pytest.raises(
        ShapeError, match=f"^{name}: labels and predictions need one shape.*\\[4\\].*\\[4, 1\\]"
    ):
        F.table[name](x(4), x(4, 1))


def test_cross_entropies_check_their_shapes_and_dtypes() -> None:
    with pytest.raises(
        ShapeError, match="softmax_cross_entropy_with_logits: labels and logits need one shape"
    ):
        nn.softmax_cross_entropy_with_logits(labels=x(3), logits=x(2, 3))
    with pytest.raises(
        ShapeError, match="sigmoid_cross_entropy_with_logits: labels and logits need one shape"
    ):
        nn.sigmoid_cross_entropy_with_logits(labels=x(3, 1), logits=x(3))
    with pytest.raises(DTypeError, match=r"labels must be integers.*float32"):
        nn.sparse_softmax_cross_entropy_with_logits(labels=x(3), logits=x(3, 4))
    with pytest.raises(ShapeError, match=r"int32\[3, 4\] need one axis less than logits float32\[3, 4\]"):
        nn.sparse_softmax_cross_entropy_with_logits(labels=x(3, 4, dtype="int32"), logits=x(3, 4))
    with pytest.raises(ShapeError, match=r"int32\[2\] do not fit logits float32\[3, 4\]"):
        nn.sparse_softmax_cross_entropy_with_logits(labels=x(2, dtype="int32"), logits=x(3, 4))


@pytest.mark.parametrize("label", [4, -5, 2**40])
def test_a_class_that_there_is_not(label: int) -> None:
    classes, logits = x(2, dtype="int64"), x(2, 4)
    loss = nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
    with pytest.raises(IndexRangeError, match=str(label)):
        run(loss, {classes: [0, label], logits: np.zeros((2, 4))})


@pytest.mark.parametrize("delta", [0.0, -1.0, float("nan"), "1", None])
def test_the_edge_of_the_huber_loss(delta: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^huber_loss: delta must be"):
        losses.huber_loss(x(2), x(2), delta=delta)


@pytest.mark.parametrize(
    "function",
    [
        lambda e: nn.layer_norm(x(3), epsilon=e),
        lambda e: nn.batch_norm(x(3), 0.0, 1.0, epsilon=e),
        lambda e: nn.l2_normalize(x(3), epsilon=e),
    ],
    ids=["layer_norm", "batch_norm", "l2_normalize"],
)
@pytest.mark.parametrize("epsilon", [-1e-9, float("nan"), "small", None])
def test_a_negative_epsilon(function: Any, epsilon: Any) -> None:
    with pytest.raises(ArgumentError, match="epsilon must"):
        function(epsilon)


def test_axes_of_normalisation() -> None:
    with pytest.raises(ArgumentError, match=r"axis 3 is out of range|out of range"):
        nn.layer_norm(x(2, 3), axis=3)
    with pytest.raises(ArgumentError, match="twice"):
        nn.moments(x(2, 3), [0, 0])
    with pytest.raises(ShapeError, match=r"\[2, 3\].*\[4\]"):
        nn.layer_norm(x(2, 3), scale=x(4))


def test_bias_add_checks_its_channels() -> None:
    with pytest.raises(
        ShapeError, match=r"bias_add: float32\[2\] does not fit the channels of float32\[5, 3\]"
    ):
        nn.bias_add(x(5, 3), x(2))
    with pytest.raises(ShapeError, match="does not fit the channels"):
        nn.bias_add(x(5, 3), x(1))
    with pytest.raises(ShapeError, match="bias must have one axis"):
        nn.bias_add(x(5, 3), x(1, 3))
    with pytest.raises(ShapeError, match="no channel axis"):
        nn.bias_add(x(3), x(3), "NCHW")
    with pytest.raises(ArgumentError, match="data_format is 'NHWC' or 'NCHW', not 'nhwc'"):
        nn.bias_add(x(5, 3), x(3), "nhwc")


def test_embedding_lookup_takes_rows_that_are_there() -> None:
    table, ids = x(3, 2), x(2, dtype="int32")
    with pytest.raises(DTypeError, match=r"integers|integer"):
        nn.embedding_lookup(table, x(2))
    rows = nn.embedding_lookup([table], ids)
    with pytest.raises(IndexRangeError, match="3"):
        run(rows, {table: np.zeros((3, 2)), ids: [0, 3]})


# --- edges ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("relu", [-1.0, 0.0, 2.0], [0.0, 0.0, 1.0]),
        ("relu6", [0.0, 6.0, 7.0], [0.0, 0.5, 0.0]),
        ("leaky_relu", [-1.0, 0.0, 1.0], [0.2, 0.2, 1.0]),
        ("elu", [-1e4, 0.0, 1e4], [0.0, 1.0, 1.0]),
        ("softplus", [-1e4, 0.0, 1e4], [0.0, 0.5, 1.0]),
        ("sigmoid", [-1e4, 0.0, 1e4], [0.0, 0.25, 0.0]),
        ("log_sigmoid", [-1e4, 0.0, 1e4], [1.0, 0.5, 0.0]),
        ("softsign", [0.0, 1.0], [1.0, 0.25]),
        ("gelu", [-40.0, 0.0, 40.0], [0.0, 0.5, 1.0]),
    ],
)
def test_gradients_at_kinks_and_far_out(name: str, at: Any, expected: Any) -> None:
    t = x(len(at), dtype="float64")
    (g,) = gf.gradients(F.table[name](t), [t])
    np.testing.assert_allclose(run(g, {t: at}), expected, rtol=1e-15, atol=1e-300)


def test_relu_and_sigmoid_use_only_their_outputs_in_gradients() -> None:
    """So that a plan may overwrite their inputs."""
    for name in ("relu", "sigmoid"):
        t = x(3)
        y = F.table[name](t)
        gf.gradients(y, [t])
        users = [n.type for n in t.consumers()]
        assert users == [name]


def test_dropout_in_inference_is_the_tensor_itself() -> None:
    t = x(3)
    assert nn.dropout(t, 0.5, training=False) is t
    assert nn.dropout(t, rate=0.0) is t
    assert nn.dropout(t, keep_prob=1.0) is t


def test_dropout_draws_anew_in_each_run_and_keeps_the_mean() -> None:
    t = x(200, 200, dtype="float64")
    y = nn.dropout(t, keep_prob=0.8)
    (g,) = gf.gradients(y, [t])
    session = gf.Session()
    ones = np.ones((200, 200))
    first, slope = session.run([y, g], {t: ones})
    np.testing.assert_array_equal(first, slope)  # one draw serves both
    assert (first != session.run(y, {t: ones})).any()
    assert abs(first.mean() - 1) < 0.02


def test_softmax_of_16_bit_floats_stays_16_bit() -> None:
    for dtype in ("float16", "bfloat16"):
        t = x(2, 3, dtype=dtype)
        for f in (nn.softmax, nn.log_softmax, nn.layer_norm, nn.gelu):
            assert f(t).dtype.name == dtype


def test_names_of_scopes_are_tensorflows() -> None:
    t = x(2, 3)
    assert nn.relu(t).op.name == "Relu"
    assert nn.sigmoid(t).op.name == "Sigmoid"
    assert nn.softmax(t).op.name.startswith("Softmax")
    assert nn.softmax(t, name="probabilities").op.name.startswith("probabilities")
    assert nn.bias_add(t, x(3)).op.name == "BiasAdd"


# --- TensorFlow 1's names -------------------------------------------------------------------------


@pytest.mark.parametrize("alias", sorted(aliases.ALIASES))
def test_an_alias_is_the_function_it_stands_for(alias: str) -> None:
    target = aliases.ALIASES[alias]
    assert aliases.functions()[alias] is F.table[target]
    if alias != "inv":  # gf.inv is TensorFlow 1's reciprocal, gf.linalg.inv the inverse of a matrix
        assert alias not in F.table, f"{alias} is a function of its own"


def test_every_public_name_of_the_table_of_tensorflow_exists() -> None:
    for name in aliases.__all__:
        assert hasattr(aliases, name)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "any", "all", "logsumexp", "std"])
def test_two_names_of_one_argument(name: str) -> None:
    reduce = getattr(aliases, f"reduce_{name}")
    assert reduce.__name__ == f"reduce_{name}"
    t = x(2, 3, dtype="bool" if name in ("any", "all") else "float32")
    assert reduce(t, reduction_indices=0).shape == (3,)
    assert reduce(t, 1, keep_dims=True).shape == (2, 1)
    with pytest.raises(ArgumentError, match=f"reduce_{name}: axis and reduction_indices are two names"):
        reduce(t, axis=0, reduction_indices=0)
    with pytest.raises(ArgumentError, match=f"reduce_{name}: keepdims and keep_dims are two names"):
        reduce(t, 0, True, keep_dims=True)


def test_the_modules_say_what_they_hold() -> None:
    for module in (nn, losses, aliases):
        for name in module.__all__:
            assert getattr(module, name) is not None
    assert OPS["relu"].doc
