"""`gf.sparse`: tensors of which only some elements are held, in coordinate form (COO)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphflow.op import on_demand
from graphflow.ops.sparse_tensor import SparseTensor, SparseTensorValue

if TYPE_CHECKING:
    # loaded when first asked for
    from graphflow.ops.segments import sparse_segment_mean as segment_mean
    from graphflow.ops.segments import sparse_segment_sqrt_n as segment_sqrt_n
    from graphflow.ops.segments import sparse_segment_sum as segment_sum
    from graphflow.ops.sparse import sparse_add as add
    from graphflow.ops.sparse import sparse_concat as concat
    from graphflow.ops.sparse import sparse_from_dense as from_dense
    from graphflow.ops.sparse import sparse_multiply as multiply
    from graphflow.ops.sparse import sparse_reduce_max as reduce_max
    from graphflow.ops.sparse import sparse_reduce_sum as reduce_sum
    from graphflow.ops.sparse import sparse_reorder as reorder
    from graphflow.ops.sparse import sparse_reshape as reshape
    from graphflow.ops.sparse import sparse_retain as retain
    from graphflow.ops.sparse import sparse_softmax as softmax
    from graphflow.ops.sparse import sparse_tensor_dense_matmul as matmul
    from graphflow.ops.sparse import sparse_tensor_to_dense as to_dense
    from graphflow.ops.sparse import sparse_transpose as transpose
    from graphflow.ops.sparse_tensor import sparse_placeholder as placeholder

__getattr__ = on_demand(
    globals(),
    add="sparse_add",
    concat="sparse_concat",
    from_dense="sparse_from_dense",
    matmul="sparse_tensor_dense_matmul",
    multiply="sparse_multiply",
    placeholder="sparse_placeholder",
    reduce_max="sparse_reduce_max",
    reduce_sum="sparse_reduce_sum",
    reorder="sparse_reorder",
    reshape="sparse_reshape",
    retain="sparse_retain",
    segment_mean="sparse_segment_mean",
    segment_sqrt_n="sparse_segment_sqrt_n",
    segment_sum="sparse_segment_sum",
    softmax="sparse_softmax",
    to_dense="sparse_tensor_to_dense",
    transpose="sparse_transpose",
)

__all__ = [
    "SparseTensor",
    "SparseTensorValue",
    "add",
    "concat",
    "from_dense",
    "matmul",
    "multiply",
    "placeholder",
    "reduce_max",
    "reduce_sum",
    "reorder",
    "reshape",
    "retain",
    "segment_mean",
    "segment_sqrt_n",
    "segment_sum",
    "softmax",
    "to_dense",
    "transpose",
]
