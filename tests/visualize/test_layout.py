"""What must hold for every picture: nothing overlaps, edges go down and behind nothing, bytes repeat."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphflow.visualize.coordinates import spread
from graphflow.visualize.diagram import Box, Diagram, Edge, Kind, Panel, Role, Tag
from graphflow.visualize.geometry import Layout, Rect
from graphflow.visualize.layout import lay_out
from graphflow.visualize.panel_layout import MARGIN_PX
from graphflow.visualize.svg import draw_svg
from graphflow.visualize.thin import MAX_SPAN, MAX_TAGS, thin_out
from graphflow.visualize.typography import BOLD_PX, text_width


@st.composite
def diagrams(draw: st.DrawFn, max_boxes: int = 24) -> Diagram:
    """Boxes in nested panels with edges both ways, as between cards of a graph."""
    n_panels = draw(st.integers(1, 6))
    panels = [Panel("")]
    panels += [Panel(f"panel_{i}", parent=draw(st.integers(0, i - 1))) for i in range(1, n_panels)]
    homes = [*range(1, n_panels), *draw(st.lists(st.integers(0, n_panels - 1), max_size=max_boxes))]
    n_boxes = len(homes)
    kinds = st.sampled_from(list(Kind))
    boxes = [
        Box(
            draw(kinds),
            "title" * draw(st.integers(0, 4)),
            detail=draw(st.sampled_from(["", "float32[3]"])),
            panel=home,
            tags=(Tag(Role.CHIP, "0.5", after=draw(st.booleans())),) * draw(st.integers(0, 2)),
        )
        for home in homes
    ]
    ends = st.tuples(st.integers(0, max(0, n_boxes - 1)), st.integers(0, max(0, n_boxes - 1)), st.booleans())
    found = draw(st.lists(ends, max_size=3 * n_boxes, unique=True)) if n_boxes > 1 else []
    mostly_down = draw(st.booleans())
    edges = [
        Edge(min(a, b) if mostly_down else a, max(a, b) if mostly_down else b, is_control=control)
        for a, b, control in found
        if a != b
    ]
    return Diagram(tuple(boxes), tuple(dict.fromkeys(edges)), tuple(panels), "random", "random")


def chain(length: int) -> Diagram:
    boxes = tuple(Box(Kind.OP, f"op_{i}") for i in range(length))
    return Diagram(boxes, tuple(Edge(i, i + 1) for i in range(length - 1)), (Panel(""),))


def overlap(a: Rect, b: Rect) -> bool:
    return min(a.right, b.right) - max(a.x, b.x) > 0.01 and min(a.bottom, b.bottom) - max(a.y, b.y) > 0.01


def inside(inner: Rect, outer: Rect) -> bool:
    return (
        inner.x >= outer.x - 0.01
        and inner.y >= outer.y - 0.01
        and inner.right <= outer.right + 0.01
        and inner.bottom <= outer.bottom + 0.01
    )


def title_of(panel: Panel, rect: Rect) -> Rect:
    """Where a panel's title is written."""
    return Rect(
        rect.x + MARGIN_PX, rect.y, text_width(panel.title, BOLD_PX, bold=True), 20 if panel.title else 0
    )


def laid_out(diagram: Diagram) -> tuple[Diagram, Layout]:
    thinned, levels = thin_out(diagram)
    return thinned, lay_out(thinned, levels)


@given(diagrams())
def test_boxes_and_panels_lie_apart_and_in_their_panel(diagram):
    diagram, layout = laid_out(diagram)
    for a, b in itertools.combinations(layout.rooms, 2):
        assert not overlap(a, b)
    for box, room, body in zip(diagram.boxes, layout.rooms, layout.bodies, strict=True):
        assert inside(room, layout.panels[box.panel])
        assert inside(body, room)
    used = {panel for box in diagram.boxes for panel in around(diagram, box.panel)}
    for panel in used - {0}:
        assert inside(layout.panels[panel], layout.panels[diagram.panels[panel].parent])
    for a, b in itertools.combinations(sorted(used), 2):
        if a not in around(diagram, b) and b not in around(diagram, a):
            assert not overlap(layout.panels[a], layout.panels[b])


def around(diagram: Diagram, panel: int) -> set[int]:
    """A panel and all it lies in."""
    found = {panel}
    while panel:
        panel = diagram.panels[panel].parent
        found.add(panel)
    return found


