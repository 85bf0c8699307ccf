"""Initial values of variables: each initializer is a callable that gives a tensor of a wanted shape.

    w = gf.Variable(gf.glorot_uniform_initializer(seed=1)((784, 128)), name="w")

The fans of a shape: for a matrix `(inputs, outputs)` its two sizes; for a convolution's kernel `(h, w, ..., inputs,
outputs)` each times `h * w * ...`; for a vector its length, for both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, MemoryLimitError, ShapeError, shorten
from graphflow.graph import Tensor
from graphflow.op import F
from graphflow.ops.arguments import flag
from graphflow.ops.constant import as_array
from graphflow.ops.random_normal import RANDOM_NORMAL
from graphflow.ops.random_seed import draw_index
from graphflow.types import as_dtype, default_float, is_floating, shape_from_user

__all__ = [
    "Constant",
    "Identity",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "constant_initializer",
    "glorot_normal_initializer",
    "glorot_uniform_initializer",
    "he_normal_initializer",
    "he_uniform_initializer",
    "identity_initializer",
    "lecun_normal_initializer",
    "lecun_uniform_initializer",
    "ones_initializer",
    "orthogonal_initializer",
    "random_normal_initializer",
    "random_uniform_initializer",
    "truncated_normal_initializer",
    "variance_scaling_initializer",
    "xavier_initializer",
    "zeros_initializer",
]

MAX_ORTHOGONAL = 2**28
"""Elements of the largest matrix that Orthogonal makes: 2 GiB, thrice over, of double precision."""

WITHIN_TWO_STDDEV = 0.87962566103423978
"""Standard deviation of a unit normal cut off at two standard deviations; scipy.stats.truncnorm(-2, 2).std()."""


def _sizes(shape: Any, label: str) -> tuple[int, ...]:
    dims = shape_from_user(shape, what=f"{label}: shape")
    if not all(type(d) is int for d in dims):
        raise ShapeError(f"{label}: shape {shorten(dims)} must be all ints")
    return tuple(int(d) for d in dims)  # type: ignore[arg-type]  # all are ints


def _float(dtype: Any, own: Any, label: str) -> np.dtype[Any]:
    """The dtype asked for in the call, else the initializer's own, else the default; a real floating one."""
    wanted = as_dtype(dtype if dtype is not None else own) if (dtype or own) is not None else default_float()
    if not is_floating(wanted) or wanted.kind == "c":
        raise DTypeError(f"{label}: dtype must be a real floating type, not {wanted.name}")
    return wanted


def compute_fans(shape: Any) -> tuple[int, int]:
    """Inputs and outputs of one unit of a weight of this shape: see the top of the file."""
    sizes = _sizes(shape, "compute_fans")
    if len(sizes) < 2:
        n = sizes[0] if sizes else 1
        return n, n
    field = math.prod(sizes[:-2])
    return sizes[-2] * field, sizes[-1] * field


