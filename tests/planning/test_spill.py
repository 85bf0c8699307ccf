"""Values put aside in files: the same bits, no memory, nothing left behind, and clear errors where there is no room."""

from __future__ import annotations

import errno
import gc
import mmap
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any, Self

import ml_dtypes
import numpy as np
import pytest

import graphflow as gf
from graphflow.backends import backend_for
from graphflow.errors import MemoryLimitError, RunError
from graphflow.op import OPS
from graphflow.ops.spill import RESTORE, SPILL
from graphflow.planning.evict import Means, evicted
from graphflow.planning.rerun import tasks_of
from graphflow.planning.rewritten import rewritten
from graphflow.planning.spill import least_steps, spill
from graphflow.planning.steps import copy_seconds
from graphflow.runtime import VariableStore, load
from graphflow.subgraph import cut
from graphflow.verify import verify
from tests.planning.layered import Layered, bits, built, chain, measure, program_of, run


def _put_aside(value: Any) -> Any:
    assert SPILL.kernel is not None
    return SPILL.kernel(np, value)


def _back(key: Any, value: Any, out: Any = None) -> Any:
    assert RESTORE.kernel is not None
    return RESTORE.kernel(np, key, dtype=value.dtype, shape=value.shape, out=out)


def _names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


# --- the ops ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "bool", "int8", "uint64", "bfloat16"])
def test_what_comes_back_is_what_went(dtype: str) -> None:
    rng = np.random.default_rng(0)
    for shape in [(3, 5), (), (1,), (0, 4), (7, 1, 1025), (1 << 20,)]:
        raw = rng.integers(0, 256, (*shape, 16), np.uint8)
        value = raw.view(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)[..., 0]
        if dtype == "bool":
            value = raw[..., 0] > 127
        key = _put_aside(value)
        assert key.nbytes == 0
        assert _back(key, value).tobytes() == value.tobytes()
        out = np.empty(value.shape, value.dtype)
        assert _back(key, value, out) is out
        assert out.tobytes() == value.tobytes()
        assert _back(np.ascontiguousarray(key), value).tobytes() == value.tobytes()


def test_no_memory_is_taken_and_nothing_is_left() -> None:
    value = np.arange(1 << 18, dtype=np.float64)
    out = np.empty_like(value)
    folder = tempfile.gettempdir()
    files, descriptors = _names(folder), _names("/proc/self/fd")
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        key = _put_aside(value)
        _back(key, value, out)
        assert tracemalloc.get_traced_memory()[1] - before < 20_000
    finally:
        tracemalloc.stop()
    assert {f for f in _names(folder) if f.startswith("graphflow-")} <= files
    assert len(_names("/proc/self/fd")) == len(descriptors) + 1  # what the mapping holds
    mapped = key.base
    assert isinstance(mapped, mmap.mmap)
    del mapped, key
    gc.collect()
    assert len(_names("/proc/self/fd")) == len(descriptors)


def test_a_copied_key_leads_nowhere_and_says_so() -> None:
    value = np.ones(5)
    with pytest.raises(RunError, match="was copied"):
        _back(np.array(_put_aside(value)), value)


