"""What every test shares: how hypothesis searches, a fresh default graph, and GPU tests that skip themselves."""

from __future__ import annotations

import functools
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.longest import LONGEST

if TYPE_CHECKING:
    from tests.each import Each

# Every plan that a test makes is certified; read when graphflow is imported, here and in what tests start.
os.environ.setdefault("GRAPHFLOW_CERTIFY", "1")

# Timing says more about the machine than about the test, so neither a deadline nor `too_slow` may fail one.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

# The same examples on every run: a red test is red for everyone, and a green commit stays green.
settings.register_profile("default", derandomize=True, max_examples=50, **_UNTIMED)
# `make fuzz`: fresh seeds, many examples, and the line that reproduces a failure.
settings.register_profile("long", derandomize=False, max_examples=2_000, print_blob=True, **_UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


@pytest.fixture(autouse=True)
def fresh_default_graph() -> None:
    """Start each test with an empty default graph.

    The examples of one hypothesis test share it: build each example's graph under `gf.Graph().as_default()`.
    """
    import graphflow as gf  # not at the top: a broken import should fail tests, not the collection of all

    gf.reset_default_graph()


@pytest.fixture
def each(request: pytest.FixtureRequest) -> Each:
    """`each(cases, check)` checks many cases in one test; `--case TEXT` leaves those whose names have the text."""
    from tests.each import Each  # imports graphflow

    return Each(request.config.getoption("case"))


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # pytest-xdist would begin with the files that have most tests


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    place = {root / name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--case", metavar="TEXT", help="of tests with many cases, run the cases with TEXT in their name"
    )


def pytest_collection_finish() -> None:
    # thousands of tests and samples live to the end: collections of garbage need not look at them each time
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    # no kernel can run without a device; what calls CuPy is tested everywhere on the stand-in, tests/backends/fake_cupy.py
    if item.get_closest_marker("gpu") is not None and not _usable_gpus():
        pytest.skip("needs a GPU: gf.list_devices() shows none that is usable")


@functools.cache
def _usable_gpus() -> tuple[str, ...]:
    """Names of the GPUs that a session could run on, such as `gpu:0`."""
    import graphflow as gf

    return tuple(d.name for d in gf.list_devices() if d.available and d.name.startswith("gpu"))
