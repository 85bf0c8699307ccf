"""Every public function against every bad value of every parameter: an error of graphflow's, or a result.

Never a bare KeyError or RecursionError, never a hang or a huge allocation, and the graph works afterwards.
"""

from __future__ import annotations

import contextlib
import re
import signal
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphflow as gf
from graphflow.op import F
from tests.bad_inputs import BAD, HUGE, RUN
from tests.each import Each
from tests.parameter_kinds import kind_of
from tests.public_functions import Entry, entries

ENTRIES: dict[str, list[Entry]] = {}
"""The public functions by the module that offers them."""
for _entry in entries():
    ENTRIES.setdefault(_entry.name.rpartition(".")[0] or "graphflow", []).append(_entry)

OUR_FILES = ("test_bad_inputs.py", "bad_inputs.py", "public_functions.py")
NEVER_RUN = ("Session", "load_graph", "load_plan", "save_graph", "function", "train.CheckpointReader")
MAX_SECONDS = 10
MAX_BYTES = 50_000_000
MAX_MESSAGE = 4_000


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory with a saved graph and a checkpoint in it."""
    path: Path = tmp_path_factory.mktemp("bad_inputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        with gf.Graph().as_default() as graph, gf.Session(graph) as session:
            session.run(gf.Variable(np.ones(3, np.float32), name="w").initializer)
            gf.save_graph("saved.gfg", graph)
            gf.Session(graph).plan(graph.operations[0].outputs[0]).save("saved.plan")
            gf.train.Saver().save(session, "saved.ckpt")
        yield path


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    """End what hangs."""

    def stop(*_: Any) -> None:
        raise TimeoutError(f"no answer within {MAX_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _arguments(entry: Entry, good: dict[str, Any], **bad: Any) -> tuple[list[Any], dict[str, Any]]:
    """Good arguments, but for one."""
    keywords = {**good, **bad}
    first = [keywords.pop(p) for p in entry.positional_only if p in keywords]
    if entry.variadic is None:
        return first, keywords
    values = keywords.pop(entry.variadic)
    before = [keywords.pop(p) for p in entry.parameters if p in keywords and p in entry.positional]
    several = isinstance(values, list) and entry.variadic not in bad
    return [*first, *before, *(values if several else [values])], keywords


def _others() -> int:
    """How many variables there are besides those that the calls themselves need."""
    return sum(not v.op.name.startswith("mine") for v in gf.global_variables())


def _is_pythons_own(error: TypeError) -> bool:
    """Whether a function was called with arguments that it does not take, as the tests' own ones may be."""
    return any(
        word in str(error)
        for word in ("positional argument", "keyword argument", "takes no arguments", "exactly one argument")
    )


def _message_fault(error: gf.errors.GraphflowError) -> str | None:
    text = str(error)
    if len(text) > MAX_MESSAGE:
        return f"a message of {len(text)} characters: {text[:200]}"
    if not any(file in text for file in OUR_FILES):
        return f"the message does not name the line: {text[:300]}"
    text.encode("utf-8", "backslashreplace")
    return None


@contextlib.contextmanager
def _counted(label: str) -> Iterator[list[int]]:
    """Count the bytes that are allocated, where `label` speaks of much: it slows everything down."""
    used = [0]
    if not any(word in label for word in HUGE):
        yield used
        return
    tracemalloc.start()
    try:
        yield used
        used[0] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _fault(entry: Entry, good: dict[str, Any], label: str, **bad: Any) -> str | None:
    """What is wrong with the answer to one bad value, or None."""
    args, keywords = _arguments(entry, good, **bad)
    variables = _others()
    with _counted(label) as used:
        try:
            entry.call(*args, **keywords)
            fault = "accepted" if label.startswith("!") else None
        except gf.errors.GraphflowError as error:
            fault = _message_fault(error)
            if fault is None and _others() != variables:
                fault = f"a variable is left over after {error}"
        except TypeError as error:
            fault = None if _is_pythons_own(error) else f"TypeError: {error}"
        except Exception as error:  # noqa: BLE001 the very question
            fault = f"{type(error).__name__}: {str(error)[:300]}"
    if fault is None and used[0] > MAX_BYTES:
        fault = f"{used[0] / 1e6:.0f} MB were allocated"
    return fault


@pytest.mark.parametrize("module", ENTRIES)
def test_good_arguments_are_accepted(module: str, each: Each) -> None:
    def check(entry: Entry) -> None:
        args, keywords = _arguments(entry, entry.good())
        with _time_limit():
            entry.call(*args, **keywords)

    each(ENTRIES[module], check)


