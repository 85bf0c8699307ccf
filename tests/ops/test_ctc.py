"""Connectionist temporal classification: bad input, gradients, the decoders, and PyTorch's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.errors import ArgumentError, DTypeError, GradientError, IndexRangeError, RunError, ShapeError
from graphflow.ops.ctc import ctc_loss
from graphflow.ops.ctc_decoders import ctc_beam_search_decoder, ctc_greedy_decoder
from tests.ops.samples_ctc import chances


def x(*shape: Any, dtype: str = "float64") -> gf.Tensor:
    return gf.placeholder(dtype, shape)


def ints(*shape: Any) -> gf.Tensor:
    return gf.placeholder("int64", shape)


def run(y: Any, feeds: Any = None) -> Any:
    return gf.Session().run(y, feeds)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (
            lambda: ctc_loss(ints(2, 3), x(5, 2), ints(2), ints(2)),
            ShapeError,
            r"logits must be \[time, batch",
        ),
        (lambda: ctc_loss(ints(3), x(5, 2, 4), ints(2), ints(2)), ShapeError, r"labels must be \[batch"),
        (lambda: ctc_loss(ints(3, 3), x(5, 2, 4), ints(2), ints(2)), ShapeError, "differ in their batch"),
        (
            lambda: ctc_loss(ints(2, 3), x(5, 2, 4), ints(3), ints(2)),
            ShapeError,
            "label_length must be one number for each of the 2 rows, got int64",
        ),
        (lambda: ctc_loss(ints(2, 3), x(5, 2, 4), ints(2), 5), ShapeError, "logit_length must be one number"),
        (
            lambda: ctc_loss(x(2, 3), x(5, 2, 4), ints(2), ints(2)),
            DTypeError,
            "ctc_loss: labels must be integers",
        ),
        (
            lambda: ctc_loss(ints(2, 3), x(5, 2, 4), x(2), ints(2)),
            DTypeError,
            "ctc_loss: label_length must be integers",
        ),
        (
            lambda: ctc_loss(ints(2, 3), x(5, 2, 4), ints(2), ints(2), blank_index=4),
            ArgumentError,
            "blank_index 4 is out of range for 4 classes",
        ),
        (
            lambda: ctc_loss(ints(2, 3), x(5, 2, 4), ints(2), ints(2), logits_time_major=None),
            ArgumentError,
            "ctc_loss: logits_time_major must be True or False",
        ),
        (
            lambda: ctc_greedy_decoder(x(5, 2), ints(2)),
            ShapeError,
            r"inputs must be \[time, batch, classes\]",
        ),
        (lambda: ctc_greedy_decoder(x(5, 2, 4), ints(3)), ShapeError, "sequence_length must be one number"),
        (lambda: ctc_greedy_decoder(x(5, 2, 4), x(2)), DTypeError, "sequence_length must be integers"),
        (
            lambda: ctc_greedy_decoder(x(5, 2, 4), ints(2), blank_index=-5),
            ArgumentError,
            "blank_index -5 is out of range",
        ),
        (
            lambda: ctc_beam_search_decoder(x(5, 2, 4), ints(2), 2, 3),
            ArgumentError,
            r"1 <= top_paths <= beam_width <= 2\^20 is needed, got 3 and 2",
        ),
        (
            lambda: ctc_beam_search_decoder(x(5, 2, 4), ints(2), 2, 0),
            ArgumentError,
            "ctc_beam_search_decoder: 1 <= top_paths",
        ),
        (
            lambda: ctc_beam_search_decoder(x(5, 2, 4), ints(2), merge_repeated="no"),
            ArgumentError,
            "ctc_beam_search_decoder: merge_repeated must be True or False",
        ),
    ],
)
def test_bad_arguments(build: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build()


GOOD: dict[str, Any] = {"labels": [[0, 1, 0]], "label_length": [3], "logit_length": [4]}


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"label_length": [4]}, IndexRangeError, "ctc_loss: label_length must be from 0 to 3, got 4"),
        ({"label_length": [-1]}, IndexRangeError, "label_length must be from 0 to 3, got -1"),
        ({"logit_length": [6]}, IndexRangeError, "ctc_loss: logit_length must be from 0 to 5, got 6"),
        ({"logit_length": [-(2**62)]}, IndexRangeError, "logit_length must be from 0 to 5"),
        ({"labels": [[0, 7, 0]]}, IndexRangeError, "ctc_loss: label 7 is none of the 3 classes"),
        ({"labels": [[0, -2, 0]]}, IndexRangeError, "ctc_loss: label -2 is none of the 3 classes"),
        ({"labels": [[0, 2, 0]]}, RunError, "ctc_loss: a label is 2, which is the blank"),
    ],
)
def test_bad_values(changed: Any, error: type[Exception], text: str) -> None:
    logits, labels, length, steps = x(5, 1, 3), ints(1, 3), ints(1), ints(1)
    loss = ctc_loss(labels, logits, length, steps)
    session = gf.Session()

    def feeds(**values: Any) -> Any:
        given = {**GOOD, **values}
        return {
            logits: np.zeros((5, 1, 3)),
            labels: given["labels"],
            length: given["label_length"],
            steps: given["logit_length"],
        }

    with pytest.raises(error, match=text) as caught:
        session.run(loss, feeds(**changed))
    assert "test_ctc.py" in str(caught.value)
    assert np.isfinite(session.run(loss, feeds())).all()


@pytest.mark.parametrize("decoder", [ctc_greedy_decoder, ctc_beam_search_decoder])
def test_bad_lengths_of_decoders(decoder: Callable[..., Any]) -> None:
    scores, lengths = x(3, 1, 2), ints(1)
    decoded = decoder(scores, lengths)[0]
    with pytest.raises(
        IndexRangeError, match=f"{decoder.__name__}: sequence_length must be from 0 to 3, got 4"
    ):
        run(decoded, {scores: np.zeros((3, 1, 2)), lengths: [4]})


def test_beam_search_refuses_what_has_no_probabilities() -> None:
    scores, lengths = x(3, 2, 2), ints(2)
    decoded = ctc_beam_search_decoder(scores, lengths)[0]
    values = np.zeros((3, 2, 2))
    values[2, 1] = np.nan
    run(decoded, {scores: values, lengths: [3, 2]})  # behind the row's end
    with pytest.raises(RunError, match="step 2 of row 1 of the inputs holds NaN"):
        run(decoded, {scores: values, lengths: [3, 3]})


# --- properties -----------------------------------------------------------------------------------


def test_the_gradient_is_what_softmax_gives_less_what_is_expected() -> None:
    """It adds up to 0 at every step that counts, and is 0 behind a row's end."""
    rng = np.random.default_rng(0)
    logits, labels = x(6, 3, 5), rng.integers(0, 4, (3, 2))
    loss = ctc_loss(labels, logits, [2, 1, 0], [6, 4, 3])
    (g,) = gf.gradients(loss, [logits])
    value = run(g, {logits: rng.standard_normal((6, 3, 5))})
    np.testing.assert_allclose(value.sum(-1), 0, atol=1e-14)
    assert (value[4:, 1] == 0).all()
    assert (value[3:, 2] == 0).all()
    assert (value[:4, 1] != 0).any()


