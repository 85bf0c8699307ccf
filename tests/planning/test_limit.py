"""Memory limits: kept in every run, with the same bits, or refused with the least that is enough and what stands in the way."""

from __future__ import annotations

import gc
import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphflow as gf
from graphflow.errors import MemoryLimitError
from graphflow.plan import parse_nbytes
from graphflow.planning.limit import Fitted, keep_limit
from graphflow.subgraph import cut
from graphflow.verify import verify
from tests.planning.layered import Layered, bits, built, chain, layered, measure, run, traced_run

BOOKKEEPING = 300_000
"""Bytes of Python's objects for a program; the contract is about arrays."""


def _least(error: MemoryLimitError) -> int:
    found = re.search(r"takes at least ([\d,]+) bytes", str(error))
    assert found is not None, error
    return int(found[1].replace(",", ""))


def _refused(case: Layered, limit: int) -> MemoryLimitError:
    with pytest.raises(MemoryLimitError) as caught:
        keep_limit(case.subgraph, limit, measure)
    return caught.value


# --- what holds for any training step -----------------------------------------------------------------


@settings(max_examples=2)
@given(layered(6), st.floats(0.02, 0.98))
def test_every_limit_is_kept_with_the_same_bits_or_refused(recipe: Any, part: float) -> None:
    case = built(recipe, 2048)
    expected = bits(run(case, case.subgraph))
    peak = measure(case.subgraph)
    least = _least(_refused(case, 1000))
    assert least <= peak
    for limit in dict.fromkeys([least, int(least + part * (peak - least)), peak]):
        fitted = keep_limit(case.subgraph, limit, measure)
        verify(fitted.subgraph)
        assert measure(fitted.subgraph) == fitted.after_nbytes <= limit
        assert fitted.before_nbytes == peak
        results, traced = traced_run(case, fitted.subgraph)
        assert bits(results) == expected
        assert traced - BOOKKEEPING <= limit
    assert _least(_refused(case, least - 1)) == least


def test_the_least_is_at_least_what_any_one_node_needs() -> None:
    for kinds in ([0, 1], [3, 8]):
        case = built((kinds, "gradients", 0), 512)
        least = _least(_refused(case, 1))
        widest = 0
        for node in case.subgraph.nodes:
            if not (node.op.is_source or node.op.is_view or node.op.in_place or node.op.name == "read"):
                tensors = [*node.inputs, *node.outputs]
                made = [
                    t for t in tensors if not (t.op.op.is_source or t.op.op.is_view or t.op.op.name == "read")
                ]
                widest = max(widest, sum(t.type.nbytes or 0 for t in dict.fromkeys(made)))
        standing = sum(v.nbytes for v in case.variables.values())
        assert least >= min(widest, 1) + standing
        assert least >= 512 * 64  # a fetched gradient


# --- the ladder ---------------------------------------------------------------------------------------


def test_what_is_tried_first() -> None:
    case = chain(8, 512, 16)
    peak = measure(case.subgraph)
    as_it_is = keep_limit(case.subgraph, peak, measure)
    assert as_it_is.subgraph is case.subgraph
    assert (as_it_is.rewritten, as_it_is.price) == (None, "nothing has to be done")
    again = keep_limit(case.subgraph, int(0.8 * peak), measure)
    assert again.rewritten is not None
    assert re.fullmatch(r"\d+ values of \d+ layers are computed again \(\+\d+(\.\d+)? % work\)", again.price)
    assert again.extra_seconds > 0
    aside = keep_limit(case.subgraph, _least(_refused(case, 1)), measure)
    assert aside.rewritten is not None
    assert re.search(r"\d+ values are put aside \(\+[\d.e-]+ s\)$", aside.price)