@pytest.mark.parametrize("module", ENTRIES)
def test_bad_values_are_refused_or_have_a_meaning(module: str, each: Each) -> None:
    each(ENTRIES[module], _check_bad_values)


def _check_bad_values(entry: Entry) -> None:
    faults = []
    with _time_limit():
        for parameter in entry.parameters:
            gf.reset_default_graph()
            good = entry.good()
            for label, make in BAD[kind_of(entry.name, parameter)].items():
                fault = _fault(entry, good, label, **{parameter: make()})
                if fault is not None:
                    faults.append(f"{entry.name}({parameter}={label}): {fault}")
            assert gf.Session().run(gf.add(1.0, 2.0)) == 3.0  # the graph is as good as before
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("module", ENTRIES)
def test_unknown_and_missing_arguments_are_pythons_own_errors(module: str, each: Each) -> None:
    def check(entry: Entry) -> None:
        args, keywords = _arguments(entry, entry.good())
        with pytest.raises(TypeError):
            entry.call(*args, **keywords, no_such_argument=1)
        if entry.required:
            with pytest.raises(TypeError):
                entry.call()

    each(ENTRIES[module], check)


def test_the_functions_that_graphflow_calls_by_name_exist() -> None:
    sources = Path(gf.__file__).parent.rglob("*.py")
    used = {name for path in sources for name in re.findall(r"\bF\.([a-z]\w*)\(", path.read_text())}
    assert sorted(used - set(F.table)) == []


# --- what only the run can know -------------------------------------------------------------------


def _feeds(graph: gf.Graph) -> dict[Any, Any]:
    """Zeros for every placeholder, with 3 for each size that is not known."""
    made = [node.outputs[0] for node in graph.operations if node.type == "placeholder"]
    shapes = [
        (3, 3) if t.shape is None else tuple(d if isinstance(d, int) else 3 for d in t.shape) for t in made
    ]
    return {
        t: np.zeros(s, t.dtype) for t, s in zip(made, shapes, strict=True) if np.prod(s, dtype=object) < 1e6
    }


REFUSED = object()


def _made(entry: Entry, good: dict[str, Any], **bad: Any) -> Any:
    """What a call gives, or REFUSED."""
    args, keywords = _arguments(entry, good, **bad)
    try:
        return entry.call(*args, **keywords)
    except (gf.errors.GraphflowError, TypeError):
        return REFUSED  # the other tests look at these


def _run_fault(graph: gf.Graph, made: Any) -> str | None:
    """What is wrong with running what was made in a graph, or None."""
    session = gf.Session(memory_limit="100MB")
    try:
        if gf.global_variables():
            session.run(gf.global_variables_initializer(), _feeds(graph))
        session.run(made, _feeds(graph))
    except gf.errors.VerifyError as error:
        return f"an invariant does not hold: {error}"
    except gf.errors.GraphflowError as error:
        return _message_fault(error)
    except Exception as error:  # noqa: BLE001 the very question
        return f"{type(error).__name__}: {str(error)[:300]}"
    return None


def _run_faults(entry: Entry, parameter: str, makers: dict[str, Any]) -> Iterator[str]:
    """What is wrong with running what odd values made, each in a graph in which nothing else was made."""
    graph, good = None, {}
    for label in RUN:
        if label not in makers:
            continue
        if graph is None:
            graph = gf.Graph()
            with graph.as_default():
                good = entry.good()
        with graph.as_default():
            made = _made(entry, good, **{parameter: makers[label]()})
            if made is REFUSED:
                continue
            fault = _run_fault(graph, made)
            if fault is not None:
                yield f"{entry.name}({parameter}={label}): {fault}"
        graph = None


@pytest.mark.parametrize("module", ENTRIES)
def test_accepted_values_run_or_are_refused_then(module: str, each: Each) -> None:
    each((e for e in ENTRIES[module] if e.name not in NEVER_RUN), _check_runs)


def _check_runs(entry: Entry) -> None:
    faults: list[str] = []
    with _time_limit():
        for parameter in entry.parameters:
            kind = kind_of(entry.name, parameter)
            if kind not in ("name", "path", "lookup", "function", "choice", "scope"):
                faults += _run_faults(entry, parameter, BAD[kind])
    assert not faults, "\n".join(faults)
