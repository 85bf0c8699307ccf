"""Lanes: every schedule is legal and close to the bound, stays within its bytes, and waits for what it must."""

from __future__ import annotations

import itertools
import math
import random

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.lanes import fair_graphs, ratio, serial_graphs
from graphflow.errors import ArgumentError, VerifyError
from graphflow.planning.lanes import (
    GRAIN_SECONDS,
    LaneSchedule,
    TaskGraph,
    list_schedule,
    makespan_bound,
    one_lane,
    plan_lanes,
    waits,
)
from graphflow.planning.order import OrderProblem, peak_nbytes
from graphflow.planning.task_graph import downward_ranks, group_tasks, upward_ranks
from tests.planning.lane_peak import schedule_peak_nbytes


@st.composite
def task_graphs(draw: st.DrawFn, most: int = 40, scale: float = 1.0) -> TaskGraph:
    rng = random.Random(draw(st.integers(0, 10**6)))
    n = draw(st.integers(0, most))
    near = draw(st.sampled_from([2, 5, 100]))
    degree = draw(st.sampled_from([1, 2, 4]))
    before = tuple(
        tuple(rng.sample(range(max(0, t - near), t), min(t, near, rng.randint(0, degree)))) for t in range(n)
    )
    seconds = tuple(scale * rng.choice([0.0, 1.0, rng.random(), 5 * rng.random()]) for _ in range(n))
    return TaskGraph(seconds, before)


@st.composite
def order_problems(draw: st.DrawFn) -> tuple[TaskGraph, OrderProblem]:
    """Each task makes a buffer or two and reads those of the tasks before it; some are kept, some may be reused."""
    tasks = draw(task_graphs(25))
    rng = random.Random(draw(st.integers(0, 10**6)))
    makes, uses, reuses, nbytes = [], [], [], [rng.choice([64, 640])]
    for t in range(len(tasks.seconds)):
        read = [b for p in tasks.before[t] for b in makes[p]] + ([0] if rng.random() < 0.2 else [])
        made = tuple(range(len(nbytes), len(nbytes) + rng.randint(0, 2)))
        nbytes += [rng.choice([64, 128, 640]) for _ in made]
        makes.append(made)
        uses.append(tuple(read))
        reuses.append(tuple(b for b in read if rng.random() < 0.7))
    kept = tuple(b for b in range(len(nbytes)) if rng.random() < 0.1)
    workspace = tuple(rng.choice([0, 0, 256]) for _ in tasks.seconds)
    problem = OrderProblem(
        tasks.before, tuple(makes), tuple(uses), tuple(reuses), tuple(nbytes), kept, workspace
    )
    return tasks, problem


def check(schedule: LaneSchedule, tasks: TaskGraph, workers: int) -> None:
    """Every task once, after those before it, one at a time on each lane; the order respects edges and starts."""
    n = len(tasks.seconds)
    assert sorted(schedule.order) == list(range(n))
    position = {t: k for k, t in enumerate(schedule.order)}
    for t in range(n):
        assert 0 <= schedule.lane[t] < workers
        assert schedule.finish[t] == pytest.approx(schedule.start[t] + tasks.seconds[t])
        for b in tasks.before[t]:
            assert schedule.finish[b] <= schedule.start[t]
            assert position[b] < position[t]
    for a, b in itertools.pairwise(schedule.order):
        assert schedule.start[a] <= schedule.start[b]
    for w in range(workers):
        mine = [t for t in schedule.order if schedule.lane[t] == w]
        assert all(schedule.finish[a] <= schedule.start[b] for a, b in itertools.pairwise(mine))