# --- fixed values ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zeros:
    """Zeros of any dtype."""

    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of zeros."""
        return F.zeros(_sizes(shape, "zeros"), dtype=self.dtype if dtype is None else dtype)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Ones:
    """Ones of any dtype."""

    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A tensor of ones."""
        return F.ones(_sizes(shape, "ones"), dtype=self.dtype if dtype is None else dtype)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """Given values: one number for all elements, or an array with as many values as the shape has."""

    value: Any = 0.0
    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A constant of that shape. Raises ShapeError if the values do not fill it, DTypeError for text."""
        wanted = self.dtype if dtype is None else dtype
        if wanted is None and not hasattr(type(self.value), "__graphflow_tensor__"):
            wanted = as_array(self.value).dtype  # refuses text, which no variable holds
        return F.constant(self.value, dtype=wanted, shape=_sizes(shape, "constant"))  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Identity:
    """`gain` times the identity matrix, for shapes of two axes, square or not."""

    gain: float = 1.0
    dtype: Any = None

    def __post_init__(self) -> None:
        _check_number(self.gain, "identity: gain")

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """The matrix. Raises ShapeError unless the shape has two axes."""
        sizes = _sizes(shape, "identity")
        if len(sizes) != 2:
            raise ShapeError(f"identity: a shape of two axes is needed, got {list(sizes)}")
        made: Tensor = F.eye(sizes[0], sizes[1], dtype=_float(dtype, self.dtype, "identity"))
        return made if self.gain == 1 else made * self.gain


# --- draws ----------------------------------------------------------------------------------------


def _check_number(value: Any, label: str, low: float = -math.inf) -> None:
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    try:
        fits = real and math.isfinite(value) and value >= low
    except OverflowError:
        fits = False
    if not fits:
        rule = "a finite number" + ("" if low == -math.inf else f" of at least {low:g}")
        raise ArgumentError(f"{label} must be {rule}, not {shorten(value)}")


@dataclass(frozen=True, slots=True)
class RandomUniform:
    """Uniform numbers in [minval, maxval); for the seed see `gf.random.set_seed`."""

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None
    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A draw of that shape. Raises ArgumentError unless minval < maxval."""
        sizes = _sizes(shape, "random_uniform")
        wanted = _float(dtype, self.dtype, "random_uniform")
        return F.random_uniform(sizes, self.minval, self.maxval, dtype=wanted, seed=self.seed)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class RandomNormal:
    """Normal numbers; for the seed see `gf.random.set_seed`."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None
    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A draw of that shape. Raises ArgumentError for a negative stddev."""
        sizes = _sizes(shape, "random_normal")
        wanted = _float(dtype, self.dtype, "random_normal")
        return F.random_normal(sizes, self.mean, self.stddev, dtype=wanted, seed=self.seed)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class TruncatedNormal:
    """Normal numbers within two standard deviations of the mean; `stddev` is that before they are cut off."""

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None
    dtype: Any = None

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A draw of that shape. Raises ArgumentError for a negative stddev."""
        sizes = _sizes(shape, "truncated_normal")
        wanted = _float(dtype, self.dtype, "truncated_normal")
        return F.truncated_normal(sizes, self.mean, self.stddev, dtype=wanted, seed=self.seed)  # type: ignore[no-any-return]


MODES = ("fan_in", "fan_out", "fan_avg")
DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")


@dataclass(frozen=True, slots=True)
class VarianceScaling:
    """Draws of mean 0 and variance `scale / n`, with n the fan that `mode` names.

    scale: above 0. mode: "fan_in", "fan_out" or "fan_avg", their mean. distribution: "truncated_normal" (also
    called "normal", as in TensorFlow 1), "untruncated_normal" or "uniform".
    """

    scale: float = 1.0
    mode: str = "fan_in"
    distribution: str = "truncated_normal"
    seed: int | None = None
    dtype: Any = None

    def __post_init__(self) -> None:
        _check_number(self.scale, "variance_scaling: scale", 0.0)
        if self.scale == 0:
            raise ArgumentError("variance_scaling: scale must be above 0")
        if not isinstance(self.mode, str) or self.mode not in MODES:
            raise ArgumentError(
                f"variance_scaling: mode is one of {', '.join(MODES)}, not {shorten(self.mode)}"
            )
        if not isinstance(self.distribution, str) or self.distribution not in (*DISTRIBUTIONS, "normal"):
            raise ArgumentError(
                f"variance_scaling: distribution is one of {', '.join(DISTRIBUTIONS)}, not {shorten(self.distribution)}"
            )

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """A draw of that shape."""
        wanted = _float(dtype, self.dtype, "variance_scaling")
        fan_in, fan_out = compute_fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, fan))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return RandomUniform(-limit, limit, self.seed)(shape, wanted)
        if self.distribution == "untruncated_normal":
            return RandomNormal(0.0, stddev, self.seed)(shape, wanted)
        return TruncatedNormal(0.0, stddev / WITHIN_TWO_STDDEV, self.seed)(shape, wanted)


@dataclass(frozen=True, slots=True)
class Orthogonal:
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer, drawn uniformly.

    A shape of more than two axes is taken as the matrix `(product of all but the last, last)`. The matrix is
    computed when it is asked for and becomes a constant: running the initializer again gives the same one.
    Source: Saxe, McClelland and Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep
    linear neural networks"; uniform by the signs of R: Mezzadri 2007, "How to generate random matrices from the
    classical compact groups".
    """

    gain: float = 1.0
    seed: int | None = None
    dtype: Any = None

    def __post_init__(self) -> None:
        _check_number(self.gain, "orthogonal: gain")

    def __call__(self, shape: Any, dtype: Any = None) -> Tensor:
        """The tensor. Raises ShapeError for a shape of fewer than two axes, MemoryLimitError above 2^28 elements."""
        sizes = _sizes(shape, "orthogonal")
        wanted = _float(dtype, self.dtype, "orthogonal")
        if len(sizes) < 2:
            raise ShapeError(f"orthogonal: a shape of at least two axes is needed, got {list(sizes)}")
        rows, columns = math.prod(sizes[:-1]), sizes[-1]
        if rows * columns > MAX_ORTHOGONAL:
            raise MemoryLimitError(
                f"orthogonal: the matrix of shape {list(sizes)} would be computed at once, and have "
                f"{rows * columns} elements, more than {MAX_ORTHOGONAL}"
            )
        key, _ = draw_index("orthogonal", self.seed)
        tall = (max(rows, columns), min(rows, columns))
        normal = RANDOM_NORMAL.kernel(np, 0, key=key, shape=tall, dtype=np.dtype("float64"))  # type: ignore[misc]  # it has one
        q, r = np.linalg.qr(normal)
        q *= float(self.gain) * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        matrix = q if rows >= columns else q.T
        return F.constant(np.ascontiguousarray(matrix.reshape(sizes)).astype(wanted))  # type: ignore[no-any-return]


