"""Samples of shape changes: views, slices, sizes as data."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

import graphflow as gf
from graphflow.graph import apply
from graphflow.op import OPS, F
from tests.ops.table import Sample, array

A = array(2, 3, 4, seed=1)
M = array(3, 4, seed=2)
V = array(5, seed=3)
SCALAR = np.asarray(1.5)
EMPTY = np.zeros((3, 0))
INTS = array(3, 4, dtype=np.int16, seed=4, low=-9, high=9)
REVERSED = np.ascontiguousarray(M[::-1, ::-1])[::-1, ::-1]  # negative strides
TRANSPOSED = np.asfortranarray(M)
HALF = M.astype(np.float16)
BRAIN = M.astype(ml_dtypes.bfloat16)


def _views() -> list[Sample]:
    def reshaped(*shape: int) -> Any:
        return lambda x: np.array(x.ravel().tolist(), x.dtype).reshape(shape)

    table: list[tuple[str, Any, Any, Any]] = [
        ("reshape-static", lambda x: gf.reshape(x, (4, 6)), A, reshaped(4, 6)),
        ("reshape-wild", lambda x: gf.reshape(x, (6, -1)), A, reshaped(6, 4)),
        ("reshape-int", lambda x: gf.reshape(x, -1), A, reshaped(24)),
        ("reshape-to-scalar", lambda x: gf.reshape(x, ()), np.ones((1, 1)), reshaped()),
        ("reshape-scalar", lambda x: gf.reshape(x, (1, -1)), SCALAR, reshaped(1, 1)),
        ("reshape-empty", lambda x: gf.reshape(x, (0, 7)), EMPTY, reshaped(0, 7)),
        ("reshape-empty-wild", lambda x: gf.reshape(x, (-1, 5)), EMPTY, reshaped(0, 5)),
        ("reshape-strides", lambda x: gf.reshape(x, (2, 6)), REVERSED, reshaped(2, 6)),
        ("reshape-fortran", lambda x: gf.reshape(x, (12,)), TRANSPOSED, reshaped(12)),
        ("reshape-int16", lambda x: gf.reshape(x, (12,)), INTS, reshaped(12)),
        ("reshape-bfloat16", lambda x: gf.reshape(x, (12,)), BRAIN, reshaped(12)),
        (
            "reshape-of-transpose",
            lambda x: gf.reshape(gf.transpose(x, (2, 0, 1)), (8, -1)),
            A,
            lambda x: np.moveaxis(x, 2, 0).ravel().reshape(8, 3),
        ),
        ("unflatten", lambda x: F.unflatten(x, 1, (2, -1)), M, lambda x: x.reshape(3, 2, 2)),
        ("unflatten-negative", lambda x: F.unflatten(x, -2, (3, 1)), M, lambda x: x.reshape(3, 1, 4)),
        (
            "unflatten-of-transpose",
            lambda x: F.unflatten(gf.transpose(x), 0, (2, 2)) * 1,
            M,
            lambda x: x.T.reshape(2, 2, 3),
        ),
        ("flatten", gf.flatten, A, lambda x: x.ravel()),
        ("flatten-tail", lambda x: gf.flatten(x, 1), A, lambda x: x.reshape(2, 12)),
        ("flatten-head", lambda x: gf.flatten(x, 0, -2), A, lambda x: x.reshape(6, 4)),
        ("flatten-scalar", gf.flatten, SCALAR, lambda x: x.reshape(1)),
        ("flatten-of-flip", lambda x: gf.flatten(gf.flip(x, 0), 1, 2), A, lambda x: x[::-1].reshape(2, 12)),
        ("expand_dims", lambda x: gf.expand_dims(x, 1), M, lambda x: x[:, None]),
        ("expand_dims-last", lambda x: gf.expand_dims(x, -1), M, lambda x: x[..., None]),
        ("expand_dims-default", gf.expand_dims, V, lambda x: x[None]),
        ("expand_dims-several", lambda x: gf.expand_dims(x, (0, -1)), M, lambda x: x[None, :, :, None]),
        ("expand_dims-scalar", lambda x: gf.expand_dims(x, 0), SCALAR, lambda x: x.reshape(1)),
        ("squeeze-all", lambda x: gf.squeeze(x), A[:1, :, :1], lambda x: x[0, :, 0]),
        ("squeeze-one", lambda x: gf.squeeze(x, 0), A[:1, :, :1], lambda x: x[0]),
        ("squeeze-negative", lambda x: gf.squeeze(x, (-1,)), A[:1, :, :1], lambda x: x[:, :, 0]),
        ("squeeze-both", lambda x: gf.squeeze(x, [0, 2]), A[:1, :, :1], lambda x: x[0, :, 0]),
        ("squeeze-nothing", gf.squeeze, M, lambda x: x),
        ("permute_dims", lambda x: gf.permute_dims(x, (2, 0, 1)), A, lambda x: np.einsum("abc->cab", x)),
        (
            "permute_dims-negative",
            lambda x: gf.permute_dims(x, (-1, 0, 1)),
            A,
            lambda x: np.einsum("abc->cab", x),
        ),
        ("permute_dims-strides", lambda x: gf.permute_dims(x, (1, 0)), REVERSED, lambda x: x.T),
        ("transpose", gf.transpose, A, lambda x: x.T),
        ("transpose-scalar", gf.transpose, SCALAR, lambda x: x),
        ("matrix_transpose", gf.matrix_transpose, A, lambda x: np.einsum("abc->acb", x)),
        ("swapaxes", lambda x: gf.swapaxes(x, 0, -1), A, lambda x: x.T),
        ("flip-all", gf.flip, A, lambda x: x[::-1, ::-1, ::-1]),
        ("flip-one", lambda x: gf.flip(x, -1), A, lambda x: x[..., ::-1]),
        ("flip-two", lambda x: gf.flip(x, (0, 2)), A, lambda x: x[::-1, :, ::-1]),
        ("flip-empty", gf.flip, EMPTY, lambda x: x),
        ("reverse", lambda x: gf.reverse(x, [0]), M, lambda x: x[::-1]),
        ("broadcast_to", lambda x: gf.broadcast_to(x, (2, 3, 4)), M, lambda x: np.stack([x, x])),
        (
            "broadcast_to-ones",
            lambda x: gf.broadcast_to(x, (3, 5)),
            M[:, :1],
            lambda x: np.concatenate([x] * 5, 1),
        ),
        ("broadcast_to-same", lambda x: gf.broadcast_to(x, (3, 4)), M, lambda x: x),
        ("broadcast_to-scalar", lambda x: gf.broadcast_to(x, (2, 2)), SCALAR, lambda x: np.full((2, 2), x)),
        ("broadcast_to-empty", lambda x: gf.broadcast_to(x, (0, 4)), M[:1], lambda x: np.zeros((0, 4))),
        (
            "broadcast_to-used",
            lambda x: gf.exp(gf.broadcast_to(x, (2, 3, 4))),
            M,
            lambda x: np.exp(np.stack([x, x])),
        ),
    ]
    samples = [
        Sample(name, build, (x,), reference, grad=x.dtype == np.float64)
        for name, build, x, reference in table
    ]
    samples += [
        Sample(
            "reshape-by-shape-op",
            lambda x: gf.reshape(x, [gf.shape(x)[0], -1]),
            (A,),
            lambda x: x.reshape(len(x), -1),
            grad=True,
            unranked=False,
        ),
        Sample(
            "reshape-by-sizes",
            lambda x: gf.reshape(x, [gf.shape(x)[0] * gf.shape(x)[1], 4]),
            (A,),
            lambda x: x.reshape(-1, 4),
            grad=True,
            unranked=False,
        ),
        Sample(
            "moveaxis",
            lambda x: gf.moveaxis(x, 0, -1),
            (A,),
            lambda x: np.einsum("abc->bca", x),
            grad=True,
            unranked=False,
        ),
        Sample(
            "moveaxis-two",
            lambda x: gf.moveaxis(x, (0, 1), (2, 0)),
            (A,),
            lambda x: np.einsum("abc->bca", x),
            unranked=False,
        ),
        Sample("transpose-property", lambda x: x.T, (A,), lambda x: np.einsum("abc->cba", x), unranked=False),
        Sample(
            "broadcast_arrays",
            lambda x, y: gf.broadcast_arrays(x, y),
            (M[:1], M[:, :1]),
            lambda x, y: (np.concatenate([x] * 3), np.concatenate([y] * 4, 1)),
            grad=True,
        ),
        Sample("broadcast_arrays-one", lambda x: gf.broadcast_arrays(x), (M,), lambda x: (x,)),
        Sample(
            "broadcast_to_like",
            F.broadcast_to_like,
            (M, np.zeros((2, 1, 1))),
            lambda x, like: np.stack([x, x]),
        ),
        Sample("reshape_like", F.reshape_like, (M, np.zeros((2, 6))), lambda x, like: x.reshape(2, 6)),
        Sample(
            "reshape_like-of-flip",
            lambda x, y: F.reshape_like(gf.flip(x), y),
            (M, np.zeros((2, 6))),
            lambda x, y: x[::-1, ::-1].reshape(2, 6),
        ),
        Sample(
            "reshape_like-gradient",
            lambda x, y: F.reshape_like(x, y) * y,
            (M, array(2, 6, seed=5)),
            lambda x, y: x.reshape(2, 6) * y,
            grad=True,
        ),
    ]
    return samples


def _slices() -> list[Sample]:
    cases: list[tuple[str, tuple[Any, ...], Any]] = [
        ("head", ((0, 2, 1),), A),
        ("tail", ((1, None, None), (None, None, None), (-2, None, None)), A),
        ("steps", ((None, None, None), (None, None, 2), (3, 0, -2)), A),
        ("reverse", ((None, None, -1),), M),
        ("all-reversed", ((None, None, -1), (None, None, -1)), M),
        ("beyond", ((-100, 100, 1), (2, 1000, 3)), M),
        ("nothing", ((2, 1, 1),), M),
        ("backwards-nothing", ((0, 2, -1),), M),
        ("huge", ((-(2**63), 2**63, 2**63),), M),
        ("full", ((None, None, None),), M),
        ("of-empty", ((None, None, -1), (1, None, None)), EMPTY),
        ("no-slices", (), M),
        ("scalar", (), SCALAR),
    ]
    samples = []
    for label, slices, x in cases:
        samples.append(
            Sample(
                f"strided_slice-{label}",
                lambda x, s=slices: gf.strided_slice(x, s),
                (x,),
                lambda x, s=slices: x[tuple(slice(*t) for t in s)],
                grad=True,
            )
        )
    samples.append(
        Sample(
            "strided_slice-trailing",
            lambda x: gf.strided_slice(x, [(1, 3, None)], trailing=True),
            (A,),
            lambda x: x[..., 1:3],
            grad=True,
        )
    )
    samples.append(
        Sample(
            "strided_slice-int", lambda x: gf.strided_slice(x, [(None, 2, None)]), (INTS,), lambda x: x[:2]
        )
    )

    def placed(g: Any, like: Any) -> Any:
        y = np.zeros(like.shape)
        y[1::2] = g
        return y

    samples.append(
        Sample(
            "strided_slice_grad",
            lambda g, like: F.strided_slice_grad(g, like, [(1, None, 2)]),
            (array(2, 4, seed=6), np.zeros((5, 4))),
            placed,
            grad=True,
        )
    )
    return samples


def _sizes() -> list[Sample]:
    return [
        Sample("shape", gf.shape, (A,), lambda x: np.array([2, 3, 4])),
        Sample("shape-scalar", gf.shape, (SCALAR,), lambda x: np.zeros(0, np.int64)),
        Sample("shape-empty", gf.shape, (EMPTY,), lambda x: np.array([3, 0])),
        Sample("size", gf.size, (A,), lambda x: np.asarray(24)),
        Sample("size-axis", lambda x: gf.size(x, 1), (A,), lambda x: np.asarray(3)),
        Sample("size-axes", lambda x: gf.size(x, (0, -1)), (A,), lambda x: np.asarray(8)),
        Sample("rank", gf.rank, (A,), lambda x: np.asarray(3)),
        Sample(
            "shape-arithmetic",
            lambda x: gf.zeros([gf.shape(x)[0], gf.size(x, 1) + 1]),
            (M,),
            lambda x: np.zeros((3, 5)),
            symbolic=False,
        ),
    ]


def _of_unknown_sizes() -> list[Sample]:
    """Ops that the public functions make only where sizes or ranks are not known when the graph is built."""

    def made(op: str, **attrs: Any) -> Any:
        return lambda *tensors: apply(OPS[op], *tensors, **attrs)

    return [
        Sample("op-shape", made("shape"), (A,), lambda x: np.array([2, 3, 4])),
        Sample("op-size", made("size", axis=None), (A,), lambda x: np.asarray(24)),
        Sample("op-size-axes", made("size", axis=(0, -1)), (A,), lambda x: np.asarray(8)),
        Sample("op-rank", made("rank"), (A,), lambda x: np.asarray(3)),
        Sample("op-swapaxes", made("swapaxes", axis1=0, axis2=-1), (A,), lambda x: x.T, grad=True),
        Sample("op-swapaxes-ones", made("swapaxes", axis1=0, axis2=1), (A[:1, :1],), lambda x: x, grad=True),
        Sample(
            "op-reshape_like",
            lambda x, y: apply(OPS["reshape_like"], x, y) * y,
            (M, array(2, 6, seed=5)),
            lambda x, y: x.reshape(2, 6) * y,
            grad=True,
        ),
        Sample(
            "op-split_like",
            made("split_like", axis=0),
            (M, M[:1], M[:2]),
            lambda g, a, b: (g[:1], g[1:]),
            grad=True,
        ),
        Sample("op-split_like-one", made("split_like", axis=1), (M, M), lambda g, a: g, grad=True),
        Sample(
            "op-sum_to_like", made("sum_to_like"), (M, M[:1]), lambda g, x: g.sum(0, keepdims=True), grad=True
        ),
        Sample("op-sum_to_like-same", made("sum_to_like"), (M, M), lambda g, x: g, grad=True),
        Sample(
            "op-broadcast_to_like",
            made("broadcast_to_like"),
            (M[:1], M),
            lambda x, y: np.vstack([x] * 3),
            grad=True,
        ),
        Sample("op-squeeze", made("squeeze", axis=None), (A[:1, :, :1],), lambda x: x[0, :, 0], grad=True),
        Sample("op-permute_dims", made("permute_dims", axes=None), (A,), lambda x: x.T, grad=True),
        Sample(
            "op-strided_slice_grad",
            made("strided_slice_grad", shape=None, slices=((0, 2, None),), trailing=False),
            (M[:2], M),
            lambda g, x: np.vstack([g, np.zeros((1, 4))]),
            grad=True,
        ),
        Sample(
            "op-full_like",
            made("full_like", value=2.5, dtype=np.dtype("float64")),
            (M,),
            lambda x: x * 0 + 2.5,
        ),
        Sample(
            "op-matrix_diag",
            made("matrix_diag", offset=1, rows=None, cols=None),
            (M[:, :3], np.zeros((3, 4))),
            lambda v, x: np.eye(3, 4, 1) * np.append(np.zeros((3, 1)), v, 1)[:, None, :],
            grad=True,
        ),
    ]


SAMPLES: list[Sample] = [*_views(), *_slices(), *_sizes(), *_of_unknown_sizes()]
