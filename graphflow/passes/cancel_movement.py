"""Movement of data that is undone, repeated or useless: transposes, reshapes, casts, broadcasts, slices and joins."""

from __future__ import annotations

from graphflow.passes.cast_rules import CASTS
from graphflow.passes.joining_rules import JOINING
from graphflow.passes.operand_rules import OperandRules, apply_operand_rules, combined
from graphflow.passes.operands import Readers
from graphflow.passes.reduction_rules import FAST_REDUCTIONS, REDUCTIONS
from graphflow.passes.transposes import transposes_around
from graphflow.passes.view_rules import VIEWS
from graphflow.subgraph import Subgraph

__all__ = ["cancel_movement", "cancel_movement_fast"]

_EXACT = combined(VIEWS, CASTS, JOINING, REDUCTIONS)
_FAST = combined(VIEWS, CASTS, JOINING, FAST_REDUCTIONS)


def cancel_movement(subgraph: Subgraph) -> Subgraph:
    """Drop what only moves data to and fro.

        permute_dims(permute_dims(%x, (1, 0)), (1, 0))   becomes   %x
        reshape(reshape(%x, [6]), [2, 3])                becomes   reshape(%x, [2, 3])
        cast(cast(%x, float64), float32)                 becomes   %x, of float32
        add(broadcast_to(%b, [5, 3]), %x)                becomes   add(%b, %x)
        concat(split(%x, axis=0), axis=0)                becomes   %x
        max(broadcast_to(%x, [5, 3]), axis=0)            becomes   %x
        permute_dims(relu(permute_dims(%x)))             becomes   relu(%x)

    Every bit stays: integers wrap around alike, casts lose nothing on their way. Never fires where somebody could tell
    that a value lies otherwise in memory than before (sums add in the order of memory); where sizes that matter are not
    known, so that it does more after binding; for sums of floats. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, _EXACT, _around_exact)


def cancel_movement_fast(subgraph: Subgraph) -> Subgraph:
    """`cancel_movement`, and what changes the order in which floats are added.

    sum(broadcast_to(%x, [5, 3]), axis=0)      becomes   multiply(%x, 5.0)
    sum(sum(%x, axis=0), axis=0)               becomes   sum(%x, axis=(0, 1))
    sum(permute_dims(%x))                      becomes   sum(%x)
    permute_dims(exp(permute_dims(%x)))        becomes   exp(%x)
    """
    return apply_operand_rules(subgraph, _FAST, _around)


def _around_exact(readers: Readers) -> OperandRules:
    return transposes_around(readers, exact=True)


def _around(readers: Readers) -> OperandRules:
    return transposes_around(readers, exact=False)
