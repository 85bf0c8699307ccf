"""The reference backend: one NumPy call a node, into planned buffers."""

from graphflow.backends.numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