def test_other_plans_of_the_same_nodes_come_before_the_ladder() -> None:
    x = gf.placeholder("float32", (256, 256))
    weights = [gf.constant(np.full((256, 256), 0.01 * k, np.float32)) for k in range(6)]
    wide = gf.add_n([gf.sum(gf.matmul(gf.matmul(x, w), w), axis=1) for w in weights])
    several, one = (gf.Session(threads=n).plan(wide, {x: x.type.shape}) for n in (2, 1))
    assert one.peak_nbytes < several.peak_nbytes
    limited = gf.Session(threads=2, memory_limit=one.peak_nbytes).plan(wide, {x: x.type.shape})
    assert limited.fitted is not None
    assert (limited.fitted.price, limited.peak_nbytes) == ("one lane", one.peak_nbytes)
    assert limited.flops == several.flops
    small = gf.placeholder("float32", (256, 64))
    waves = gf.sin(small) * gf.cos(small) + gf.exp(small) * gf.tanh(small)
    chain = gf.sum(waves, axis=1)  # of values that are too small for a cluster to save time
    usual = gf.Session().plan(chain, {small: (256, 64)})
    limited = gf.Session(memory_limit=usual.peak_nbytes - 1).plan(chain, {small: (256, 64)})
    assert limited.fitted is not None
    assert limited.fitted.price == "clusters of smaller values on one lane"
    assert limited.fitted.extra_seconds == 0.0


def test_words_for_one_value() -> None:
    with gf.Graph().as_default():
        x = gf.placeholder("float32", (1 << 16,))
        kept = gf.sin(x)
        wide = gf.exp(gf.concat([x * 2.0, x * 3.0, x * 4.0], axis=0))
        subgraph = cut([gf.sum(wide), gf.sum(kept)], [x])
        early = cut([gf.sum(wide) + gf.sum(kept * gf.sum(wide))], [x])
    fitted = keep_limit(subgraph, measure(subgraph), measure)
    assert fitted.price == "nothing has to be done"
    found: list[Fitted] = []
    peak = measure(early)
    for limit in range(peak - (1 << 18), peak, 1 << 16):
        try:
            found.append(keep_limit(early, limit, measure))
        except MemoryLimitError:
            continue
    assert all(" 1 values" not in f" {f.price}" for f in found)


# --- what is said -------------------------------------------------------------------------------------


def test_a_refusal_names_the_fewest_values_that_cannot_fit_together_with_their_lines() -> None:
    with gf.Graph().as_default() as graph:
        x = gf.placeholder("float32", (512, 512), name="x")
        w = gf.Variable(np.ones((512, 512), np.float32), name="w")
        a = gf.sin(x, name="a")
        b = gf.matmul(a, w, name="b")
        total = gf.sum(gf.matmul(b, a, name="c"))
        subgraph = cut([total], [x])
    square = 4 * 512 * 512
    case = Layered(graph, [], {x: np.ones((512, 512))}, subgraph, {})
    error = _refused(case, 3 * square)
    text = str(error)
    assert _least(error) >= 4 * square
    assert "the limit is 3,145,728 bytes" in text
    assert "these 4 are needed at the same time and take 4,194,304 bytes" in text
    for name, what in [("w", "variable"), ("a", "input:"), ("b", "input:"), ("c", "output:")]:
        assert re.search(rf"1,048,576 bytes  {what} node '{name}', made at test_limit\.py:\d+", text)
    assert text.count("made at") == 5  # the last is that of the node which runs then
    alone = str(_refused(case, square - 1))
    assert "this alone takes 1,048,576 bytes" in alone
    assert alone.count("made at") == 2
    many = _refused(chain(30, 64, 64), 400_000)
    assert "more" in str(many)
    assert len(str(many).splitlines()) <= 18


# --- sessions -----------------------------------------------------------------------------------------


def _session_run(case: Layered, limit: Any, *, in_run: bool = False) -> tuple[list[bytes], int, Any]:
    """The bits of two runs and of the variables, what the second run allocated, and the plan."""
    session = gf.Session(case.graph, memory_limit=None if in_run else limit)
    options = {"memory_limit": limit} if in_run else {}
    with case.graph.as_default():
        variables = gf.global_variables()
    for v in variables:
        session.load(v, case.variables[v.handle.op.name])
    results = bits(session.run(case.fetches, case.feed, **options))
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        second = session.run(case.fetches, case.feed, **options)
        taken = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    results += bits(second) + bits(session.run(variables))
    plan = session.plan(case.fetches, case.feed)
    session.close()
    return results, taken, plan