@given(task_graphs(), st.integers(1, 5))
def test_schedules_are_legal_and_within_grahams_bound(tasks: TaskGraph, workers: int) -> None:
    schedule = list_schedule(tasks, workers)
    check(schedule, tasks, workers)
    work, span = tasks.work, tasks.span
    least = makespan_bound(tasks, workers)
    assert max(span, work / workers) <= least * (1 + 1e-9)
    assert least <= schedule.makespan * (1 + 1e-9)
    assert schedule.makespan <= (work / workers + span * (1 - 1 / workers)) * (1 + 1e-9)
    assert schedule == list_schedule(tasks, workers)
    if tasks.seconds:
        alone = list_schedule(tasks, workers, pinned=range(len(tasks.seconds)))
        check(alone, tasks, 1)
        assert alone.makespan == pytest.approx(work)
    some = list_schedule(tasks, workers, pinned=range(0, len(tasks.seconds), 3))
    check(some, tasks, workers)
    assert all(some.lane[t] == 0 for t in range(0, len(tasks.seconds), 3))


@given(task_graphs())
def test_ranks_are_longest_paths(tasks: TaskGraph) -> None:
    """networkx is the oracle, with each task's seconds on the edges that leave it."""
    graph = nx.DiGraph()
    graph.add_node("end")
    for t, earlier in enumerate(tasks.before):
        graph.add_edge(t, "end", weight=tasks.seconds[t])
        graph.add_edges_from([(b, t, {"weight": tasks.seconds[b]}) for b in earlier])
    assert tasks.span == pytest.approx(nx.dag_longest_path_length(graph, default_weight=0.0))
    up, down = upward_ranks(tasks), downward_ranks(tasks)
    for t in range(len(tasks.seconds)):
        after = graph.subgraph({t} | nx.descendants(graph, t))
        ends = graph.subgraph({t} | nx.ancestors(graph, t))
        assert up[t] == pytest.approx(nx.dag_longest_path_length(after, default_weight=0.0))
        assert down[t] == pytest.approx(nx.dag_longest_path_length(ends, default_weight=0.0))


def _optimal(tasks: TaskGraph, workers: int) -> float:
    """The least makespan: some order, each task on the lane that is free first, gives it."""
    best = math.inf
    for order in itertools.permutations(range(len(tasks.seconds))):
        finish: dict[int, float] = {}
        free = [0.0] * workers
        for t in order:
            if any(b not in finish for b in tasks.before[t]):
                break
            w = free.index(min(free))
            begin = max([free[w], *[finish[b] for b in tasks.before[t]]])
            finish[t] = free[w] = begin + tasks.seconds[t]
        else:
            best = min(best, max(finish.values(), default=0.0))
    return best


def test_tiny_graphs_against_every_order() -> None:
    ratios = []
    for seed in range(40):
        rng = random.Random(seed)
        n = rng.randint(1, 6)
        before = tuple(tuple(rng.sample(range(t), min(t, rng.randint(0, 2)))) for t in range(n))
        tasks = TaskGraph(tuple(float(rng.randint(1, 9)) for _ in range(n)), before)
        for workers in (2, 3):
            optimum = _optimal(tasks, workers)
            made = list_schedule(tasks, workers).makespan
            assert makespan_bound(tasks, workers) <= optimum * (1 + 1e-9)
            assert optimum <= made * (1 + 1e-9)
            ratios.append(made / optimum)
    assert max(ratios) <= 1.25
    assert sum(ratios) / len(ratios) <= 1.01