class _Full:
    """A temporary file on a disk with room for so many bytes."""

    def __init__(self, room: int) -> None:
        self.room = room

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def write(self, data: memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = min(self.room, len(data))
        self.room -= taken
        return taken


def _spilled(case: Layered) -> Any:
    tasks = tasks_of(case.subgraph)
    steps = least_steps(tasks)
    assert steps is not None
    return rewritten(tasks, steps)


@pytest.mark.parametrize("trouble", ["full", "missing", "read-only"])
def test_a_disk_without_room_gives_the_nodes_line_and_the_next_run_works(
    trouble: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    case = chain(4, 512, 16)
    expected = run(case, case.subgraph)
    store = VariableStore()
    for name, value in case.variables.items():
        store.arrays[name] = np.array(value)
        store.initialized.add(name)
    executable = load(program_of(_spilled(case).subgraph), backend_for, store)
    with monkeypatch.context() as patched:
        if trouble == "full":
            patched.setattr(tempfile, "TemporaryFile", lambda **options: _Full(1000))
        else:
            folder = tmp_path / "no such folder" if trouble == "missing" else "/proc/self"
            patched.setattr(tempfile, "tempdir", str(folder))
        with pytest.raises(
            MemoryLimitError, match=r"could not be put aside in a file in .*raise the limit"
        ) as error:
            executable.run(case.feeds)
        assert "made at" in str(error.value)
        assert "layered.py" in str(error.value)
    for name, value in case.variables.items():
        np.testing.assert_array_equal(store.arrays[name], value)
    results = [*executable.run(case.feeds), *executable.run(case.feeds)]
    assert bits([*results, *store.arrays.values()]) == bits(expected)


# --- the rewrite --------------------------------------------------------------------------------------


def test_each_value_is_written_once_and_nothing_runs_again() -> None:
    case = chain(12, 512, 16)
    tasks = tasks_of(case.subgraph)
    limit = int(0.4 * measure(case.subgraph))
    made = spill(tasks, limit, measure)
    assert made is not None
    verify(made.subgraph)
    assert measure(made.subgraph) <= limit
    assert not made.again
    assert made.aside
    names = [n.name for n in made.subgraph.nodes]
    for node, times in made.aside.items():
        assert names.count(f"{node.name}/aside") == 1
        assert names.count(f"{node.name}/back") == times >= 1
        assert names.index(f"{node.name}/aside") < names.index(f"{node.name}/back")
    assert made.aside_seconds == pytest.approx(
        sum(
            (1 + times) * copy_seconds(node.outputs[0].type.nbytes or 0) for node, times in made.aside.items()
        )
    )
    assert bits(run(case, made.subgraph)) == bits(run(case, case.subgraph))
    both = spill(tasks, limit, measure, again=True)
    assert both is not None
    assert both.again_seconds + both.aside_seconds <= made.aside_seconds
    assert bits(run(case, both.subgraph)) == bits(run(case, case.subgraph))
    assert spill(tasks, 1000, measure) is None


def test_the_least_is_what_one_node_needs() -> None:
    """Everything else is in files then: two activations and what they make, at most."""
    case = chain(20, 1024, 16)
    tasks = tasks_of(case.subgraph)
    made = _spilled(case)
    activation = 1024 * 16 * 4
    standing = measure(case.subgraph) - tasks.peak_nbytes
    assert tasks.peak_nbytes > 20 * activation
    assert measure(made.subgraph) - standing < 4 * activation
    assert bits(run(case, made.subgraph)) == bits(run(case, case.subgraph))


def test_fetched_values_are_put_aside_too_and_views_of_them_come_back() -> None:
    with gf.Graph().as_default():
        x = gf.placeholder("float32", (256, 256))
        early = gf.sin(x)
        turned = gf.transpose(early)
        wide = [gf.exp(x * float(k)) for k in range(6)]
        total = gf.sum(gf.concat(wide, axis=0))
        subgraph = cut([early, turned, total, turned], [x])
    tasks = tasks_of(subgraph)
    steps = least_steps(tasks)
    assert steps is not None
    assert ("spill", tasks.problem.makes[[n.name for n in subgraph.nodes].index("Sin")][0]) in steps
    made = rewritten(tasks, steps)
    verify(made.subgraph)
    value = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    case = Layered(subgraph.outputs[0].graph, [], {x: value}, subgraph, {})
    assert bits(run(case, made.subgraph)) == bits(run(case, subgraph))


def test_on_another_device_values_are_put_aside_in_the_hosts_memory() -> None:
    subgraph = chain(6, 256, 8).subgraph
    devices = dict.fromkeys(subgraph.nodes, "gpu:0")
    tasks = tasks_of(subgraph, devices=devices)
    steps = evicted(tasks, tasks.peak_nbytes // 2, 1 << 30, Means(again=False, aside=True))
    assert steps is not None
    made = rewritten(tasks, steps)
    verify(made.subgraph)
    moves = [n for n in made.subgraph.nodes if n.op is OPS["transfer"]]
    assert {n.device for n in moves} == {"cpu:0", "gpu:0"}
    for n in moves:
        assert n.device == n.attrs["target"]
        assert n.name.endswith("/aside" if n.device == "cpu:0" else "/back")
    assert not [n for n in made.subgraph.nodes if n.op in (SPILL, RESTORE)]
    assert all(n.device == "gpu:0" for n in made.subgraph.nodes if n in made.stands_for and n not in moves)


def test_random_steps_put_aside_and_run_again_keep_the_bits() -> None:
    for kinds in ([0, 4, 2, 6], [5, 8, 10, 1, 9], [7, 3, 6]):
        for ask in ("both", "middle"):
            case = built((kinds, ask, 2), 256)
            tasks = tasks_of(case.subgraph)
            expected = bits(run(case, case.subgraph))
            for part in (0.3, 0.6):
                steps = evicted(tasks, int(part * tasks.peak_nbytes), 0, Means(aside=True))
                assert steps is not None
                assert bits(run(case, rewritten(tasks, steps).subgraph)) == expected
