"""Intel MKL as the matrix library of backends that run on the CPU; no backend of its own."""

from graphflow.backends.mkl.product import product_call
from graphflow.backends.mkl.wheel import Mkl, find_mkl, load_mkl

__all__ = ["Mkl", "find_mkl", "load_mkl", "product_call"]