def _geometric_mean(values: list[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def test_makespans_are_close_to_the_bound() -> None:
    """The figures of `benchmarks/lanes.py`, on fewer graphs."""
    graphs = list(fair_graphs((50, 100, 300), 1))
    for workers, mean, sections in ((2, 1.02, 1.001), (4, 1.08, 1.0125)):
        found = [(ratio(g, workers), len(g.seconds), name) for name, g in graphs]
        assert _geometric_mean([plain for (plain, _), *_ in found]) <= mean
        assert _geometric_mean([section for (_, section), *_ in found]) <= sections
        if workers == 2:
            for (plain, _), n, name in found:
                assert n < 100 or plain <= 1.03, name
    for _, graph in serial_graphs((100, 300), 1):
        assert ratio(graph, 2)[1] <= 1.03
        assert ratio(graph, 4)[1] <= 1.06


def test_tasks_that_all_others_are_ordered_with_cut_the_bound_into_sections() -> None:
    """0 -> {1, 2, 3} -> 4 -> {5, 6} -> 7, and an edge 0 -> 7 that changes nothing."""
    tasks = TaskGraph((1.0,) * 8, ((), (0,), (0,), (0,), (1, 2, 3), (4,), (4,), (5, 6, 0)))
    assert makespan_bound(tasks, 2) == pytest.approx(1 + 1.5 + 1 + 1 + 1)
    assert max(tasks.span, tasks.work / 2) == 5.0
    assert list_schedule(tasks, 2).makespan == 6.0


# --- memory ---


def _live_at(problem: OrderProblem, schedule: LaneSchedule, now: int) -> int:
    """Bytes live while the task at position `now` begins, from the definition: by reachability in time, buffer by buffer."""
    order, start, finish = schedule.order, schedule.start, schedule.finish
    position = {t: k for k, t in enumerate(order)}

    def over(t: int) -> bool:  # the task had ended when the one at `now` began
        return position[t] < now and finish[t] <= start[order[now]]

    total = 0
    makers = {b: t for t, made in enumerate(problem.makes) for b in made}
    for b, nbytes in enumerate(problem.nbytes):
        involved = [t for t, used in enumerate(problem.uses) if b in used]
        if b in makers:
            if position[makers[b]] > now:
                continue
            involved.append(makers[b])
        if b in problem.kept or not involved or any(not over(t) for t in involved):
            total += nbytes
    for t in range(len(order)):
        if position[t] <= now and not over(t):
            total += problem.workspace[t]
            sizes = [problem.nbytes[b] for b in problem.makes[t]]
            for b in problem.reuses[t]:
                others = [u for u, used in enumerate(problem.uses) if b in used and u != t]
                gone = all(position[u] < position[t] and finish[u] <= start[t] for u in others)
                if b not in problem.kept and gone and problem.nbytes[b] in sizes:
                    sizes.remove(problem.nbytes[b])
                    total -= problem.nbytes[b]
    return total


@given(order_problems(), st.integers(1, 4), st.floats(0.0, 1.5))
def test_a_limit_of_bytes_is_kept(pair: tuple[TaskGraph, OrderProblem], workers: int, share: float) -> None:
    tasks, problem = pair
    order = range(len(tasks.seconds))
    sequential = peak_nbytes(problem, order)
    free = list_schedule(tasks, workers)
    wide = schedule_peak_nbytes(problem, free)
    limit = int(sequential + share * max(0, wide - sequential))
    held = list_schedule(tasks, workers, memory=problem, limit=limit)
    check(held, tasks, workers)
    peak = schedule_peak_nbytes(problem, held)
    assert peak <= max(limit, sequential)
    if tasks.seconds:
        assert peak == max(_live_at(problem, held, k) for k in order)
        assert wide == max(_live_at(problem, free, k) for k in order)
    assert schedule_peak_nbytes(problem, one_lane(tasks)) == sequential
    tight = list_schedule(tasks, workers, memory=problem, limit=0)
    assert schedule_peak_nbytes(problem, tight) <= sequential


def test_less_memory_means_fewer_at_once() -> None:
    """Eight branches, each a large buffer that shrinks to a number: two fit."""
    before, makes, uses = [], [], []
    for k in range(8):
        before += [(), (2 * k,)]
        makes += [(2 * k,), (2 * k + 1,)]
        uses += [(), (2 * k,)]
    tasks = TaskGraph((1.0,) * 16, tuple(before))
    nothing: tuple[tuple[int, ...], ...] = ((),) * 16
    problem = OrderProblem(
        tasks.before, tuple(makes), tuple(uses), nothing, (1000, 1) * 8, tuple(range(1, 16, 2)), (0,) * 16
    )
    for limit, seconds in ((10_000, 4.0), (2008, 8.0), (1008, 16.0), (1, 16.0)):
        held = list_schedule(tasks, 4, memory=problem, limit=limit)
        assert held.makespan == seconds
        assert schedule_peak_nbytes(problem, held) <= max(limit, 1008)


# --- waits ---


def _ordered(schedule: LaneSchedule, found: list[tuple[int, ...]]) -> nx.DiGraph:
    graph = nx.DiGraph()
    graph.add_nodes_from(schedule.order)
    for w in range(schedule.lanes):
        nx.add_path(graph, [t for t in schedule.order if schedule.lane[t] == w])
    graph.add_edges_from([(b, t) for t, earlier in enumerate(found) for b in earlier])
    return graph


@given(task_graphs(30), st.integers(1, 4))
def test_waits_are_the_transitive_reduction(tasks: TaskGraph, workers: int) -> None:
    schedule = list_schedule(tasks, workers)
    found = waits(schedule, tasks)
    assert all(schedule.lane[b] != schedule.lane[t] for t, earlier in enumerate(found) for b in earlier)
    needed = _ordered(schedule, list(tasks.before))
    reduced = nx.transitive_reduction(needed)
    across = {(b, t) for b, t in reduced.edges if schedule.lane[b] != schedule.lane[t]}
    assert {(b, t) for t, earlier in enumerate(found) for b in earlier} == across


@given(order_problems(), st.integers(2, 4), st.integers(0, 1000))
def test_strict_waits_keep_the_peak_whatever_tasks_take(
    pair: tuple[TaskGraph, OrderProblem], workers: int, seed: int
) -> None:
    tasks, problem = pair
    schedule = list_schedule(tasks, workers, memory=problem, limit=0)
    found = waits(schedule, tasks, strict=True)
    closure = nx.transitive_closure_dag(_ordered(schedule, found))
    for k, t in enumerate(schedule.order):
        for b in schedule.order[:k]:
            assert closure.has_edge(b, t) == (schedule.finish[b] <= schedule.start[t])
    rng = random.Random(seed)
    start, finish, free = {}, {}, [0.0] * workers
    for t in schedule.order:  # a run in which tasks take any time
        w = schedule.lane[t]
        start[t] = max([free[w], *[finish[b] for b in found[t]]])
        finish[t] = free[w] = start[t] + rng.random()
    order = tuple(sorted(schedule.order, key=start.__getitem__))
    n = range(len(order))
    real = LaneSchedule(schedule.lane, tuple(start[t] for t in n), tuple(finish[t] for t in n), order)
    assert schedule_peak_nbytes(problem, real) <= schedule_peak_nbytes(problem, schedule)


def test_also_waits_for_what_is_asked() -> None:
    """Two chains on two lanes; the second's last task overwrites what the first's first task reads."""
    tasks = TaskGraph((2.0, 2.0, 2.5, 2.0), ((), (0,), (), (2,)))
    schedule = list_schedule(tasks, 2)
    assert schedule.lanes == 2
    assert waits(schedule, tasks) == [(), (), (), ()]
    assert waits(schedule, tasks, also={3: [0]}) == [(), (), (), (0,)]


# --- how many lanes ---


@given(task_graphs(60, scale=4e-4), st.integers(1, 4))
def test_plans_are_legal_and_worth_it(tasks: TaskGraph, workers: int) -> None:
    plan = plan_lanes(tasks, workers)
    check(plan, tasks, workers)
    if plan.lanes > 1:
        assert tasks.work - plan.makespan > max(0.1 * tasks.work, 5e-4)
    else:
        assert plan.order == tuple(range(len(tasks.seconds)))
        assert plan.makespan == pytest.approx(tasks.work)
    pinned = range(0, len(tasks.seconds), 4)
    assert all(plan_lanes(tasks, workers, pinned=pinned).lane[t] == 0 for t in pinned)


@given(task_graphs(60, scale=4e-4))
def test_groups_hold_every_task_once_and_delay_little(tasks: TaskGraph) -> None:
    groups = group_tasks(tasks, None, GRAIN_SECONDS)
    assert sorted(t for mine in groups.members for t in mine) == list(range(len(tasks.seconds)))
    assert all(b < g for g, earlier in enumerate(groups.graph.before) for b in earlier)
    assert all(tuple(sorted(mine)) == mine for mine in groups.members)
    assert groups.graph.work == pytest.approx(tasks.work)
    # no group is held up by more than the short tasks that joined it and those on the way to it
    assert groups.graph.span <= tasks.span + 2 * GRAIN_SECONDS * len(groups.members)


@given(order_problems(), st.integers(1, 4))
def test_plans_within_a_limit(pair: tuple[TaskGraph, OrderProblem], workers: int) -> None:
    tasks, problem = pair
    sequential = peak_nbytes(problem, range(len(tasks.seconds)))
    plan = plan_lanes(tasks, workers, memory=problem, limit=sequential)
    check(plan, tasks, workers)
    assert schedule_peak_nbytes(problem, plan) <= sequential


def test_what_is_worth_lanes() -> None:
    ms = 1e-3
    chain = TaskGraph((ms,) * 50, ((), *[(t,) for t in range(49)]))
    assert plan_lanes(chain, 4).lanes == 1
    tiny = TaskGraph((1e-6,) * 400, ((),) * 400)
    assert plan_lanes(tiny, 2).lanes == 1  # 0.4 ms in all
    branches = TaskGraph((5 * ms, 5 * ms, 0.01 * ms), ((), (), (0, 1)))
    plan = plan_lanes(branches, 2)
    assert plan.lanes == 2
    assert plan.makespan < 5.2 * ms
    # a sum joins neither of the long branches that it adds up: else one would wait for the other
    assert len(group_tasks(branches, None, GRAIN_SECONDS).members) == 3
    # 0 -> 1 (short) -> 2, and 0 -> 3: the group of 0 and 1 does not take 2 in, for 3 would have to wait for that
    fork = TaskGraph((ms, 1e-5, ms, ms), ((), (0,), (1,), (0,)))
    assert group_tasks(fork, None, GRAIN_SECONDS).members == ((0, 1), (2,), (3,))
    # short tasks around a long one stay with it, and many short ones by themselves are put together
    around = TaskGraph((1e-5, 1e-5, ms, 1e-5), ((), (), (0, 1), (2,)))
    assert group_tasks(around, None, GRAIN_SECONDS).members == ((0, 1, 2, 3),)
    assert len(group_tasks(TaskGraph((5e-5,) * 100, ((),) * 100), None, GRAIN_SECONDS).members) == 20
    assert plan_lanes(TaskGraph((5e-5,) * 1000, ((),) * 1000), 2).makespan < 26 * ms
    assert plan_lanes(branches, 1).lanes == 1
    empty = TaskGraph((), ())
    assert plan_lanes(empty, 4).order == ()
    assert list_schedule(empty, 2).makespan == 0.0
    assert makespan_bound(empty, 2) == 0.0


def test_long_chains_need_no_recursion() -> None:
    n = 100_000
    chain = TaskGraph((1e-3,) * n, ((), *[(t,) for t in range(n - 1)]))
    assert plan_lanes(chain, 2).makespan == pytest.approx(100.0)
    assert list_schedule(chain, 2).makespan == pytest.approx(100.0)


def test_what_cannot_be_scheduled() -> None:
    tasks = TaskGraph((1.0, 1.0), ((), (0,)))
    with pytest.raises(ArgumentError, match="at least one worker, not 0"):
        list_schedule(tasks, 0)
    with pytest.raises(VerifyError, match="runs task 1 before task 0"):
        list_schedule(tasks, 2, order=(1, 0))
    with pytest.raises(VerifyError, match="an order of 1 tasks for a graph of 2"):
        list_schedule(tasks, 2, order=(0,))
    backwards = TaskGraph((1.0, 1.0), ((1,), ()))
    with pytest.raises(VerifyError, match="no order was given"):
        one_lane(backwards)
    assert list_schedule(backwards, 2, order=(1, 0)).makespan == 2.0
