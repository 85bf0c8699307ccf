"""CuPy on CUDA: the same programs and kernels as NumPy's, with every array in the GPU's memory."""

from graphflow.backends.cupy.backend import CupyBackend

__all__ = ["CupyBackend"]
