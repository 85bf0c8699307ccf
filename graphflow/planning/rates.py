"""How fast NumPy's kernels are, where that is far from the general rates of `cost.Machine`: measured figures.

Taken on one core of the machine that `Machine` describes; `benchmarks/machine.py` measures how close they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["ACROSS", "CALL_SECONDS", "INTEGER_DIVISION", "RATES"]

RATES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "exp": (10.0, 2.1),
        "exp2": (4.0, 2.2),
        "log": (10.0, 4.5),
        "log2": (6.5, 4.0),
        "pow": (4.2, 2.0),
        "sin": (8.0, 1.6),
        "cos": (8.0, 1.6),
        "tanh": (8.0, 1.7),
        "sigmoid": (11.0, 3.2),
        "erf": (3.0, 1.2),
        "sqrt": (10.0, 2.8),
        "rsqrt": (9.0, 2.8),
        "hypot": (1.7, 0.5),
        "angle": (8.0, 6.0),
        "acosh": (4.0, 4.0),
        "sinh": (1.1, 1.1),
        "cbrt": (0.9, 0.9),
        "digamma": (1.3, 1.2),
        "sign": (1.2, 1.0),
        "floor_divide": (0.33, 0.33),
        "remainder": (0.9, 0.7),
        "fmod": (0.5, 0.5),
        "where": (0.2, 0.2),
        "copysign": (1.5, 1.5),
        "nextafter": (0.2, 0.15),
        "relu": (2.0, 1.5),
        "cast": (4.0, 3.0),
        "sum": (5.0, 4.0),
        "prod": (1.0, 1.0),
        "max": (9.0, 5.0),
        "min": (9.0, 5.0),
        "any": (20.0, 20.0),
        "all": (20.0, 20.0),
        "argmax": (8.0, 5.0),
        "argmin": (8.0, 5.0),
        "cumulative_sum": (0.25, 0.25),
        "cumulative_prod": (0.25, 0.25),
        "sort": (2.0, 1.1),
        "argsort": (0.55, 0.4),
        "top_k": (0.1, 0.1),
        "max_pool": (1.3, 0.9),
        "avg_pool": (0.75, 0.5),
        "conv": (40.0, 18.0),
        "conv_transpose": (30.0, 14.0),
        "conv_filter_grad": (30.0, 14.0),
        "solve": (30.0, 13.0),
        "inv": (25.0, 10.0),
        "det": (20.0, 10.0),
        "cholesky": (20.0, 10.0),
        "lu": (20.0, 10.0),
        "qr": (20.0, 10.0),
        "triangular_solve": (20.0, 10.0),
        "lstsq": (15.0, 8.0),
        "svd": (18.0, 9.0),
        "svdvals": (18.0, 9.0),
        "pinv": (18.0, 9.0),
        "eig": (4.0, 2.0),
        "eigvals": (4.0, 2.0),
        "eigh": (10.0, 6.0),
        "eigvalsh": (8.0, 5.0),
    }
)
"""10^9 operations a second, by the op's own count, on elements of up to 4 bytes and of 8."""

ACROSS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "prod": (8.0, 4.0),
        "argmax": (0.25, 0.2),
        "argmin": (0.25, 0.2),
        "cumulative_sum": (0.12, 0.1),
        "cumulative_prod": (0.12, 0.1),
    }
)
"""The same for those along another axis than the last, where that makes a difference."""

INTEGER_DIVISION = 2.7
"""The same for quotients and remainders of integers, of any size."""

CALL_SECONDS: Mapping[str, float] = MappingProxyType(
    {
        **dict.fromkeys(["sum", "max", "min", "any", "all"], 2e-6),
        **dict.fromkeys(["maximum", "minimum", "assign"], 7e-7),
        **dict.fromkeys(["matmul", "prod"], 1.5e-6),
        **dict.fromkeys(["concat", "full", "full_like", "add_n", "getitem_grad", "reshape", "flatten"], 4e-6),
        **dict.fromkeys(["take", "tile", "cast"], 8e-6),
        **dict.fromkeys(["erf", "erfc", "erfinv", "lgamma", "digamma", "polygamma"], 4e-5),
        **dict.fromkeys(["take_along_axis", "scatter_along_axis", "scatter_nd", "tensor_scatter"], 4e-5),
        **dict.fromkeys(["conv", "conv_transpose", "conv_filter_grad", "max_pool", "avg_pool"], 6e-5),
        **dict.fromkeys(["cholesky", "inv", "det", "solve", "triangular_solve", "lstsq", "pinv"], 4e-5),
        **dict.fromkeys(["qr", "lu", "svd", "svdvals", "eig", "eigvals", "eigh", "eigvalsh", "expm"], 6e-5),
        **dict.fromkeys(["sort", "argsort", "fft", "rfft", "irfft", "segment", "bincount"], 5e-5),
        **dict.fromkeys(["random_uniform", "random_int", "top_k", "categorical", "permutation"], 1e-4),
        **dict.fromkeys(["random_normal", "truncated_normal", "random_gamma"], 2e-4),
    }
)
"""Seconds that a call takes whatever its size, where that is far from the two general figures of `cost.Machine`."""
