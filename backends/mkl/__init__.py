"""Intel MKL as the matrix library of backends that run on the CPU; no backend of its own."""

from graphflow.backends.mkl.library import Mkl, find_mkl, load_mkl
from graphflow.backends.mkl.product import product_call

__all__ = ["Mkl", "find_mkl", "load_mkl", "product_call"]
