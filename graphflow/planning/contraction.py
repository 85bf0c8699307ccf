"""A smaller order problem with the same lowest peak: tasks join others right before or after which they may as well run."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from graphflow.planning.tasks import OrderProblem

__all__ = ["Contracted", "contract"]


MOST_USES = 64
"""Groups that read more buffers do not grow: their lists are walked for each task that joins."""


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

    A task without bytes, with one task before it at most, has no place of its own.
    A task that frees nothing (it reads only what is kept), and that one task alone waits for, runs right before that.
    A task that turns the bytes of another's result, which it alone reads, into its own result, and waits for nothing
    else, runs right after that.
    """
    worker = _Contraction(problem)
    for task, waits in enumerate(worker.waits):
        if waits is not None:
            worker.add(task, waits)
    return worker.result()


class _Contraction:
    """Groups of tasks as they grow. A group has the number of the task that began it."""

    def __init__(self, problem: OrderProblem) -> None:
        n = len(problem.before)
        self.whole = problem
        self.kept = set(problem.kept)
        self.n_readers = [0] * len(problem.nbytes)  # by buffer
        for used in problem.uses:
            for b in used:
                self.n_readers[b] += 1
        self.home = list(range(n))  # task -> its group
        self.others: dict[int, deque[int]] = {}  # group -> its tasks, where there are several
        # by group; `before` may name groups that have joined others since, `n_after` may be too high
        self.before: list[tuple[int, ...]] = [()] * n
        self.makes, self.uses, self.reuses = list(problem.makes), list(problem.uses), list(problem.reuses)
        self.workspace = list(problem.workspace)
        self.n_after = [0] * n
        self.frees_nothing = [False] * n
        self.is_group = [False] * n
        self.plain: list[tuple[int, ...] | None] = []  # by task without a place: what it waits for
        self.waits: list[tuple[int, ...] | None] = []  # by task with a place: those it waits for
        for task, found in enumerate(problem.before):
            for t in found:
                if self.plain[t] is not None:
                    found = self._without_plain(found)
                    break
            if len(found) < 2 and not (problem.makes[task] or problem.uses[task] or problem.workspace[task]):
                self.plain.append(found)
                self.waits.append(None)
                continue
            self.plain.append(None)
            self.waits.append(found)
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

    def add(self, task: int, waits: tuple[int, ...]) -> None:
        """Begin a group, let others join it, or let it join another."""
        home, uses, before = self.home, self.uses[task], waits
        for t in waits:
            if home[t] != t:
                before = tuple(dict.fromkeys([home[t] for t in waits]))
                break
        self.before[task] = before
        if self.n_after[task] == 1:
            self.frees_nothing[task] = not uses or self.kept.issuperset(uses)
        for number in before:
            if self.frees_nothing[number]:
                self._take_in(number, task)
        if not (self.reuses[task] and len(self.makes[task]) == 1 and self._append(task)):
            self.is_group[task] = True

    def _join(self, earlier: int, later: int, into: int) -> None:
        """Make one list of two groups' tasks; the shorter is copied, which is O(n log n) over all."""
        a = self.others.pop(earlier, None) or deque((earlier,))
        b = self.others.pop(later, None) or deque((later,))
        if len(a) >= len(b):
            a.extend(b)
            self.others[into] = a
        else:
            b.extendleft(reversed(a))
            self.others[into] = b

    def _take_in(self, number: int, group: int) -> None:
        """Run an earlier group that frees nothing right before `group`, if that changes nothing."""
        nbytes, kept, n_readers = self.whole.nbytes, self.kept, self.n_readers
        makes, given = self.makes[group], self.makes[number]
        if not self.is_group[number] or len(makes) > 1 or len(self.uses[number]) > MOST_USES:
            return
        size = 0
        for b in given:
            if b in kept or n_readers[b] != 1 or b not in self.uses[group]:
                return
            size += nbytes[b]
        made = nbytes[makes[0]] if makes else 0
        hidden, reuses = self.workspace[group] + size, self.reuses[group]
        if made and any(nbytes[b] == made and b in given for b in reuses):
            hidden, reuses = hidden - made, ()
        else:
            reuses = tuple([b for b in reuses if b not in given])
        lowest = made + hidden - (made if reuses else 0)
        if size + self.workspace[number] > lowest:
            return
        self._join(number, group, group)
        self.is_group[number] = False
        self.before[group] = tuple(
            dict.fromkeys([*[g for g in self.before[group] if g != number], *self.before[number]])
        )
        mine = [b for b in self.uses[group] if b not in given]
        self.uses[group] = tuple(dict.fromkeys([*mine, *self.uses[number]]))
        self.reuses[group] = reuses
        self.workspace[group] = hidden
        self.frees_nothing[group] = self.n_after[group] == 1 and kept.issuperset(self.uses[group])

    def _append(self, group: int) -> bool:
        """Run `group` right after an earlier group that makes the bytes which it turns into its result."""
        nbytes, before = self.whole.nbytes, self.before[group]
        size, reuses = nbytes[self.makes[group][0]], self.reuses[group]
        for number in before:
            given = self.makes[number]
            if len(given) != 1 or given[0] not in reuses or not self.is_group[number]:
                continue
            b = given[0]
            if (
                nbytes[b] != size
                or self.n_readers[b] != 1
                or b in self.kept
                or self.workspace[group] > self.workspace[number]
                or len(self.uses[number]) > MOST_USES
                or any(g != number and g not in self.before[number] for g in before)
                or any(x != b and x in self.reuses[number] for x in self.uses[group])
            ):
                continue
            self.makes[number] = self.makes[group]
            rest = [x for x in self.uses[group] if x != b]
            self.uses[number] = tuple(dict.fromkeys([*self.uses[number], *rest]))
            n_after = self.n_after[number] = self.n_after[number] + self.n_after[group] - 1
            self.frees_nothing[number] = n_after == 1 and self.kept.issuperset(self.uses[number])
            for g in before:
                if g != number:
                    self.n_after[g] -= 1
            for t in self.others.get(group, (group,)):
                self.home[t] = number
            self._join(number, group, number)
            return True
        return False

    def result(self) -> Contracted:
        whole, home = self.whole, self.home
        groups = [g for g, is_group in enumerate(self.is_group) if is_group]
        for g, tasks in self.others.items():
            for t in tasks:
                home[t] = g
        number = [-1] * len(home)
        for k, g in enumerate(groups):
            number[g] = k
        nbytes = list(whole.nbytes)
        for made in whole.makes:
            for b in made:
                nbytes[b] = 0  # what is made and used within a group is workspace
        for g in groups:
            for b in self.makes[g]:
                nbytes[b] = whole.nbytes[b]
        smaller = OrderProblem(
            tuple([tuple(dict.fromkeys([number[home[b]] for b in self.before[g]])) for g in groups]),
            tuple([self.makes[g] for g in groups]),
            tuple([self.uses[g] for g in groups]),
            tuple([self.reuses[g] for g in groups]),
            tuple(nbytes),
            whole.kept,
            tuple([self.workspace[g] for g in groups]),
        )
        return Contracted(whole, smaller, tuple([tuple(self.others.get(g, (g,))) for g in groups]))
