"""Files appear whole or not at all, and errors say what would help."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from pathlib import Path

import pytest

from graphflow.errors import BackendError, RenderError
from graphflow.graph import Graph
from graphflow.visualize import Picture, render, to_dot, to_graphviz, to_svg, to_text


def files(folder: Path) -> list[str]:
    """What a call left behind."""
    return sorted(path.name for path in folder.iterdir())


needs_dot = pytest.mark.skipif(
    shutil.which("dot") is None, reason="needs Graphviz: there is no `dot` on the path"
)


@pytest.mark.parametrize(
    ("name", "expected"), [("g.svg", to_svg), ("g.DOT", to_dot), ("g.gv", to_dot), ("g.txt", to_text)]
)
def test_the_suffix_decides(linear_regression, tmp_path, name, expected):
    assert render(linear_regression, tmp_path / name) is None
    assert (tmp_path / name).read_text("utf-8") == expected(linear_regression)
    assert files(tmp_path) == [name]


@needs_dot
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
def test_graphviz_writes_images(linear_regression, tmp_path, suffix, magic):
    render(linear_regression, tmp_path / f"g{suffix}")
    assert (tmp_path / f"g{suffix}").read_bytes().startswith(magic)


@needs_dot
def test_the_picture_names_the_engine_that_was_asked_for(linear_regression):
    assert "drawn by Graphviz" in render(linear_regression, engine="dot")
    assert "drawn by Graphviz" not in render(linear_regression)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_without_graphviz_the_error_says_what_to_install(linear_regression, tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match=r"apt-get install graphviz.*brew.*winget.*write .svg"):
        render(linear_regression, tmp_path / f"g{suffix}")
    render(linear_regression, tmp_path / "g.svg")
    assert files(tmp_path) == ["g.svg"]


def test_graphviz_that_fails_or_hangs_is_an_error(linear_regression, tmp_path, monkeypatch):
    def run(*args, **kwargs):
        raise subprocess.TimeoutExpired("dot", 60)

    monkeypatch.setattr(shutil, "which", lambda name: "dot")
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RenderError, match="more than 60 s"):
        render(linear_regression, tmp_path / "g.png")
    failed = subprocess.CompletedProcess([], 1, b"", b"Format not recognized")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(RenderError, match="Format not recognized"):
        render(linear_regression, tmp_path / "g.pdf")
    assert files(tmp_path) == []


def test_a_failed_write_leaves_the_old_file(linear_regression, tmp_path, monkeypatch):
    target = tmp_path / "g.svg"
    target.write_text("old", "utf-8")

    def refuse(self, other):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(RenderError, match="No space left on device"):
        render(linear_regression, target)
    assert target.read_text("utf-8") == "old"
    assert files(tmp_path) == ["g.svg"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/g.svg", "there is no folder .*nowhere.*make it first"),
        ("g.jpeg", r"must end in one of .svg, .dot"),
        ("g", r"must end in one of .svg, .dot"),
        (".svg", r"must end in one of .svg, .dot"),
        ("x" * 300 + ".svg", "cannot write"),
        ("nul\0byte.svg", "cannot write.*null"),
    ],
)
def test_bad_paths(linear_regression, tmp_path, name, message):
    with pytest.raises(RenderError, match=message):
        render(linear_regression, tmp_path / name)
    assert files(tmp_path) == []


def test_a_folder_is_no_file(linear_regression, tmp_path):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(RenderError, match="is a folder"):
        render(linear_regression, tmp_path / "folder.svg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "neato"}, "engine='neato' is none of auto, builtin, dot"),
        ({"theme": "blue"}, "theme='blue' is none of auto, light, dark"),
        ({"max_boxes": 0}, "max_boxes=0 must be a positive int"),
        ({"max_boxes": "many"}, "max_boxes='many' must be a positive int"),
        ({"max_boxes": True}, "max_boxes=True must be a positive int"),
    ],
)
def test_bad_options(linear_regression, options, message):
    with pytest.raises(RenderError, match=message):
        render(linear_regression, **options)


def test_the_builtin_engine_writes_svg_only(linear_regression, tmp_path):
    with pytest.raises(RenderError, match=r"writes .svg, not .png"):
        render(linear_regression, tmp_path / "g.png", engine="builtin")


def test_a_name_beyond_ascii_and_a_symbolic_link(linear_regression, tmp_path):
    render(linear_regression, tmp_path / "图 é.svg")
    assert (tmp_path / "图 é.svg").exists()


def test_permissions_are_those_of_any_new_file(linear_regression, tmp_path):
    render(linear_regression, tmp_path / "g.svg")
    (tmp_path / "plain").touch()
    assert (tmp_path / "g.svg").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_picture_shows_itself_in_notebooks(linear_regression):
    picture = render(linear_regression)
    assert isinstance(picture, Picture)
    assert picture == to_svg(linear_regression) == picture._repr_svg_()
    assert picture._repr_mimebundle_() == {"image/svg+xml": str(picture), "text/plain": repr(picture)}
    assert set(picture._repr_mimebundle_(exclude=["image/svg+xml"])) == {"text/plain"}
    assert set(picture._repr_mimebundle_(include={"image/svg+xml"})) == {"image/svg+xml"}
    assert repr(picture) == "<Picture: graph  |  25 ops  |  5 ops of initialisation not shown>"
    copy = pickle.loads(pickle.dumps(picture))
    assert (copy, copy.caption) == (picture, picture.caption)


def test_methods_of_the_core_lead_here(linear_regression, tmp_path):
    assert linear_regression.render() == to_svg(linear_regression)
    assert linear_regression.to_dot() == to_dot(linear_regression)
    loss = linear_regression.get_tensor_by_name("loss:0")
    loss.render(tmp_path / "loss.svg", theme="dark")
    assert (tmp_path / "loss.svg").read_text("utf-8") == to_svg(loss, theme="dark")
    assert set(linear_regression._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}


def test_an_object_of_the_graphviz_package(linear_regression):
    assert to_graphviz(linear_regression).source == to_dot(linear_regression)


def test_one_scope_to_expand_may_be_a_plain_name(deep_net):
    graph = deep_net(100)
    assert render(graph, expand="dense_3", max_boxes=20) == render(graph, expand=["dense_3"], max_boxes=20)


def test_an_empty_graph():
    assert "graph  |  0 ops" in render(Graph())
    assert to_text(Graph()) == "(empty graph)\n"
