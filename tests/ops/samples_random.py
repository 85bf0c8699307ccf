"""Samples of random draws: properties that every draw must have. Their bits and distributions: `test_random.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

FLOATS = ("float16", ml_dtypes.bfloat16, "float32", "float64")
INTS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def _inside(low: float, high: float, shape: tuple[int, ...]) -> Callable[..., None]:
    def check(drawn: Any, *inputs: Any) -> None:
        assert np.shape(drawn) == shape
        values = np.asarray(drawn).astype(np.float64)
        assert np.all(values >= low)
        assert np.all(values <= high)
        assert values.size < 2 or np.unique(values).size > 1

    return check


def _draw(
    name: str, build: Callable[..., Any], check: Callable[..., None], *inputs: Any, **options: Any
) -> Sample:
    return Sample(
        f"random/{name}",
        build,
        inputs,
        check=check,
        strict=False,
        tags=("random",),
        **options,
    )


def _is_permutation_of(drawn: Any, x: Any) -> None:
    np.testing.assert_array_equal(np.sort(drawn, axis=0), np.sort(x, axis=0))


def _below(n: int) -> Callable[..., None]:
    def check(drawn: Any, *inputs: Any) -> None:
        np.testing.assert_array_equal(np.sort(drawn), np.arange(n))

    return check


def _folded(drawn: Any, x: Any) -> None:
    assert len(np.unique(drawn)) == len(x)


UNIT = array(3, 4, dtype=np.float32)

SAMPLES = [
    *[
        _draw(f"uniform_{np.dtype(d).name}", lambda d=d: F.random_uniform((40, 3), dtype=d), _inside(0, 1, (40, 3)))
        for d in FLOATS
    ],
    *[
        _draw(f"normal_{np.dtype(d).name}", lambda d=d: F.random_normal((41, 3), dtype=d), _inside(-9, 9, (41, 3)))
        for d in FLOATS
    ],
    *[
        _draw(f"truncated_{np.dtype(d).name}", lambda d=d: F.truncated_normal((40, 3), dtype=d), _inside(-2, 2, (40, 3)))
        for d in FLOATS
    ],
    *[
        _draw(f"int_{d}", lambda d=d: F.random_int((40,), 3, 100, dtype=d), _inside(3, 99, (40,)))
        for d in INTS
    ],
    _draw("uniform_scalar", lambda: F.random_uniform(()), _inside(0, 1, ())),
    _draw("uniform_empty", lambda: F.random_uniform((0, 3)), _inside(0, 1, (0, 3))),
    _draw("uniform_seeded", lambda: F.random_uniform(7, seed=3), _inside(0, 1, (7,))),
    _draw("uniform_between", lambda: F.random_uniform((5, 2), -3.0, -1), _inside(-3, -1, (5, 2))),
    _draw("uniform_int", lambda: F.random_uniform((50,), -2, 5, dtype="int32"), _inside(-2, 4, (50,))),
    _draw("int_negative", lambda: F.random_int((50,), -128, 128, dtype="int8"), _inside(-128, 127, (50,))),
    _draw("int_full", lambda: F.random_int((50,), -(2**63), 2**63), _inside(-(2.0**63), 2.0**63, (50,))),
    _draw("int_one_value", lambda: F.random_int((1,), 4, 5), _inside(4, 4, (1,))),
    _draw("uniform_like", F.random_uniform_like, _inside(0, 1, (3, 4)), UNIT),
    _draw("uniform_like_int", F.random_uniform_like, _inside(0, 1, (4,)), np.arange(4)),
    _draw("normal_like", F.random_normal_like, _inside(-9, 9, (3, 4)), UNIT),
    _draw("uniform_of_shape", lambda x: F.random_uniform(gf.shape(x)), _inside(0, 1, (3, 4)), UNIT),
    _draw("normal_scaled", lambda: F.random_normal((50,), 100.0, 0.5), _inside(95, 105, (50,))),
    _draw("normal_no_spread", lambda: F.random_normal((3,), 2.0, 0.0) + F.random_uniform((3,)), _inside(2, 3, (3,))),
    _draw("truncated_scaled", lambda: F.truncated_normal((50,), 1.0, 2.0), _inside(-3, 5, (50,))),
    _draw("exponential", lambda: F.random_exponential((50,), 2.0), _inside(0, 80, (50,))),
    _draw("exponential_float64", lambda: F.random_exponential((50,), dtype="float64"), _inside(0, 40, (50,))),
    _draw("bernoulli", lambda: F.bernoulli(0.5, (60,)), _inside(0, 1, (60,))),
    _draw("bernoulli_scalar", lambda: F.bernoulli(0.5), _inside(0, 1, ())),
    _draw("bernoulli_sure", lambda: F.cast(F.bernoulli(1, (5,)), "int32") - F.bernoulli(0.0, (5,), "int32"),
          lambda drawn: np.testing.assert_array_equal(drawn, np.ones(5))),
    _draw("bernoulli_tensor", lambda p: F.bernoulli(p, dtype="float32"),
          lambda drawn, p: np.testing.assert_array_equal(drawn, p), np.array([0.0, 1, 1, 0], np.float32)),
    _draw("bernoulli_array", lambda: F.bernoulli(np.array([0.0, 1.0]), (3, 2)),
          lambda drawn: np.testing.assert_array_equal(drawn, [[False, True]] * 3)),
    _draw("categorical", lambda x: F.categorical(x, 30), _inside(0, 4, (3, 30)), array(3, 5)),
    _draw("categorical_sure", lambda x: F.categorical(x, 2, dtype="int32"),
          lambda drawn, x: np.testing.assert_array_equal(drawn, [[1, 1], [0, 0]]),
          np.array([[-np.inf, 3.0, -np.inf], [0.0, -np.inf, -np.inf]], np.float32)),
    _draw("categorical_one", lambda x: F.categorical(x), _inside(0, 4, (2, 3)), array(2, 3, 5)),
    _draw("categorical_vector", lambda x: F.categorical(x, 5000), _inside(0, 2, (5000,)), array(3, dtype=np.float16)),
    _draw("categorical_none", lambda x: F.categorical(x, 0), _inside(0, 0, (3, 0)), array(3, 5)),
    _draw("permutation", lambda: F.permutation(9), _below(9)),
    _draw("permutation_none", lambda: F.permutation(0), _below(0)),
    _draw("permutation_of_size", lambda x: F.permutation(gf.shape(x)[0]), _below(6), array(6), unranked=False),
    _draw("permutation_of_rows", F.permutation, _is_permutation_of, np.arange(12).reshape(6, 2)),
    _draw("shuffle", F.shuffle, _is_permutation_of, np.arange(7.0)),
    _draw("shuffle_axis", lambda x: F.shuffle(x, axis=-1), lambda drawn, x: _is_permutation_of(drawn.T, x.T),
          np.arange(12).reshape(2, 6)),
    _draw("uniform_bounds", lambda a, b: F.random_uniform((3, 2), a, b, dtype="float64"),
          _inside(-5, 5, (3, 2)), np.array([-2.0, -1]), np.array([3.0, 4])),
    _draw("normal_parameters", lambda m, s: F.random_normal((3, 2), m, s, dtype="float64"),
          _inside(-30, 30, (3, 2)), np.array([-2.0, -1]), np.float64(3.0)),
    _draw("truncated_parameters", lambda m, s: F.truncated_normal((3, 2), m, s, dtype="float64"),
          _inside(-9, 9, (3, 2)), np.array([-2.0, -1]), np.float64(3.0)),
    _draw("dropout_by_like", lambda x: F.where(F.less(F.random_uniform_like(x), 0.5), x, F.zeros_like(x)),
          lambda drawn, x: np.testing.assert_array_equal(drawn * (drawn - x), np.zeros_like(x)), array(3, 4)),
    _draw("in_a_loop", lambda x: gf.map_fn(lambda t: t + F.random_uniform((), dtype="float64"), x), _folded, np.zeros(20),
          unranked=True),
]  # fmt: skip
