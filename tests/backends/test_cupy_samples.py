"""Every op's samples on the stand-in for CuPy: kernels use only what CuPy has, in the versions that are allowed.

The values come from NumPy, so that only a real GPU can tell whether CuPy computes them rightly: see `test_gpu.py`.
"""

from __future__ import annotations

import gc
import os
from functools import partial
from typing import Any

import pytest

from graphflow.errors import BackendError
from tests.backends.agreement import assert_agrees, run_on
from tests.backends.fake_cupy import VERSIONS, install
from tests.each import Each
from tests.ops.table import Sample, all_samples, by_family

pytestmark = pytest.mark.slow

STRIDE = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 3
"""All samples in `make fuzz`, every third in `make test`, which has to end; a quarter of them on older versions."""

NUMBER = {sample.name: k for k, sample in enumerate(all_samples())}


def _is_run(version: str, sample: Sample) -> bool:
    k = NUMBER[sample.name]
    return k % STRIDE == 0 and (version == VERSIONS[-1] or k % 4 == 0)


SAMPLES = {version: by_family(partial(_is_run, version)) for version in VERSIONS}
CASES = [(version, family) for version, families in SAMPLES.items() for family in families]


@pytest.mark.parametrize(("version", "family"), CASES)
def test_kernels_call_what_cupy_has(
    version: str, family: str, each: Each, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = install(monkeypatch, version=version)

    def check(sample: Sample) -> None:
        before = fake.used
        try:
            results: list[Any] | None = run_on(sample, "gpu")
        except BackendError as error:
            if not (version.startswith("13") and "bfloat16" in str(error)):
                raise
            results = None
        if results is None:
            gc.collect()  # the error had the run's arrays
        else:
            assert_agrees(sample, results, run_on(sample, "cpu"))
        assert fake.used == before, "the session was closed: nothing of it may hold memory of the GPU"

    each(SAMPLES[version][family], check)