# --- by the names of TensorFlow 1 -----------------------------------------------------------------

zeros_initializer = Zeros
ones_initializer = Ones
constant_initializer = Constant
identity_initializer = Identity
random_uniform_initializer = RandomUniform
random_normal_initializer = RandomNormal
truncated_normal_initializer = TruncatedNormal
variance_scaling_initializer = VarianceScaling
orthogonal_initializer = Orthogonal


def glorot_uniform_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Uniform, variance `2 / (fan_in + fan_out)`. Source: Glorot and Bengio 2010, "Understanding the difficulty
    of training deep feedforward neural networks", equation 16."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed, dtype)


def glorot_normal_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Truncated normal, variance `2 / (fan_in + fan_out)`; see glorot_uniform_initializer."""
    return VarianceScaling(1.0, "fan_avg", "truncated_normal", seed, dtype)


def xavier_initializer(uniform: bool = True, seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Glorot's initializer by his first name."""
    chosen = glorot_uniform_initializer if flag(uniform, "xavier", "uniform") else glorot_normal_initializer
    return chosen(seed, dtype)


def he_uniform_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Uniform, variance `2 / fan_in`. Source: He et al. 2015, "Delving deep into rectifiers", equation 10."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed, dtype)


def he_normal_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Truncated normal, variance `2 / fan_in`; see he_uniform_initializer."""
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed, dtype)


def lecun_uniform_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Uniform, variance `1 / fan_in`. Source: LeCun, Bottou, Orr and Müller 1998, "Efficient backprop", 4.6."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed, dtype)


def lecun_normal_initializer(seed: int | None = None, dtype: Any = None) -> VarianceScaling:
    """Truncated normal, variance `1 / fan_in`; see lecun_uniform_initializer."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed, dtype)


zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_uniform, random_normal, truncated_normal = RandomUniform, RandomNormal, TruncatedNormal
variance_scaling, orthogonal = VarianceScaling, Orthogonal
glorot_uniform, glorot_normal = glorot_uniform_initializer, glorot_normal_initializer
he_uniform, he_normal = he_uniform_initializer, he_normal_initializer
lecun_uniform, lecun_normal = lecun_uniform_initializer, lecun_normal_initializer
