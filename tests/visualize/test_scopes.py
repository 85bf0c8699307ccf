"""Which scopes are opened, stacked or cut into cards."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphflow.visualize.diagram import Kind
from graphflow.visualize.scopes import Card, Grouping, group


def shown(grouping: Grouping) -> list[str]:
    return [f"{box.title} {box.n_nodes}" if isinstance(box, Card) else str(box[0]) for box in grouping.shown]


def test_a_small_graph_is_open():
    grouping = group(["a/x", "a/y", "b"], ["op"] * 3, max_boxes=10)
    assert [panel.title for panel in grouping.panels] == ["", "a"]
    assert grouping.shown == ((0, 1), (1, 1), (2, 0))
    assert grouping.owner == (0, 1, 2)


def test_a_scope_around_one_thing_is_no_panel():
    grouping = group(["a/b/c/x", "a/b/c/y", "d/e/z"], ["op"] * 3, max_boxes=10)
    assert [panel.title for panel in grouping.panels] == ["", "a/b/c"]
    assert [panel.path for panel in grouping.panels] == ["", "a/b/c/"]
    assert grouping.shown[2] == (2, 0)


def test_large_scopes_stay_closed_and_small_ones_open():
    names = [f"large/x{i}" for i in range(50)] + ["small/x", "small/y"]
    grouping = group(names, [f"op{i}" for i in range(52)], max_boxes=10)
    assert shown(grouping) == ["large 50", "50", "51"]


def test_expand_opens_what_the_limit_would_close():
    names = [f"a/large/x{i}" for i in range(20)] + [f"a/other/x{i}" for i in range(20)]
    types = [f"op{i}" for i in range(40)]
    assert shown(group(names, types, max_boxes=3)) == ["large 20", "other 20"]
    assert shown(group(names, types, max_boxes=30, expand=["a/large"])) == [*map(str, range(20)), "other 20"]
    assert shown(group(names, types, max_boxes=3, expand=["no such scope"])) == ["large 20", "other 20"]


def test_a_run_of_equal_scopes_is_a_stack():
    names = [f"block_{i}/{op}" for i in range(9) for op in ("matmul", "relu")]
    grouping = group(names, ["matmul", "relu"] * 9, max_boxes=5)
    (stack,) = grouping.shown
    assert isinstance(stack, Card)
    assert (stack.kind, stack.title, stack.n_scopes, stack.n_nodes) == (Kind.STACK, "block_0…8", 9, 18)


def test_a_scope_to_expand_is_taken_out_of_its_stack():
    names = [f"block_{i}/{op}" for i in range(9) for op in ("matmul", "relu")]
    grouping = group(names, ["matmul", "relu"] * 9, max_boxes=5, expand=["block_4"])
    assert shown(grouping) == ["block_0…3 8", "8", "9", "block_5…8 8"]


def test_only_neighbours_of_one_structure_are_stacked():
    """Scopes that are not consecutive would close cycles between cards; three are not worth a stack."""
    types = {"a": ["matmul", "relu"], "b": ["matmul", "tanh"]}
    order = "aaaababbbb"
    names = [f"s{i}/{op}" for i, kind in enumerate(order) for op in types[kind]]
    grouping = group(names, [op for kind in order for op in types[kind]], max_boxes=4)
    assert shown(grouping) == ["s0…3 8", "s4 2", "s5 2", "s6…9 8"]


def test_endless_siblings_become_cards_of_neighbours():
    grouping = group([f"x_{i}" for i in range(1000)], [f"op{i}" for i in range(1000)], max_boxes=100)
    assert shown(grouping)[:2] == ["x_0…24 25", "x_25…49 25"]
    assert len(grouping.shown) == 40


def test_no_limit_opens_everything():
    names = [f"s{i % 7}/x{i}" for i in range(500)]
    assert len(group(names, ["op"] * 500, max_boxes=None).shown) == 500


def test_an_empty_graph():
    assert group([], [], max_boxes=5) == Grouping((), (), group([], []).panels)


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "c", "", "s1", "s2"]), min_size=1, max_size=5), max_size=60),
    st.integers(1, 30),
    st.lists(st.sampled_from(["a", "a/b", "s1"]), max_size=2),
)
def test_every_node_is_shown_once_and_the_limit_is_nearly_kept(parts, limit, expand):
    names = ["/".join(part) for part in parts]
    types = [part[-1] for part in parts]
    grouping = group(names, types, limit, expand)
    assert len(grouping.owner) == len(names)
    for node, place in enumerate(grouping.owner):
        box = grouping.shown[place]
        assert isinstance(box, Card) or box[0] == node
    assert sum(box.n_nodes if isinstance(box, Card) else 1 for box in grouping.shown) == len(names)
    assert list(dict.fromkeys(grouping.owner)) == list(range(len(grouping.shown)))
    for panel in grouping.panels[1:]:
        assert panel.parent < grouping.panels.index(panel)
    if not expand:
        assert len(grouping.shown) <= max(limit, 41)
    assert grouping == group(names, types, limit, expand)