@pytest.mark.parametrize("recipe", [([0, 2, 1, 3, 2], "both", 1), ([4, 9, 0], "middle", 0)])
def test_sessions_keep_their_limit(recipe: Any) -> None:
    case = built(recipe, 2048)
    expected, _, plan = _session_run(case, None)
    peak = plan.peak_nbytes
    with pytest.raises(MemoryLimitError) as error:
        _session_run(case, 1000)
    limit = (_least(error.value) + peak) // 2
    results, taken, kept = _session_run(case, limit)
    assert results == expected
    assert kept.peak_nbytes <= limit
    assert taken <= limit - kept.memory.held + 60_000
    results, _, _ = _session_run(case, f"{limit}B", in_run=True)
    assert results == expected


@pytest.mark.parametrize(
    ("given_limit", "nbytes"),
    [
        (1, 1),
        (2.5e9, 2_500_000_000),
        ("2GB", 2_000_000_000),
        ("2 gb", 2_000_000_000),
        ("2GiB", 2 << 30),
        (" 1.5 MiB ", 3 << 19),
        ("700", 700),
        ("1 B", 1),
        ("3KB", 3000),
        (10**30, 10**30),
        *[(bad, None) for bad in (0, -1, True, False, 0.5, float("nan"), float("inf"), None, [1], b"2GB")],
        *[
            (bad, None)
            for bad in ("", "GB", "lots", "0", "0GB", "-1GB", "nan", "inf", "1e3", "2 G B", "2\0GB", "1.GB")
        ],
    ],
)
def test_limits_as_users_write_them(given_limit: Any, nbytes: int | None) -> None:
    if nbytes is not None:
        assert parse_nbytes(given_limit, "memory_limit") == nbytes
        return
    with pytest.raises(gf.errors.ArgumentError, match="memory_limit"):
        parse_nbytes(given_limit, "memory_limit")


# --- what may happen only once ------------------------------------------------------------------------


def _limits(session: gf.Session, fetches: Any, feeds: Any, wanted: list[Any]) -> int:
    """Run under lower and lower limits until one is refused: the same bits. Gives how many were kept."""
    peak = session.plan(fetches, feeds).peak_nbytes
    for kept, part in enumerate(range(99, 21, -3)):
        try:
            found = session.run(fetches, feeds, memory_limit=peak * part // 100)
        except MemoryLimitError:
            return kept
        assert np.asarray(found[0]).tobytes() == np.asarray(wanted[0]).tobytes()
    return 26


def test_a_print_happens_once_however_often_its_value_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    x = gf.placeholder("float64", [1 << 14])
    h = gf.Print(gf.sin(x), [gf.sum(x)], "said ")
    y = gf.sum(h * gf.sum(gf.cumulative_sum(gf.concat([h] * 3, axis=0))))
    feeds = {x: np.linspace(0, 1, 1 << 14)}
    session = gf.Session(threads=1)
    wanted = session.run([y], feeds)
    once = capfd.readouterr().err
    assert once.count("said ") == 1
    kept = _limits(session, [y], feeds, wanted)
    assert kept >= 2
    assert capfd.readouterr().err == once * kept


def test_a_view_that_is_written_to_a_variable_is_refused_where_nothing_can_give_way() -> None:
    x = gf.placeholder("float64", [300, 300])
    v = gf.Variable(np.zeros((300, 300)))
    a, b = gf.sort(x, axis=0), gf.sort(x + 1.0, axis=1)
    c = gf.sort(gf.matmul(a, b), axis=0)
    fetches = [gf.sum(gf.concat([a, b, c, a], axis=0)), v.assign(gf.transpose(c)).op]
    session = gf.Session(threads=1)
    peak = session.plan(fetches, {x: (300, 300)}).peak_nbytes
    with pytest.raises(MemoryLimitError, match="takes at least"):
        gf.Session(threads=1, memory_limit=peak * 99 // 100).plan(fetches, {x: (300, 300)})
