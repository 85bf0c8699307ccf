"""Every op's samples on the stand-in for CuPy: kernels use only what CuPy has, in the versions that are allowed.

The values come from NumPy, so that only a real GPU can tell whether CuPy computes them rightly: see `test_gpu.py`.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import pytest

from graphflow.errors import BackendError
from tests.backends.agreement import assert_agrees, run_on
from tests.backends.fake_cupy import VERSIONS, install
from tests.ops.table import Sample, all_samples

pytestmark = pytest.mark.slow

SAMPLES = all_samples()


@functools.cache
def _on_cpu(name: str) -> list[Any]:
    return run_on(next(s for s in SAMPLES if s.name == name), "cpu")


STRIDE = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 3
CASES = [
    (s, v)
    for k, s in enumerate(SAMPLES)
    for v in VERSIONS
    if k % STRIDE == 0 and (v == VERSIONS[-1] or k % 4 == 0)
]
"""All samples in `make fuzz`, every third in `make test`, which has to end; fewer on the older versions."""


@pytest.mark.parametrize(("sample", "version"), CASES, ids=[f"{s.name}-{v}" for s, v in CASES])
def test_kernels_call_what_cupy_has(sample: Sample, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = install(monkeypatch, version=version)
    try:
        results = run_on(sample, "gpu")
    except BackendError as error:
        if not (version.startswith("13") and "bfloat16" in str(error)):
            raise
        return
    assert_agrees(sample, results, _on_cpu(sample.name))
    assert fake.used == 0, "the session was closed: nothing of it may hold memory of the GPU"
