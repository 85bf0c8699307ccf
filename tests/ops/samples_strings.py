"""Samples of text: references are Python's own methods of `bytes`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphflow as gf
from graphflow.ops.lookup import index_table_from_tensor, index_to_string_table_from_tensor, lookup_table
from graphflow.ops.sparse import sparse_tensor_to_dense
from graphflow.ops.strings import (
    as_string,
    reduce_join,
    regex_full_match,
    regex_replace,
    string_equal,
    string_join,
    string_length,
    string_lower,
    string_split,
    string_strip,
    string_to_hash_bucket,
    string_to_number,
    string_upper,
    substr,
)
from tests.ops.table import Sample

__all__ = ["SAMPLES"]


def text(*items: Any, shape: Any = None) -> Any:
    made = np.empty(len(items), dtype=object)
    made[:] = [item.encode() if isinstance(item, str) else item for item in items]
    return made if shape is None else made.reshape(shape)


WORDS = text(" One", "", "two\u00e9 ", "THREE", "x y", "\x00\xff", shape=(2, 3))


def each(function: Callable[[bytes], Any], dtype: Any = object) -> Callable[[Any], Any]:
    def reference(x: Any) -> Any:
        made = np.empty(x.size, dtype=dtype)
        made[:] = [function(item) for item in x.ravel().tolist()]
        return made.reshape(x.shape)

    return reference


def _sample(name: str, build: Any, inputs: tuple[Any, ...], reference: Any, **options: Any) -> Sample:
    return Sample(f"text {name}", build, inputs, reference, strict=False, **options)


def _unary(name: str, build: Any, function: Callable[[bytes], Any], dtype: Any = object) -> list[Sample]:
    reference = each(function, dtype)
    return [
        _sample(f"{name} {list(x.shape)}", build, (x,), reference)
        for x in (WORDS, WORDS[0], WORDS[::-1, ::2], text(shape=(0,)))
    ]


NUMBERS = text("1", "-2", "30")

SAMPLES: list[Sample] = [
    *_unary("length", string_length, len, np.int64),
    *_unary(
        "length utf8",
        lambda x: string_length(x, "UTF8_CHAR"),
        lambda s: len(s.decode("utf-8", "replace")),
        np.int64,
    ),
    *_unary("lower", string_lower, bytes.lower),
    *_unary("upper", string_upper, bytes.upper),
    *_unary("strip", string_strip, bytes.strip),
    *_unary("substr", lambda x: substr(x, 0, 2), lambda s: s[:2]),
    _sample("substr from the end", lambda x: substr(x, -2, 5), (NUMBERS[1:],), each(lambda s: s[-2:])),
    *_unary(
        "regex", lambda x: regex_replace(x, "[a-z]", "<\\g<0>>"), lambda s: b"".join(_marked(c) for c in s)
    ),
    _sample(
        "regex first",
        lambda x: regex_replace(x, "o", "0", replace_global=False),
        (text("foo", "oo", "a"),),
        each(lambda s: s.replace(b"o", b"0", 1)),
    ),
    *_unary(
        "full match", lambda x: regex_full_match(x, "[A-Z]+"), lambda s: s.isalpha() and s.isupper(), np.bool_
    ),
    _sample(
        "hash",
        lambda x: string_to_hash_bucket(x, 1000),
        (text("a", "b", "a", ""),),
        None,
        check=lambda y, x: (
            np.testing.assert_array_equal(y[0], y[2]),
            np.testing.assert_array_equal((y >= 0) & (y < 1000), True),
        ),
    ),
    *[
        _sample(
            f"to number {dtype}",
            lambda x, d=dtype: string_to_number(x, d),
            (NUMBERS,),
            lambda x, d=dtype: _of(x, d),
        )
        for dtype in ("float32", "float64", "int32", "int8")
    ],
    _sample(
        "to number special",
        lambda x: string_to_number(x, "float64"),
        (text("nan", "-inf", "1e3", " 2 "),),
        lambda x: np.array([np.nan, -np.inf, 1000, 2]),
    ),
    _sample(
        "from ints",
        as_string,
        (np.array([[1, -2], [0, 300]]),),
        lambda x: text("1", "-2", "0", "300", shape=(2, 2)),
    ),
    _sample("from bools", as_string, (np.array([True, False]),), lambda x: text("true", "false")),
    _sample(
        "from floats",
        lambda x: as_string(x, 2),
        (np.array([1.005, -2.5, np.inf], np.float32),),
        lambda x: text("1.00", "-2.50", "inf"),
    ),
    _sample("from text", as_string, (WORDS,), lambda x: x),
    _sample(
        "join",
        lambda x, y: string_join([x, y, "!"], "-"),
        (WORDS, WORDS[:, :1]),
        lambda x, y: each(lambda s: s)(x + b"-" + y + b"-!"),
    ),
    *[
        _sample(
            f"reduce_join axis={axis} keepdims={keep}",
            lambda x, axis=axis, keep=keep: reduce_join(x, axis, keep, ","),
            (WORDS,),
            lambda x, axis=axis, keep=keep: _joined(x, axis, keep),
        )
        for axis in (None, 0, -1, (0, 1))
        for keep in (False, True)
        if keep or axis in (0, -1)
    ],
    _sample(
        "split",
        lambda x: list(string_split(x).__graphflow_parts__()),
        (text("a b", "", " c  d e"),),
        lambda x: (
            np.array([[0, 0], [0, 1], [2, 0], [2, 1], [2, 2]]),
            text("a", "b", "c", "d", "e"),
            np.array([3, 3]),
        ),
    ),
    _sample(
        "split keeping empty parts",
        lambda x: list(string_split(x, ",", skip_empty=False).__graphflow_parts__()),
        (text("a,,b"),),
        lambda x: (np.array([[0, 0], [0, 1], [0, 2]]), text("a", "", "b"), np.array([1, 3])),
    ),
    _sample(
        "split to a dense table",
        lambda x: sparse_tensor_to_dense(string_split(x)),
        (text("a b", "", "c"),),
        lambda x: text("a", "b", "", "", "c", "", shape=(3, 2)),
    ),
    _sample(
        "split to a dense table with a default",
        lambda x: sparse_tensor_to_dense(string_split(x), "-"),
        (text("a b", "c"),),
        lambda x: text("a", "b", "c", "-", shape=(2, 2)),
    ),
    _sample("equal", string_equal, (WORDS, WORDS[::-1]), lambda x, y: (x == y).astype(bool)),
    _sample("equal operator", lambda x: x == "THREE", (WORDS,), lambda x: (x == b"THREE").astype(bool)),
    _sample("not equal", lambda x, y: x != y, (WORDS, WORDS[:1]), lambda x, y: (x != y).astype(bool)),
    _sample(
        "lookup",
        lambda x: index_table_from_tensor(["a", "b"]).lookup(x),
        (text("b", "z", "a"),),
        lambda x: np.array([1, -1, 0]),
    ),
    _sample(
        "lookup back",
        lambda x: index_to_string_table_from_tensor(["a", "b"]).lookup(x),
        (np.array([1, 7, 0]),),
        lambda x: text("b", "UNK", "a"),
    ),
    _sample(
        "lookup floats",
        lambda x: lookup_table([3, 1], np.array([0.5, 1.5]), -1.0).lookup(x),
        (np.array([[1, 2], [3, 3]]),),
        lambda x: np.array([[1.5, -1], [0.5, 0.5]]),
    ),
    _sample("reshape", lambda x: gf.reshape(x, [-1]), (WORDS,), np.ravel),
    _sample("transpose", lambda x: gf.permute_dims(x, (1, 0)), (WORDS,), np.transpose),
    _sample(
        "concat",
        lambda x, y: gf.concat([x, y], axis=1),
        (WORDS, WORDS),
        lambda x, y: np.concatenate([x, y], 1),
    ),
    _sample("take", lambda x: gf.take(x, [1, 0], axis=1), (WORDS,), lambda x: x[:, [1, 0]]),
    _sample("index", lambda x: x[1:, ::2], (WORDS,), lambda x: x[1:, ::2]),
    _sample(
        "where",
        lambda c, x: gf.where(c, x, x[::-1]),
        (WORDS == b"x y", WORDS),
        lambda c, x: np.where(c, x, x[::-1]),
    ),
    _sample(
        "broadcast",
        lambda x: gf.broadcast_to(x, (4, 2, 3)),
        (WORDS,),
        lambda x: np.broadcast_to(x, (4, 2, 3)),
    ),
    _sample("mask", lambda x: gf.boolean_mask(x, [True, False]), (WORDS,), lambda x: x[[True, False]]),
    _sample("flip", lambda x: gf.flip(x, axis=0), (WORDS,), lambda x: x[::-1]),
]


def _marked(code: int) -> bytes:
    one = bytes([code])
    return b"<" + one + b">" if one.islower() else one


def _of(x: Any, dtype: str) -> Any:
    return np.array([float(item) for item in x.tolist()]).astype(dtype)


def _joined(x: Any, axis: Any, keep: bool) -> Any:
    if axis is None or axis == (0, 1):
        return text(b",".join(x.ravel().tolist()), shape=(1, 1) if keep else ())
    rows = (x if axis == -1 else x.T).tolist()
    made = text(*[b",".join(row) for row in rows])
    return np.expand_dims(made, axis) if keep else made
