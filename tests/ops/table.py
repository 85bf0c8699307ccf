"""The one table of op samples: what a sample says, and the list of all of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["INTERNAL", "Sample", "all_samples", "by_family"]

INTERNAL = {"variable", "read", "assign", "transfer", "draw_counter", "fused", "spill", "restore"}
"""Ops that users never build on values: their behaviour is tested with sessions."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One use of a public function on concrete inputs, with an answer that we did not compute.

    name: unique; shown as the test's id.
    build: `build(*tensors)` gives the tensor, or tuple of tensors, under test.
    inputs: concrete arrays, fed through placeholders.
    reference: `reference(*arrays)` gives the array (or tuple); NumPy or SciPy, never our kernels.
        None only where the answer is a property checked elsewhere (random ops), with `check` given.
    check: `check(*results, *arrays)` asserts a property of the results instead of comparing.
    grad: check first and second order gradients of float inputs against central differences.
        The inputs should be float64 then (others are cast), away from kinks.
    second_order: False where the second derivative is not defined or too noisy.
    rtol, atol: for values, on top of a few ULP of the result's dtype.
    strict: also run the kernels under array_api_strict.
    symbolic: also build with every dimension unknown, and with unknown rank, and compare.
    unranked: False where a known rank is part of the function's meaning (an error otherwise).
    """

    name: str
    build: Callable[..., Any]
    inputs: tuple[Any, ...] = ()
    reference: Callable[..., Any] | None = None
    check: Callable[..., None] | None = None
    grad: bool = False
    second_order: bool = True
    rtol: float = 1e-6
    atol: float = 0.0
    strict: bool = True
    symbolic: bool = True
    unranked: bool = True
    tags: tuple[str, ...] = field(default=())


def by_family(keep: Callable[[Sample], bool] = lambda sample: True) -> dict[str, list[Sample]]:
    """The samples that are kept, by the file `samples_*.py` beside this one that has them, where it has any."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("samples_*.py")):
        samples = filter(keep, importlib.import_module(f"tests.ops.{path.stem}").SAMPLES)
        found[path.stem.removeprefix("samples_")] = list(samples)
    return {family: samples for family, samples in found.items() if samples}


def all_samples() -> list[Sample]:
    """The samples of every file, in the order of the files' names."""
    return [sample for samples in by_family().values() for sample in samples]


def array(*shape: int, dtype: Any = np.float64, seed: int = 0, low: float = -2.0, high: float = 2.0) -> Any:
    """A reproducible array of values in [low, high), rounded for ints."""
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return np.asarray(values).astype(dtype)
