"""Learning rates that change with the step, as tensors.

Each is a scalar of the initial rate's dtype (float32 for Python floats). It is computed in float64 and rounded
once, since float32 does not hold steps above 2^24. A schedule reads the step where it is built: hand it to
an optimizer and each training step uses the rate of the step before its increment, 0 at first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, shorten
from graphflow.graph import Tensor, name_scope
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.train.parameters import number, number_or_tensor, wide
from graphflow.types import SUPPORTED, default_float, is_floating

__all__ = [
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "inverse_time_decay",
    "linear_warmup",
    "natural_exp_decay",
    "piecewise_constant",
    "polynomial_decay",
]

FLOAT64 = SUPPORTED["float64"]


def _scheduled(
    label: str, name: str | None, rate: Any, step: Any, formula: Callable[[Any, Tensor], Any]
) -> Tensor:
    """`formula(rate, step)` on float64 scalars, in the dtype of `rate`."""
    rate = number_or_tensor(rate, f"{label}: learning_rate")
    if step is None:
        raise ArgumentError(f"{label}: global_step is needed; see gf.train.get_or_create_global_step")
    step = number_or_tensor(step, f"{label}: global_step")
    dtype = rate.dtype if hasattr(type(rate), "__graphflow_tensor__") else default_float()
    if not is_floating(dtype):
        raise DTypeError(f"{label}: learning_rate must be floating, not {rate!r}")
    with name_scope(label if name is None else name):
        return F.cast(formula(wide(rate), wide(step)), dtype)  # type: ignore[no-any-return]


def _fraction(step: Tensor, decay_steps: Any, staircase: bool) -> Tensor:
    fraction = step / wide(decay_steps)
    return F.floor(fraction) if flag(staircase, "decay", "staircase") else fraction  # type: ignore[no-any-return]


def _positive(value: Any, label: str) -> Any:
    return number_or_tensor(value, label, above=True)


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * decay_rate ** (global_step / decay_steps)`; with `staircase` the exponent is floored.

    decay_steps, decay_rate: above 0. Every argument may be a scalar tensor. Raises ArgumentError for others.
    """
    label = "exponential_decay"
    steps, base = (
        _positive(decay_steps, f"{label}: decay_steps"),
        _positive(decay_rate, f"{label}: decay_rate"),
    )
    return _scheduled(
        label,
        name,
        learning_rate,
        global_step,
        lambda r, s: r * F.pow(wide(base), _fraction(s, steps, staircase)),
    )


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate * exp(-decay_rate * global_step / decay_steps)`; with `staircase` the quotient is floored.

    decay_steps: above 0. decay_rate: at least 0.
    """
    label = "natural_exp_decay"
    steps = _positive(decay_steps, f"{label}: decay_steps")
    base = number_or_tensor(decay_rate, f"{label}: decay_rate")
    return _scheduled(
        label,
        name,
        learning_rate,
        global_step,
        lambda r, s: r * F.exp(-wide(base) * _fraction(s, steps, staircase)),
    )


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """`learning_rate / (1 + decay_rate * global_step / decay_steps)`; with `staircase` the quotient is floored.

    decay_steps: above 0. decay_rate: at least 0.
    """
    label = "inverse_time_decay"
    steps = _positive(decay_steps, f"{label}: decay_steps")
    base = number_or_tensor(decay_rate, f"{label}: decay_rate")
    return _scheduled(
        label,
        name,
        learning_rate,
        global_step,
        lambda r, s: r / (1.0 + wide(base) * _fraction(s, steps, staircase)),
    )


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: float = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """`(learning_rate - end) * (1 - step / decay_steps) ** power + end`, and `end` from `decay_steps` on.

    cycle: instead of stopping, `decay_steps` is multiplied by the least whole number that is not exceeded by
        `step / decay_steps`. power: above 0. decay_steps: above 0. end_learning_rate: at least 0.
    """
    label = "polynomial_decay"
    steps = _positive(decay_steps, f"{label}: decay_steps")
    end = number_or_tensor(end_learning_rate, f"{label}: end_learning_rate")
    exponent = number(power, f"{label}: power", above=True)

    def formula(rate: Any, step: Tensor) -> Any:
        fraction = _fraction(step, steps, False)
        part = (
            fraction / F.maximum(F.ceil(fraction), 1.0)
            if flag(cycle, "polynomial_decay", "cycle")
            else F.minimum(fraction, 1.0)
        )
        last = wide(end)
        return (rate - last) * F.pow(1.0 - part, exponent) + last

    return _scheduled(label, name, learning_rate, global_step, formula)


def cosine_decay(
    learning_rate: Any, global_step: Any, decay_steps: Any, alpha: float = 0.0, name: str | None = None
) -> Tensor:
    """Half a cosine wave from `learning_rate` at step 0 to `alpha * learning_rate` from `decay_steps` on.

    decay_steps: above 0. alpha: in [0, 1].
    Source: Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.
    """
    label = "cosine_decay"
    steps = _positive(decay_steps, f"{label}: decay_steps")
    low = number(alpha, f"{label}: alpha", 0.0, 1.0)

    def formula(rate: Any, step: Tensor) -> Any:
        wave = 0.5 * (1.0 + F.cos(F.minimum(_fraction(step, steps, False), 1.0) * math.pi))
        return rate * ((1.0 - low) * wave + low)

    return _scheduled(label, name, learning_rate, global_step, formula)


def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
    name: str | None = None,
) -> Tensor:
    """Cosine decays one after another: each `t_mul` times as long as the one before, from `m_mul` times its height.

    first_decay_steps: above 0. t_mul: at least 1. m_mul: at least 0. alpha: in [0, 1], see cosine_decay.
    Source: Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts".
    """
    label = "cosine_decay_restarts"
    steps = _positive(first_decay_steps, f"{label}: first_decay_steps")
    longer = number(t_mul, f"{label}: t_mul", 1.0)
    higher = number(m_mul, f"{label}: m_mul")
    low = number(alpha, f"{label}: alpha", 0.0, 1.0)

    def formula(rate: Any, step: Tensor) -> Any:
        fraction = _fraction(step, steps, False)
        if longer == 1.0:
            period = F.floor(fraction)
            within = fraction - period
        else:  # period n begins at (t_mul^n - 1) / (t_mul - 1) first periods
            guess = F.floor(F.log(1.0 - fraction * (1.0 - longer)) / math.log(longer))
            late = (1.0 - F.pow(longer, guess)) / (1.0 - longer) > fraction  # the logarithm rounded up
            early = (1.0 - F.pow(longer, guess + 1.0)) / (1.0 - longer) <= fraction
            period = guess - F.cast(late, FLOAT64) + F.cast(early, FLOAT64)
            length = F.pow(F.constant(longer, dtype=FLOAT64), period)
            within = (fraction - (1.0 - length) / (1.0 - longer)) / length
        wave = 0.5 * F.pow(F.constant(higher, dtype=FLOAT64), period) * (1.0 + F.cos(within * math.pi))
        return rate * ((1.0 - low) * wave + low)

    return _scheduled(label, name, learning_rate, global_step, formula)


def linear_warmup(
    learning_rate: Any, global_step: Any, warmup_steps: Any, start: float = 0.0, name: str | None = None
) -> Tensor:
    """A straight line from `start * learning_rate` at step 0 to `learning_rate` from `warmup_steps` on.

    learning_rate: a number, or another schedule, which goes on below. warmup_steps: above 0. start: in [0, 1].
    Source: Goyal et al. 2017, "Accurate, large minibatch SGD: training ImageNet in 1 hour", section 2.2.
    """
    label = "linear_warmup"
    steps = _positive(warmup_steps, f"{label}: warmup_steps")
    low = number(start, f"{label}: start", 0.0, 1.0)
    return _scheduled(
        label,
        name,
        learning_rate,
        global_step,
        lambda r, s: r * (low + (1.0 - low) * F.minimum(_fraction(s, steps, False), 1.0)),
    )


def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Tensor:
    """`values[0]` while `x <= boundaries[0]`, then `values[1]` while `x <= boundaries[1]`, ..., at last `values[-1]`.

    x: the step, a number or scalar tensor. boundaries: rising finite numbers. values: one more than boundaries,
        finite numbers of at least 0 (float32), or scalar tensors of one floating dtype.
    Raises ArgumentError for boundaries that do not rise, or a wrong count.
    """
    label = "piecewise_constant"
    if not isinstance(boundaries, (list, tuple, np.ndarray)) or not isinstance(
        values, (list, tuple, np.ndarray)
    ):
        raise ArgumentError(f"{label}: boundaries and values must be lists")
    limits = [number(b, f"{label}: boundaries", -math.inf) for b in boundaries]
    if any(a >= b for a, b in itertools.pairwise(limits)):
        raise ArgumentError(f"{label}: boundaries must rise, got {shorten(limits)}")
    if len(values) != len(limits) + 1:
        raise ArgumentError(
            f"{label}: {len(limits)} boundaries need {len(limits) + 1} values, got {len(values)}"
        )
    rates = [number_or_tensor(v, f"{label}: values") for v in values]
    step = number_or_tensor(x, f"{label}: x", -math.inf)
    dtypes = {F.convert_to_tensor(v).dtype if not isinstance(v, float) else default_float() for v in rates}
    if len(dtypes) > 1 or not all(is_floating(d) for d in dtypes):
        raise DTypeError(f"{label}: values must be of one floating dtype, got {shorten(values)}")
    with name_scope(label if name is None else name):
        at = wide(step)
        chosen = wide(rates[0])
        for limit, rate in zip(limits, rates[1:], strict=True):
            chosen = F.where(at > limit, wide(rate), chosen)
        return F.cast(chosen, dtypes.pop())  # type: ignore[no-any-return]
