"""A smaller order problem with the same lowest peak: tasks that may as well run right after or before another join it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphflow.planning.tasks import OrderProblem

__all__ = ["Contracted", "contract"]


@dataclass(frozen=True, slots=True)
class Contracted:
    """problem: the smaller one. groups: for each of its tasks, the tasks of the whole one, in the order to run them."""

    whole: OrderProblem
    problem: OrderProblem
    groups: tuple[tuple[int, ...], ...]

    def expanded(self, order: Sequence[int]) -> tuple[int, ...]:
        """An order of the whole problem from one of the smaller; what takes no bytes runs just before it is needed."""
        before = self.whole.before
        done = [False] * len(before)
        found: list[int] = []
        for task in [t for g in order for t in self.groups[g]] + list(range(len(before))):
            stack = [task]
            while stack:
                top = stack[-1]
                missing = [] if done[top] else [t for t in before[top] if not done[t]]
                if missing:
                    stack.extend(reversed(missing))
                    continue
                stack.pop()
                if not done[top]:
                    done[top] = True
                    found.append(top)
        return tuple(found)


def contract(problem: OrderProblem) -> Contracted:
    """Join tasks by three rules, none of which raises the lowest peak. Near-linear.

    A task without bytes and with one task before it, at most, has no place of its own.
    A task that frees nothing (it reads only what is kept) and that one task alone comes after runs right before that.
    A task that turns the bytes of another's result, which it alone reads, into its own result, and waits for nothing
    else, runs right after that.
    """
    worker = _Contraction(problem)
    for task in range(len(problem.before)):
        worker.add(task)
    return worker.result()


@dataclass(slots=True)
class _Group:
    """Tasks that run one after the other, as one task. n_after: how many groups wait for it, or more."""

    tasks: list[int]
    before: dict[int, None]  # numbers of groups; some may have joined others since
    makes: tuple[int, ...]
    uses: tuple[int, ...]
    reuses: tuple[int, ...]
    workspace: int
    n_after: int
    frees_nothing: bool


@dataclass(slots=True)
class _Contraction:
    problem: OrderProblem
    n_readers: list[int] = field(default_factory=list)  # by buffer
    kept: set[int] = field(default_factory=set)
    plain: list[tuple[int, ...] | None] = field(
        default_factory=list
    )  # for tasks of no bytes: what they wait for
    waits: list[tuple[int, ...]] = field(default_factory=list)  # by task: others it waits for, but those
    n_after: list[int] = field(default_factory=list)
    groups: list[_Group | None] = field(default_factory=list)  # by the number of the task that began it
    home: list[int] = field(default_factory=list)  # task -> number of its group

    def __post_init__(self) -> None:
        p = self.problem
        n = len(p.before)
        self.kept.update(p.kept)
        self.n_readers = [0] * len(p.nbytes)
        for used in p.uses:
            for b in used:
                self.n_readers[b] += 1
        self.n_after = [0] * n
        self.groups = [None] * n
        self.home = list(range(n))
        plain = self.plain
        for task in range(n):
            found = p.before[task]
            for t in found:
                if plain[t] is not None:
                    found = self._without_plain(found)
                    break
            self.waits.append(found)
            if len(found) < 2 and not (p.makes[task] or p.uses[task] or p.workspace[task]):
                plain.append(found)
                continue
            plain.append(None)
            for t in found:
                self.n_after[t] += 1

    def _without_plain(self, tasks: tuple[int, ...]) -> tuple[int, ...]:
        found: dict[int, None] = {}
        for t in tasks:
            instead = self.plain[t]
            if instead is None:
                found[t] = None
            else:
                found.update(dict.fromkeys(instead))
        return tuple(found)

    def add(self, task: int) -> None:
        if self.plain[task] is not None:
            return
        p, home, groups = self.problem, self.home, self.groups
        uses = p.uses[task]
        group = _Group(
            [task],
            dict.fromkeys([home[t] for t in self.waits[task]]),
            p.makes[task],
            uses,
            p.reuses[task],
            p.workspace[task],
            self.n_after[task],
            not uses or self.kept.issuperset(uses),
        )
        for number in tuple(group.before):
            other = groups[number]
            if other is not None and other.frees_nothing and other.n_after == 1:
                self._take_in(number, other, group)
        if not (group.reuses and self._append(group)):
            groups[task] = group

    def _take_in(self, number: int, other: _Group, group: _Group) -> None:
        """Run an earlier group that frees nothing right before `group`, if that changes nothing."""
        nbytes, kept, n_readers = self.problem.nbytes, self.kept, self.n_readers
        if len(group.makes) > 1:
            return
        size = 0
        for b in other.makes:
            if b in kept or n_readers[b] != 1 or b not in group.uses:
                return
            size += nbytes[b]
        made = sum([nbytes[b] for b in group.makes])
        hidden, reuses = group.workspace + size, group.reuses
        if made and any(nbytes[b] == made and b in other.makes for b in reuses):
            hidden, reuses = hidden - made, ()
        else:
            reuses = tuple([b for b in reuses if b not in other.makes])
        lowest = made + hidden - (made if reuses else 0)
        if size + other.workspace > lowest:
            return
        group.tasks[:0] = other.tasks
        del group.before[number]
        group.before.update(other.before)
        group.uses = tuple(dict.fromkeys([*[b for b in group.uses if b not in other.makes], *other.uses]))
        group.reuses = reuses
        group.workspace = hidden
        group.frees_nothing = self.kept.issuperset(group.uses)
        self.groups[number] = None

    def _append(self, group: _Group) -> bool:
        """Run `group` right after an earlier group that makes the bytes which it turns into its result."""
        if len(group.makes) != 1:
            return False
        nbytes = self.problem.nbytes
        result = group.makes[0]
        for number in group.before:
            other = self.groups[number]
            if other is None or len(other.makes) != 1:
                continue
            b = other.makes[0]
            if (
                b not in group.reuses
                or nbytes[b] != nbytes[result]
                or self.n_readers[b] != 1
                or b in self.kept
                or group.workspace > other.workspace
                or any(n != number and n not in other.before for n in group.before)
                or any(x != b and x in other.reuses for x in group.uses)
            ):
                continue
            other.tasks += group.tasks
            other.makes = group.makes
            other.uses = tuple(dict.fromkeys([*other.uses, *[x for x in group.uses if x != b]]))
            other.frees_nothing = self.kept.issuperset(other.uses)
            other.n_after += group.n_after - 1
            for n in group.before:
                earlier = self.groups[n]
                if n != number and earlier is not None:
                    earlier.n_after -= 1
            for t in group.tasks:
                self.home[t] = number
            return True
        return False

    def result(self) -> Contracted:
        p, home = self.problem, self.home
        for number, group in enumerate(self.groups):
            if group is not None:
                for t in group.tasks:
                    home[t] = number
        numbers = [k for k, g in enumerate(self.groups) if g is not None]
        number_of = {k: i for i, k in enumerate(numbers)}
        groups = [g for g in self.groups if g is not None]
        nbytes = list(p.nbytes)
        for made in p.makes:
            for b in made:
                nbytes[b] = 0  # what is made and used within a group is workspace
        for g in groups:
            for b in g.makes:
                nbytes[b] = p.nbytes[b]
        smaller = OrderProblem(
            tuple([tuple(dict.fromkeys([number_of[home[k]] for k in g.before])) for g in groups]),
            tuple([g.makes for g in groups]),
            tuple([g.uses for g in groups]),
            tuple([g.reuses for g in groups]),
            tuple(nbytes),
            p.kept,
            tuple([g.workspace for g in groups]),
        )
        return Contracted(p, smaller, tuple([tuple(g.tasks) for g in groups]))
