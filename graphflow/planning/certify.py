"""Proves that a program is sound: shares no code with what plans programs, and believes nothing that it says.

`byte_walk.py` follows every byte through a run. Here the values that it found are compared with the graph's edges, and
the stated peak with the bytes that the program's own instructions allocate and free.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate

from graphflow.errors import VerifyError
from graphflow.graph import Node, Tensor
from graphflow.planning.byte_walk import STORED, ByteWalk, clocks
from graphflow.program import Instruction, Kind, Program
from graphflow.subgraph import Subgraph

__all__ = ["certify"]


def certify(program: Program, subgraph: Subgraph | None = None, peak_nbytes: int | None = None) -> None:
    """Raise VerifyError, naming the instructions at fault, unless the program is sound.

    Every value is made before it is read and its bytes are whole until its last read, in every interleaving that
    lanes and waits allow; views and offsets stay in bounds; variables are written at the commit only, and nothing
    after its beginning can fail; fetches find their values.
    subgraph: what the program was lowered from: then its values agree with the data and control edges.
    peak_nbytes: the stated peak: it must be what is found here. About 10 microseconds an instruction.
    """
    programs = [program]
    for p in programs:  # grows: bodies may have bodies
        walk = ByteWalk(p)
        walk.run()
        programs.extend(body for i in p.instructions for body in i.bodies)
        if p is program and subgraph is not None:
            _check_edges(walk, subgraph)
    if peak_nbytes is not None and peak_nbytes != (found := _bytes_held(program)[2]):
        raise VerifyError(f"unsound program: its peak is {found:,} bytes, not {peak_nbytes:,} as stated")


def _check_edges(walk: ByteWalk, subgraph: Subgraph) -> None:
    """Every node runs once, reads the values that its edges say, and after those that its control edges name."""
    program, slots = walk.program, walk.slots
    number = {i.place._node: k for k, i in enumerate(program.instructions)}
    value: dict[Tensor, int] = {t: -1 - s for t, s in zip(subgraph.inputs, program.feeds, strict=True)}
    stored = {s.place._node.outputs[0]: n for n, s in enumerate(slots) if s.kind in STORED and s.place}
    value |= {t: -1 - n for t, n in stored.items()}
    ended: dict[Node, tuple[int, ...]] = {}
    for node in subgraph.nodes:
        k = walk.now = number.pop(node, -1)
        wanted = [value[t] for t in node.inputs]
        if node.op.name in ("read", "assign"):
            value[node.outputs[0]] = wanted[-1]
            value[node.inputs[0]] = wanted[-1]
        elif k < 0 and not node.op.is_source and node.op.name != "no_op":
            raise VerifyError(f"unsound program: nothing runs {node!r}").at(node.place)
        past = [e for n in node.control_inputs for e in ended.get(n, ())]
        if k >= 0:
            i = program.instructions[k]
            for t, made in zip(node.outputs, i.makes, strict=True):
                value.setdefault(t, made)
            first = int(node.op.name == "assign")  # what an assignment replaces is not read
            late = next((e for e in past if e >= k or not walk.before(e, k)), -1)
            if list(i.reads[first:]) != wanted[first:] or i.op is not node.op or late >= 0:
                walk.fail("it does not have the inputs or the order of its node", late)
        else:
            past += [e for t in node.inputs for e in ended.get(t.op, ())]
        ended[node] = (k,) if k >= 0 else tuple(dict.fromkeys(past))
    walk.now = len(program.instructions)
    if number or [value[t] for t in subgraph.outputs] != list(program.fetched):
        walk.fail("it runs what is not in its graph, or fetches other values")
    if any(walk.held(n) != value[t] for t, n in stored.items() if slots[n].kind is Kind.VARIABLE):
        walk.fail("a variable ends with another value than it was assigned")


def _bytes_held(program: Program) -> tuple[int, int, int]:
    """Bytes of arenas and constants, all bytes held throughout, and the most at once, as the runtime allocates."""
    slots = program.slots
    fixed = sum({id(s.value): s.nbytes or 0 for s in slots if s.kind is Kind.CONSTANT}.values())
    fixed += sum(program.arena_nbytes.values())
    state = sum({s.key: s.nbytes or 0 for s in slots if s.kind in (Kind.VARIABLE, Kind.COUNTER)}.values())
    live, moving, busy, made = 0, [0], [], []
    freed = {s: k for k, i in enumerate(program.instructions) for s in i.frees}
    for k, i in enumerate(program.instructions):
        inside = 0
        for body in i.bodies:
            inner_fixed, inner_held, inner_peak = _bytes_held(body)
            fixed += inner_fixed
            inside = max(inside, inner_peak - inner_held - _handed_on(body, i, program))
        for n, s in enumerate(i.outputs):
            if slots[s].kind is Kind.DYNAMIC and (not i.used or i.used[n]):
                live += slots[s].nbytes or 0
                made.append((slots[s].nbytes or 0, k, freed.get(s, -1)))
        busy.append(i.workspace_nbytes + inside)
        moving.append(live + busy[k])
        live -= sum(slots[s].nbytes or 0 for s in i.frees if slots[s].kind is Kind.DYNAMIC)
    if begun := clocks(program):
        moving[1 : program.commit + 1] = _on_lanes(program, begun, made, busy)
    first = {s: n for n, s in reversed([*enumerate(program.fetches)])}
    is_own = [slots[s].kind is Kind.DYNAMIC and first[s] == n for n, s in enumerate(program.fetches)]
    moving.append(
        live
        + sum(slots[s].type.nbytes or 0 for s, own in zip(program.fetches, is_own, strict=True) if not own)
    )
    return fixed, fixed + state, fixed + state + max(moving)


def _handed_on(body: Program, i: Instruction, program: Program) -> int:
    """Bytes of a branch's results that become its node's: they are counted there. Loops hold both."""
    wanted = [program.slots[s].type for s in i.outputs] if i.op.name.startswith("cond") else []
    total = 0
    for s in body.fetches:
        if (type_ := body.slots[s].type) in wanted:
            wanted.remove(type_)
            total += type_.nbytes or 0
    return total


def _on_lanes(
    program: Program, begun: list[list[int]], made: list[tuple[int, int, int]], busy: list[int]
) -> list[int]:
    """The most that kernels may hold while each instruction runs, whatever other lanes do beside it.

    made: (bytes, maker, who frees it or -1). busy: bytes that each kernel has to itself.
    On a lane, a value may be there from a first instruction to a last one; so may what other lanes run meanwhile.
    """
    lane_of = [i.lane for i in program.instructions]
    lines = [[k for k in range(program.commit) if lane_of[k] == lane] for lane in range(len(begun[0]))]
    found = [0] * program.commit
    for lane, line in enumerate(lines):
        done = [[begun[k][m] for k in line] for m in range(len(lines))]
        change = [0] * (len(line) + 1)
        for nbytes, maker, end in made:
            if maker < program.commit:
                change[bisect_right(line, begun[maker][lane])] += nbytes
                freed = 0 <= end < program.commit
                change[bisect_left(done[lane_of[end]], end) if freed else len(line)] -= nbytes
        for k, held in zip(line, accumulate(change), strict=False):
            found[k] = held + busy[k]
        for m, other in enumerate(lines):
            back = [begun[k][lane] for k in other]
            for k, past in zip(line, done[m], strict=True):
                if m != lane:
                    window = other[bisect_right(other, past) : bisect_left(back, k)]
                    found[k] += max([busy[o] for o in window], default=0)
    return found
