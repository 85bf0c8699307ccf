"""Samples of tensors put together, taken apart, repeated, moved around and padded."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.op import F
from tests.ops.table import Sample, array

A = array(2, 3, 4, seed=1)
M = array(3, 4, seed=2)
V = array(5, seed=3)
SCALAR = np.asarray(1.5)
EMPTY = np.zeros((3, 0))
INTS = array(3, 4, dtype=np.int16, seed=4, low=-9, high=9)
HALF = M.astype(np.float16)
BRAIN = M.astype(ml_dtypes.bfloat16)


def _pieces(x: Any, stops: list[int], axis: int) -> tuple[Any, ...]:
    return tuple(
        np.take(x, range(a, b), axis=axis) for a, b in zip([0, *stops], [*stops, x.shape[axis]], strict=True)
    )


def _joining() -> list[Sample]:
    return [
        Sample(
            "concat-first", lambda *t: gf.concat(t, 0), (M, M[:1], M[:0]), lambda *a: np.vstack(a), grad=True
        ),
        Sample(
            "concat-last",
            lambda *t: gf.concat(t, -1),
            (M, M[:, :2], V[:3, None]),
            lambda *a: np.hstack(a),
            grad=True,
        ),
        Sample("concat-one", lambda x: gf.concat([x]), (M,), lambda x: x, grad=True),
        Sample(
            "concat-flat",
            lambda *t: gf.concat(t, None),
            (M, V),
            lambda *a: np.hstack([x.ravel() for x in a]),
            grad=True,
        ),
        Sample(
            "concat-mixed",
            lambda *t: gf.concat(t),
            (INTS, HALF),
            lambda a, b: np.vstack([a.astype(float), b.astype(float)]),
        ),
        Sample(
            "concat-views",
            lambda x: gf.concat([gf.transpose(x), gf.flip(gf.transpose(x))], 1),
            (M,),
            lambda x: np.hstack([x.T, x.T[::-1, ::-1]]),
            grad=True,
        ),
        Sample("concat-bfloat16", lambda x: gf.concat([x, x], 1), (BRAIN,), lambda x: np.hstack([x, x])),
        Sample("stack-first", lambda *t: gf.stack(t), (M, M + 1), lambda *a: np.array(a), grad=True),
        Sample(
            "stack-last",
            lambda *t: gf.stack(t, -1),
            (M, M + 1, M * 2),
            lambda *a: np.moveaxis(np.array(a), 0, -1),
            grad=True,
        ),
        Sample(
            "stack-scalars", lambda *t: gf.stack(t), (SCALAR, SCALAR + 1), lambda *a: np.array(a), grad=True
        ),
        Sample("split-equal", lambda x: gf.split(x, 2, 1), (M,), lambda x: _pieces(x, [2], 1), grad=True),
        Sample(
            "split-equal-negative",
            lambda x: gf.split(x, 3, -2),
            (A,),
            lambda x: _pieces(x, [1, 2], 1),
            grad=True,
        ),
        Sample(
            "split-sizes",
            lambda x: gf.split(x, [1, 0, 3], 1),
            (M,),
            lambda x: _pieces(x, [1, 1], 1),
            grad=True,
        ),
        Sample(
            "split-rest", lambda x: gf.split(x, [1, -1], 0), (M,), lambda x: _pieces(x, [1], 0), grad=True
        ),
        Sample("split-array", lambda x: gf.split(x, np.array([2, 1])), (INTS,), lambda x: _pieces(x, [2], 0)),
        Sample("split-one-used", lambda x: gf.split(x, 2, 1)[1], (M,), lambda x: x[:, 2:], grad=True),
        Sample("split-into-one", lambda x: gf.split(x, 1), (M,), lambda x: (x,), grad=True),
        Sample("split-empty", lambda x: gf.split(x, 3, 1), (EMPTY,), lambda x: (x, x, x)),
        Sample(
            "split_like",
            lambda g, a, b: F.split_like(g, [a, b], 0),
            (M, M[:1], M[:2]),
            lambda g, a, b: (g[:1], g[1:]),
        ),
        Sample("unstack", lambda x: gf.unstack(x, 3), (M,), lambda x: tuple(x), grad=True),
        Sample(
            "unstack-axis",
            lambda x: gf.unstack(x, 4, -1),
            (A,),
            lambda x: tuple(np.moveaxis(x, 2, 0)),
            grad=True,
        ),
        Sample("unstack-known", lambda x: gf.unstack(x), (M,), lambda x: tuple(x), symbolic=False),
    ]


def _repetition() -> list[Sample]:
    return [
        Sample("tile", lambda x: gf.tile(x, (2, 3)), (M,), lambda x: np.block([[x] * 3] * 2), grad=True),
        Sample("tile-one-axis", lambda x: gf.tile(x, (1, 2)), (M,), lambda x: np.hstack([x, x]), grad=True),
        Sample("tile-never", lambda x: gf.tile(x, (0, 2)), (M,), lambda x: np.zeros((0, 8)), grad=True),
        Sample("tile-empty", lambda x: gf.tile(x, (2, 2)), (EMPTY,), lambda x: np.zeros((6, 0)), grad=True),
        Sample("tile-scalar", lambda x: gf.tile(x, ()), (SCALAR,), lambda x: x, grad=True),
        Sample(
            "tile-transposed",
            lambda x: gf.tile(gf.transpose(x), (2, 1)),
            (M,),
            lambda x: np.vstack([x.T, x.T]),
            grad=True,
        ),
        Sample("tile-int", lambda x: gf.tile(x, [2, 1]), (INTS,), lambda x: np.vstack([x, x])),
        Sample(
            "tile-more-counts",
            lambda x: gf.tile(x, (2, 1, 2)),
            (M,),
            lambda x: np.array([np.hstack([x, x])] * 2),
            grad=True,
            symbolic=False,
        ),
        Sample(
            "tile-fewer-counts",
            lambda x: gf.tile(x, 2),
            (M,),
            lambda x: np.hstack([x, x]),
            grad=True,
            symbolic=False,
        ),
        Sample(
            "repeat-flat",
            lambda x: gf.repeat(x, 2),
            (M,),
            lambda x: np.array([v for v in x.ravel() for _ in range(2)]),
            grad=True,
        ),
        Sample(
            "repeat-first",
            lambda x: gf.repeat(x, 3, 0),
            (M,),
            lambda x: x[[0, 0, 0, 1, 1, 1, 2, 2, 2]],
            grad=True,
        ),
        Sample(
            "repeat-last",
            lambda x: gf.repeat(x, 2, -1),
            (A,),
            lambda x: x[..., [0, 0, 1, 1, 2, 2, 3, 3]],
            grad=True,
        ),
        Sample(
            "repeat-negative-inner",
            lambda x: gf.repeat(x, 2, -2),
            (M,),
            lambda x: x[[0, 0, 1, 1, 2, 2]],
            grad=True,
        ),
        Sample("repeat-never", lambda x: gf.repeat(x, 0, 0), (M,), lambda x: x[:0], grad=True),
        Sample(
            "repeat-each",
            lambda x: gf.repeat(x, [2, 0, 1], 0),
            (M,),
            lambda x: x[[0, 0, 2]],
            grad=True,
            symbolic=False,
        ),
        Sample("roll", lambda x: gf.roll(x, 1, 0), (M,), lambda x: x[[2, 0, 1]], grad=True),
        Sample("roll-negative", lambda x: gf.roll(x, -5, -1), (M,), lambda x: x[:, [1, 2, 3, 0]], grad=True),
        Sample(
            "roll-two",
            lambda x: gf.roll(x, (1, 2), (0, 1)),
            (M,),
            lambda x: x[[2, 0, 1]][:, [2, 3, 0, 1]],
            grad=True,
        ),
        Sample(
            "roll-flat",
            lambda x: gf.roll(x, 1),
            (M,),
            lambda x: np.hstack([x.ravel()[-1:], x.ravel()[:-1]]).reshape(3, 4),
            grad=True,
        ),
        Sample("roll-empty", lambda x: gf.roll(x, 3, 1), (EMPTY,), lambda x: x),
        Sample(
            "roll-int",
            lambda x: gf.roll(x, 2**70, 1),
            (INTS,),
            lambda x: x[:, [(k - 2**70) % 4 for k in range(4)]],
        ),
    ]


def _padding() -> list[Sample]:
    samples = [
        Sample(
            "pad",
            lambda x: gf.pad(x, [[1, 2], [0, 3]]),
            (M,),
            lambda x: np.pad(x, [[1, 2], [0, 3]]),
            grad=True,
        ),
        Sample(
            "pad-value",
            lambda x: gf.pad(x, [[1, 0], [2, 1]], constant_values=7.5),
            (M,),
            lambda x: np.pad(x, [[1, 0], [2, 1]], constant_values=7.5),
            grad=True,
        ),
        Sample(
            "pad-int",
            lambda x: gf.pad(x, [(0, 1), (1, 0)], constant_values=-3),
            (INTS,),
            lambda x: np.pad(x, [(0, 1), (1, 0)], constant_values=-3),
        ),
        Sample("pad-bool", lambda x: gf.pad(x, [[1, 1]]), (V > 0,), lambda x: np.pad(x, 1)),
        Sample(
            "pad-empty",
            lambda x: gf.pad(x, [[1, 1], [2, 0]]),
            (EMPTY,),
            lambda x: np.zeros((5, 2)),
            grad=True,
        ),
        Sample("pad-nothing", lambda x: gf.pad(x, [[0, 0], [0, 0]]), (M,), lambda x: x, grad=True),
        Sample("pad-scalar", lambda x: gf.pad(x, ()), (SCALAR,), lambda x: x),
        Sample(
            "pad-one-pair",
            lambda x: gf.pad(x, (1, 2)),
            (M,),
            lambda x: np.pad(x, (1, 2)),
            grad=True,
            unranked=False,
        ),
        Sample("pad-one-int", lambda x: gf.pad(x, 1), (A,), lambda x: np.pad(x, 1), unranked=False),
    ]
    for mode in ("reflect", "symmetric", "edge"):
        for label, pads, x in (
            ("matrix", [[1, 2], [3, 0]], M),
            ("widest", [[2, 2], [3, 3]] if mode == "reflect" else [[3, 3], [4, 4]], M),
            ("one-side", [[0, 0], [0, 2], [1, 0]], A),
            ("nothing", [[0, 0], [0, 0]], M),
        ):
            samples.append(
                Sample(
                    f"pad-{mode}-{label}",
                    lambda x, p=pads, m=mode: gf.pad(x, p, m),
                    (x,),
                    lambda x, p=pads, m=mode: np.pad(x, p, m),
                    grad=True,
                )
            )
    samples.append(
        Sample(
            "pad-upper-case",
            lambda x: gf.pad(x, [[2, 1]], "REFLECT"),
            (INTS[0],),
            lambda x: np.pad(x, (2, 1), "reflect"),
        )
    )
    samples.append(
        Sample(
            "pad-edge-far",
            lambda x: gf.pad(x, [[5, 6]], "edge"),
            (V[:1],),
            lambda x: np.full(12, x[0]),
            grad=True,
        )
    )
    return samples


SAMPLES: list[Sample] = [*_joining(), *_repetition(), *_padding()]
