"""The node that moves a value from one device to another; placed by the planner, never by users."""

from __future__ import annotations

from graphflow.op import Op, declare

__all__ = ["TRANSFER"]

TRANSFER = declare(
    Op(
        "transfer",
        lambda x, *, source, target: x,
        vjp=lambda node, g: (g,),
        flops=lambda inputs, outputs, source, target: 0,
        takes_strings=True,
        doc="A copy from one device to another.",
    )
)