@given(diagrams())
def test_every_edge_goes_down_or_is_a_jump(diagram):
    thinned, layout = laid_out(diagram)
    routes = {route.edge: route.runs for route in layout.routes}
    for index, (edge, before) in enumerate(zip(thinned.edges, diagram.edges, strict=True)):
        assert (edge.source, edge.target) == (before.source, before.target)
        if edge.is_drawn:
            runs = routes[index]
            heights = [y for run in runs for y in (run.top, run.bottom)]
            assert all(b > a - 1e-6 for a, b in itertools.pairwise(heights))
            source, target = layout.bodies[edge.source], layout.bodies[edge.target]
            assert (runs[0].x, runs[0].top) == pytest.approx((source.middle, source.bottom))
            assert runs[-1].bottom == pytest.approx(target.y)
            assert target.x < runs[-1].x < target.right
        else:
            assert any(t.role in (Role.ENTER, Role.MORE) for t in thinned.boxes[edge.target].tags)
            assert any(t.role in (Role.LEAVE, Role.MORE) for t in thinned.boxes[edge.source].tags)


@given(diagrams())
def test_no_edge_runs_behind_a_box_or_a_title(diagram):
    diagram, layout = laid_out(diagram)
    for route in layout.routes:
        edge = diagram.edges[route.edge]
        others = [room for i, room in enumerate(layout.rooms) if i not in (edge.source, edge.target)]
        others += [title_of(panel, rect) for panel, rect in zip(diagram.panels, layout.panels, strict=True)]
        for run in route.runs:
            line = Rect(run.x - 0.1, run.top, 0.2, run.bottom - run.top)
            assert not any(overlap(line, room) for room in others)
        for a, b in itertools.pairwise(route.runs):
            curve = Rect(min(a.x, b.x) - 0.1, a.bottom, abs(a.x - b.x) + 0.2, b.top - a.bottom)
            assert not any(overlap(curve, room) for room in others)


@given(diagrams())
def test_equal_diagrams_give_equal_bytes(diagram):
    assert draw_svg(diagram) == draw_svg(diagram)


@given(diagrams())
def test_tags_stay_few(diagram):
    thinned, _ = thin_out(diagram)
    for box in thinned.boxes:
        for after in (False, True):
            assert sum(tag.after is after for tag in box.tags) <= MAX_TAGS


def test_a_long_edge_becomes_a_jump_and_a_short_one_does_not():
    """0 -> 1 -> ... -> n, and 0 -> n beside it."""
    for length, jumps in ((MAX_SPAN + 1, False), (MAX_SPAN + 2, True)):
        path = chain(length)
        diagram, _ = thin_out(Diagram(path.boxes, (*path.edges, Edge(0, length - 1)), path.panels))
        assert diagram.edges[-1].is_drawn is not jumps
        assert [tag.text for tag in diagram.boxes[0].tags] == (["1"] if jumps else [])
        assert ("1 long edge as numbers" in diagram.caption) is jumps


def test_without_thinning_only_cycles_jump():
    path = chain(40)
    whole = Diagram(path.boxes, (*path.edges, Edge(0, 39), Edge(39, 0)), path.panels)
    diagram, levels = thin_out(whole, thin=False)
    assert [edge.is_drawn for edge in diagram.edges[-2:]] == [True, False]
    assert levels[0].rows.n_rows == (40,)


def test_a_tall_chain_is_folded_into_columns():
    diagram, layout = laid_out(chain(120))
    assert layout.height < 3 * layout.width
    hidden = [edge for edge in diagram.edges if not edge.is_drawn]
    assert 1 <= len(hidden) <= 6


def test_many_siblings_are_spread_over_rows():
    """60 sources, one user."""
    boxes = (*(Box(Kind.INPUT, f"x_{i}") for i in range(60)), Box(Kind.OP, "stack"))
    layout = laid_out(Diagram(boxes, tuple(Edge(i, 60) for i in range(60)), (Panel(""),)))[1]
    assert layout.width < 2500  # side by side they would take 4600


def test_a_parameter_stands_right_above_its_user():
    """x -> a -> b -> c, and w -> c."""
    boxes = tuple(Box(Kind.OP, name) for name in "xabcw")
    edges = (Edge(0, 1), Edge(1, 2), Edge(2, 3), Edge(4, 3))
    bodies = laid_out(Diagram(boxes, edges, (Panel(""),)))[1].bodies
    assert bodies[4].y == bodies[2].y


def test_an_empty_diagram_has_a_layout():
    layout = laid_out(Diagram((), (), (Panel(""),)))[1]
    assert (layout.bodies, layout.routes) == ((), ())


@given(
    st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0.1, 10), st.floats(1, 50)), min_size=1, max_size=30)
)
def test_spread_keeps_distances_and_wishes_that_fit(cells):
    offsets = list(itertools.accumulate(apart for _, _, apart in cells))
    wishes, weights = [wish for wish, _, _ in cells], [weight for _, weight, _ in cells]
    found = spread(wishes, weights, offsets)
    for i in range(1, len(found)):
        assert found[i] - found[i - 1] >= offsets[i] - offsets[i - 1] - 1e-6
    if all(
        b - a >= v - u
        for (a, b), (u, v) in zip(itertools.pairwise(wishes), itertools.pairwise(offsets), strict=True)
    ):
        assert found == pytest.approx(wishes)
