"""Which files of tests take longest."""

from __future__ import annotations

__all__ = ["LONGEST"]

LONGEST = (
    *("test_bad_inputs.py", "ops/test_samples.py", "test_memory_contract.py", "test_metamorphic.py"),
    *("save/test_round_trip.py",),
    *("test_graph.py", "test_examples.py", "backends/test_cupy_samples.py", "visualize/test_sizes.py"),
    *("passes/test_random_pipelines.py", "planning/test_limit.py", "save/test_bad_headers.py"),
    *("planning/test_recompute.py", "test_packaging.py", "ops/test_convolution.py", "planning/test_spill.py"),
    *("ops/test_kernel_contract.py", "array_api/test_elementwise.py", "passes/test_passes.py"),
    *("save/test_files.py", "test_forecast.py", "test_notebook.py", "test_cli.py"),
)
"""The files that take longest, in that order: processes that share the tests begin with them and end together."""