def test_the_loss_of_a_long_row_loses_nothing_to_underflow() -> None:
    """Linear probabilities would be 0: the labels are unlikely at every step, until the last one."""
    steps = 400
    at = np.full((steps, 1, 3), -30.0)
    at[..., 2] = 0.0
    logits = x(steps, 1, 3)
    labels = np.tile([0, 1], 20)[None, :]
    loss = ctc_loss(labels, logits, [40], [steps])
    value, slope = run([loss, gf.gradients(loss, [logits])[0]], {logits: at})
    # 40 labels at 30 each, at C(400, 40) choices of their steps; runs of a label cost 30 more for each step
    choices = sum(np.log(np.arange(steps - 39, steps + 1))) - sum(np.log(np.arange(1, 41)))
    assert value[0] == pytest.approx(40 * 30 - choices, rel=1e-6)
    assert np.isfinite(slope).all()


def test_third_derivatives_are_refused() -> None:
    logits = x(4, 1, 3)
    first = gf.gradients(ctc_loss([[0, 1]], logits, [2], [4]), [logits])[0]
    second = gf.gradients(gf.sum(first * first), [logits])[0]
    with pytest.raises(GradientError, match="ctc_curvature"):
        gf.gradients(gf.sum(second), [logits])


def test_scores_of_the_greedy_decoder_have_a_gradient() -> None:
    scores = x(3, 1, 2)
    decoded, _, score = ctc_greedy_decoder(scores, [2])
    (g,) = gf.gradients(score, [scores])
    values, slope = run([decoded, g], {scores: [[[0.0, 1.0]], [[5.0, 2.0]], [[3.0, 0.0]]]})
    np.testing.assert_array_equal(values, [[0, -1, -1]])
    np.testing.assert_array_equal(slope[:, 0], [[0, -1], [-1, 0], [0, 0]])


def test_a_wide_beam_finds_what_is_likeliest_and_a_narrow_one_something_likely() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        logits = rng.standard_normal((5, 1, 4))
        every = chances(logits[:, 0], 3)
        best = max(every.values())
        for width, least in ((200, 1.0), (4, 0.3)):
            decoded, lengths, chance = run(
                list(ctc_beam_search_decoder(gf.constant(logits), [5], width, merge_repeated=False))
            )
            labels = tuple(decoded[0, 0, : lengths[0, 0]].tolist())
            assert np.exp(chance[0, 0]) <= every[labels] * (1 + 1e-9)
            assert every[labels] >= least * best * (1 - 1e-9)


# --- PyTorch --------------------------------------------------------------------------------------


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    time, rows, classes, most = 30, 6, 9, 8
    at = rng.standard_normal((time, rows, classes)) * 3
    labels = rng.integers(1, classes, (rows, most))
    labels[0, 1] = labels[0, 0]
    lengths, steps = rng.integers(0, most + 1, rows), rng.integers(2 * most, time + 1, rows)
    logits = x(time, rows, classes)
    loss = ctc_loss(labels, logits, lengths, steps, blank_index=0)
    ours, slope = run([loss, gf.gradients(loss, [logits])[0]], {logits: at})
    t = torch.tensor(at, requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        torch.log_softmax(t, -1),
        torch.tensor(labels),
        torch.tensor(steps),
        torch.tensor(lengths),
        blank=0,
        reduction="none",
    )
    theirs.sum().backward()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(slope, t.grad.numpy(), atol=1e-12)
