"""Algebraic simplification: identities of single expressions, exact ones and those that change rounding."""

from __future__ import annotations

from graphflow.passes.arithmetic_rules import ARITHMETIC
from graphflow.passes.choice_rules import CHOICES
from graphflow.passes.fast_arithmetic_rules import FAST_ARITHMETIC, counted_arithmetic
from graphflow.passes.function_rules import FUNCTIONS, counted_functions
from graphflow.passes.hyperbolic_rules import counted_hyperbolics, spelled_out
from graphflow.passes.operand_rules import OperandRules, apply_operand_rules, combined
from graphflow.passes.operands import Readers
from graphflow.passes.sign_rules import SIGNS
from graphflow.subgraph import Subgraph

__all__ = ["simplify", "simplify_fast"]

_EXACT = combined(ARITHMETIC, SIGNS, CHOICES)
_FAST = combined(_EXACT, FAST_ARITHMETIC, FUNCTIONS)


def simplify(subgraph: Subgraph) -> Subgraph:
    """Put what is cheaper, and equal bit for bit, in the place of expressions.

        multiply(%x, 1.0)               becomes   %x
        divide(%x, 8.0)                 becomes   multiply(%x, 0.125)
        add(%x, negative(%y))           becomes   subtract(%x, %y)
        remainder(%i, 16)               becomes   bitwise_and(%i, 15)
        where(%b, %x, %x)               becomes   %x
        logical_not(equal(%x, %y))      becomes   not_equal(%x, %y)

    The tables are in `arithmetic_rules`, `sign_rules`, `choice_rules` and `hyperbolic_rules`. Never fires where -0.0, an infinity, NaN,
    a subnormal number or wrapping around would tell; where the other operand spreads the result to a larger shape;
    where a kernel's result would be replaced by a tensor that lies otherwise in memory, as sums would then be added in
    another order; for nodes with control inputs. NaNs count as equal whatever their sign and payload. What may fail
    and is no longer needed (the `x` of `where(False, x, y)`) is dropped with its failure. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, _EXACT, spelled_out)


def simplify_fast(subgraph: Subgraph) -> Subgraph:
    """`simplify`, and identities of real numbers that change rounding.

        multiply(multiply(%x, 3.0), 0.1)      becomes   multiply(%x, 0.3)
        divide(%x, 3.0)                       becomes   multiply(%x, 0.33333334)
        pow(%x, 3.0)                          becomes   multiply(square(%x), %x)
        log(divide(exp(%x), %y))              becomes   subtract(%x, log(%y))
        (e - 1) / (e + 1), where e = exp(%x)  becomes   tanh(multiply(%x, 0.5))

    What is finite, with everything that it is computed from, stays within a few units in the last place of the largest
    number on its way. The sign of a zero, and what was infinite or NaN on its way alone, may change. O(V + E) a round.
    """
    return apply_operand_rules(subgraph, _FAST, _counted)


def _counted(readers: Readers) -> OperandRules:
    return combined(
        spelled_out(readers),
        counted_hyperbolics(readers),
        counted_arithmetic(readers),
        counted_functions(readers),
    )
