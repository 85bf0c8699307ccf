"""Sparse tensors in coordinate form (COO): what they are made of, fed as and fetched as."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from graphflow.errors import ArgumentError, DTypeError, FeedError, ShapeError, shorten
from graphflow.graph import Graph, Tensor, check_name
from graphflow.op import F, public
from graphflow.ops.constant import CONSTANT, as_tensor
from graphflow.types import Shape, dims_equal, dtype_name, shape_from_user, unknown_dim

__all__ = ["SparseTensor", "SparseTensorValue", "as_sparse", "sparse_placeholder"]


class SparseTensorValue(NamedTuple):
    """What a sparse tensor is fed as and fetched as: three arrays, see SparseTensor."""

    indices: Any
    values: Any
    dense_shape: Any


class SparseTensor:
    """A tensor of which only some elements are held: `values[k]` stands at `indices[k]`, all else is zero.

    indices: int64[n, rank]. values: of any dtype, [n]. dense_shape: int64[rank]. The rank must be known.
    Elements may come in any order, each place once; `sparse_reorder` puts them in the order of a dense array.
    It can be fetched, and fed, as a SparseTensorValue or any three such arrays; `*` and `/` with a dense tensor,
    `+` with a dense or a sparse one, and unary `-` are defined.
    Raises ShapeError where the parts do not fit together, DTypeError for indices that are no integers.
    """

    __array_priority__ = 1001
    __slots__ = ("dense_shape", "indices", "shape", "values")

    def __init__(self, indices: Any, values: Any, dense_shape: Any) -> None:
        index, value, size = as_tensor(indices), as_tensor(values), as_tensor(dense_shape)
        for what, t in (("indices", index), ("dense_shape", size)):
            if t.type.dtype.kind not in "iu" and t.type.size != 0:
                raise DTypeError(f"SparseTensor: {what} must be integers, got {t.type}")
        rank = _known_rank(index, size)
        for what, t, wanted in (("indices", index, 2), ("values", value, 1), ("dense_shape", size, 1)):
            if t.type.shape is not None and t.type.rank != wanted:
                raise ShapeError(f"SparseTensor: {what} must have {wanted} axes, got {t.type}")
        if index.type.shape is not None and value.type.shape is not None:
            if dims_equal(index.type.dims[0], value.type.dims[0]) is False:
                raise ShapeError(
                    f"SparseTensor: indices {index.type} and values {value.type} differ in number"
                )
        self.indices: Tensor = F.cast(index, "int64")
        self.values: Tensor = value
        self.dense_shape: Tensor = F.cast(size, "int64")
        self.shape: Shape = _known_shape(self.dense_shape, rank)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""
        return self.values.type.dtype

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def graph(self) -> Graph:
        """The graph it belongs to."""
        return self.values.graph

    def get_shape(self) -> Any:
        """TensorFlow 1's spelling of `shape`: sizes, None for those that only a run tells."""
        return tuple([d if isinstance(d, int) else None for d in self.shape])

    def eval(self, feed_dict: Any = None, session: Any = None) -> SparseTensorValue:
        """The value in `session`, the default one, or the graph's own."""
        parts = [t.eval(feed_dict, session) for t in self.__graphflow_parts__()]
        return SparseTensorValue(*parts)

    # --- fetching and feeding: see graphflow/fetches.py ---

    def __graphflow_parts__(self) -> tuple[Tensor, ...]:
        return self.indices, self.values, self.dense_shape

    @staticmethod
    def __graphflow_value__(*parts: Any) -> SparseTensorValue:
        return SparseTensorValue(*parts)

    def __graphflow_split__(self, value: Any) -> Sequence[Any]:
        if not isinstance(value, (tuple, list)) or len(value) != 3:
            raise FeedError(f"a SparseTensor is fed (indices, values, dense_shape), not {shorten(value)}")
        sizes = [np.shape(part)[:1] for part in value[:2]]
        if sizes[0] != sizes[1] and all(sizes):
            raise FeedError(
                f"a SparseTensor was fed {sizes[0][0]} indices and {sizes[1][0]} values; the numbers must agree"
            )
        return value

    # --- operators ---

    def __mul__(self, other: Any) -> SparseTensor:
        made: SparseTensor = F.sparse_multiply(self, other)
        return made

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> SparseTensor:
        made: SparseTensor = F.sparse_multiply(self, F.reciprocal(other))
        return made

    def __neg__(self) -> SparseTensor:
        return self.with_values(-self.values)

    def __add__(self, other: Any) -> Any:
        return F.sparse_add(self, other)

    __radd__ = __add__

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        raise DTypeError("a SparseTensor is no array; use gf.sparse.to_dense")

    def with_values(self, values: Tensor) -> SparseTensor:
        """The same places with other values."""
        return SparseTensor(self.indices, values, self.dense_shape)

    def __repr__(self) -> str:
        sizes = ", ".join(str(d) for d in self.shape)
        return f"<SparseTensor {dtype_name(self.dtype)}[{sizes}], values '{self.values.name}'>"


def _known_rank(index: Tensor, size: Tensor) -> int:
    """The rank, from the sizes of the parts."""
    found = []
    if size.type.shape is not None and size.type.rank == 1:
        found.append(size.type.dims[0])
    if index.type.shape is not None and index.type.rank == 2:
        found.append(index.type.dims[1])
    ranks = [d for d in found if isinstance(d, int)]
    if len(ranks) == 2 and ranks[0] != ranks[1]:
        raise ShapeError(f"SparseTensor: indices {index.type} do not fit a dense_shape {size.type}")
    if not ranks:
        raise ShapeError(f"SparseTensor: the rank must be known, got indices {index.type} and {size.type}")
    return ranks[0]


def _known_shape(size: Tensor, rank: int) -> Shape:
    node = size.op
    while node.op.name == "cast":
        node = node.inputs[0].op
    if node.op is CONSTANT:
        sizes = node.attrs["value"].array.tolist()
        if any(n < 0 for n in sizes):
            raise ShapeError(f"SparseTensor: dense_shape must not be negative, got {sizes}")
        return tuple(sizes)
    return tuple([unknown_dim() for _ in range(rank)])


def as_sparse(what: str, value: Any) -> SparseTensor:
    """`value` if it is one, or a SparseTensorValue as a constant. Raises ArgumentError."""
    if isinstance(value, SparseTensor):
        return value
    if isinstance(value, SparseTensorValue):
        return SparseTensor(*value)
    raise ArgumentError(f"{what}: takes a SparseTensor, got {shorten(value)}")


@public
def sparse_placeholder(dtype: Any, shape: Any = None, name: str | None = None) -> SparseTensor:
    """A sparse tensor that is fed at each run, as (indices, values, dense_shape).

    shape: the dense shape, of known rank. Where all sizes are known, a fed dense_shape must equal it.
    """
    if shape is None:
        raise ShapeError("sparse_placeholder: the rank must be known; give shape=[None, None] for a matrix")
    dims = shape_from_user(shape, unknown=True, what="sparse_placeholder: shape")
    label = "sparse_placeholder" if name is None else name
    check_name(label)
    values = F.placeholder(dtype, [None], f"{label}/values")
    indices = F.placeholder("int64", [None, len(dims)], f"{label}/indices")
    sizes = F.placeholder("int64", [len(dims)], f"{label}/shape")
    made = SparseTensor(indices, values, sizes)
    made.shape = tuple([d if isinstance(d, int) else u for d, u in zip(dims, made.shape, strict=True)])
    return made
