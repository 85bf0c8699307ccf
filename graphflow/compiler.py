"""From fetches, feeds and shapes to the program that runs: cut, passes, bind, plan, and a memory limit that is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from graphflow import config
from graphflow.analysis.memory import memory_profile
from graphflow.backends import backend_for, canonical
from graphflow.bind import bind, match_feeds
from graphflow.errors import MemoryLimitError
from graphflow.fetches import Fetches
from graphflow.graph import Graph, Tensor
from graphflow.lowering import Planned, plan_subgraph
from graphflow.passes.pipeline import Passes, PassRecord, run_passes
from graphflow.plan import Plan
from graphflow.planning.cost import Calibration
from graphflow.planning.fusion import MIN_NBYTES, FusionSupport
from graphflow.program import Program
from graphflow.subgraph import Subgraph, cut
from graphflow.types import Shape, TensorType

if TYPE_CHECKING:
    from graphflow.planning.limit import Fitted

__all__ = ["Compiled", "Compiler", "check"]

SMALL_CLUSTER_NBYTES = MIN_NBYTES // 64
"""Values from this size on go into clusters where a memory limit asks for it: what they save is memory, not time."""

SEVERAL_FORMS = 2_000
"""Up to so many nodes a memory limit is kept in two ways, of which the one that takes less time is chosen."""

BEYOND_ALL_NBYTES = 1 << 62
"""What needs as much can be had by no means: nothing is tried."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A bound subgraph after its passes, and what was decided about its run. fitted: what keeping a limit took."""

    subgraph: Subgraph
    planned: Planned
    fitted: Fitted | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Compiler:
    """What a session compiles with.

    device: where nodes run that ask for none. host: where feeds arrive and fetches leave.
    threads: how many a run may use, None for one a core. calibration: what profiled runs said of costs.
    """

    graph: Graph
    device: str
    host: str
    passes: Passes
    threads: int | None
    calibration: Calibration | None = None

    def cut(
        self,
        fetches: Fetches,
        feeds: Sequence[Tensor],
        version: int,
        log: list[PassRecord] | None = None,
    ) -> Subgraph:
        """What a run needs, with every tensor as it was in that version of the graph, after passes without sizes."""
        tensors = fetches.tensors
        if version != self.graph.version:
            as_it_was = self.graph.as_it_was
            tensors = tuple([as_it_was(t, version) for t in tensors])
            feeds = tuple([as_it_was(t, version) for t in feeds])
        return run_passes(cut(tensors, feeds, fetches.targets), self.passes.before, log)

    def compile(
        self,
        subgraph: Subgraph,
        shapes: Sequence[Shape],
        limit: int | None = None,
        log: list[PassRecord] | None = None,
    ) -> Compiled:
        """Plan a cut for these shapes of its feeds.

        limit: bytes that the run may not exceed. Raises FeedError and ShapeError for sizes that do not fit,
        MemoryLimitError where the limit cannot be kept.
        """
        sizes = match_feeds(subgraph.inputs, shapes)
        types = [TensorType(t.type.dtype, s) for t, s in zip(subgraph.inputs, shapes, strict=True)]
        bound, known = bind(subgraph, types, sizes)
        bound = run_passes(bound, self.passes.after, log)
        planned = self.plan_bound(bound, known)
        if limit is None or peak_nbytes(planned) <= limit:
            return Compiled(bound, planned)
        return self._within(limit, bound, known, planned)

    def plan_bound(
        self,
        subgraph: Subgraph,
        sizes: Mapping[str, Any],
        *,
        lanes: bool = True,
        clusters: bool = True,
        cluster_nbytes: int = 0,
    ) -> Planned:
        """Every decision below the passes. cluster_nbytes: of the smallest values that are fused, 0 for the usual."""
        decisions = self.passes.planning

        def fuse_on(device: str) -> FusionSupport:
            return FusionSupport(backend_for(device).cluster_kinds(), self.workers(device), cluster_nbytes)

        planned = plan_subgraph(
            subgraph,
            sizes,
            self.resolve,
            self.host,
            fuse_on=fuse_on if clusters and "fuse" in decisions else None,
            reorder="reorder" in decisions,
            workers=self.workers(self.device) if lanes and "lanes" in decisions else 1,
            calibration=self.calibration,
        )
        check(planned.program, planned.subgraph)
        return planned

    def _within(self, limit: int, subgraph: Subgraph, sizes: Mapping[str, Any], planned: Planned) -> Compiled:
        """A plan that needs at most `limit` bytes: other plans of the same nodes, then the ladder of `planning.limit`."""
        from graphflow.planning.limit import Fitted  # most sessions have no limit

        before = peak_nbytes(planned)
        if before >= BEYOND_ALL_NBYTES:
            needs = Plan(planned.program, None, self.device).needs()
            raise MemoryLimitError(f"the limit is {limit:,} bytes\n{needs}")
        for words, nbytes in (
            ("one lane", 0),
            ("clusters of smaller values on one lane", SMALL_CLUSTER_NBYTES),
        ):
            planned = self.plan_bound(subgraph, sizes, lanes=False, cluster_nbytes=nbytes)
            if (after := peak_nbytes(planned)) <= limit:
                return Compiled(subgraph, planned, Fitted(subgraph, limit, before, after, words))
        found: list[tuple[Fitted, Planned]] = []
        refused: MemoryLimitError | None = None
        forms: list[tuple[bool, dict[str, Any]]] = [(True, {"clusters": False})]
        if len(subgraph.nodes) < SEVERAL_FORMS:  # what is cheapest of single nodes is fused again
            forms.append((False, {"cluster_nbytes": SMALL_CLUSTER_NBYTES}))
        for fused, options in forms:
            try:
                found.append(self._rewritten(limit, subgraph, sizes, planned, fused, options))
            except MemoryLimitError as error:
                refused = error
        if refused is not None and not found:
            raise refused
        fitted, made = min(found, key=lambda pair: pair[0].extra_seconds)
        return Compiled(fitted.subgraph, made, replace(fitted, before_nbytes=before))

    def _rewritten(
        self,
        limit: int,
        subgraph: Subgraph,
        sizes: Mapping[str, Any],
        planned: Planned,
        fused: bool,
        options: Mapping[str, Any],
    ) -> tuple[Fitted, Planned]:
        """What the ladder makes of a plan's own clusters, or of single nodes."""
        from graphflow.planning.limit import keep_limit

        form = replace(planned.subgraph, nodes=planned.schedule.order) if fused else subgraph
        measured = [(form, planned)]

        def measure(candidate: Subgraph) -> int:
            if candidate is not measured[0][0]:
                measured[0] = (candidate, self.plan_bound(candidate, sizes, lanes=False, **options))
            return peak_nbytes(measured[0][1])

        fitted = keep_limit(form, limit, measure, host=self.host)
        measure(fitted.subgraph)
        made = measured[0][1]
        return fitted, replace(made, fusion=planned.fusion) if fused else made

    def workers(self, device: str) -> int:
        """How many threads may share work on a device."""
        most = backend_for(device).workers()
        return most if self.threads is None else min(most, self.threads)

    def resolve(self, asked: str | None) -> str:
        """The device for what a node asks."""
        return self.device if asked is None else canonical(asked)


def check(program: Program, subgraph: Subgraph | None = None) -> None:
    """Certify a program where the settings ask for it. Raises VerifyError."""
    settings = config.get()
    if settings.certify or settings.verify:
        from graphflow.planning.certify import certify  # most runs do not

        certify(program, subgraph, memory_profile(program).peak)


def peak_nbytes(planned: Planned) -> int:
    """The most bytes that a run holds at once."""
    return memory_profile(planned.program).peak
