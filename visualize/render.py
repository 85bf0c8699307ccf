"""The public functions: an object goes in, a picture or a file comes out."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphflow.errors import BackendError, RenderError, shorten
from graphflow.visualize.collect import MAX_BOXES, collect
from graphflow.visualize.diagram import Diagram
from graphflow.visualize.dot import draw_dot
from graphflow.visualize.picture import Picture
from graphflow.visualize.svg import draw_svg
from graphflow.visualize.terminal import draw_text

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

__all__ = ["render", "to_dot", "to_graphviz", "to_svg", "to_text"]

_DOT_TIMEOUT_S = 60
_SUFFIXES = (".svg", ".dot", ".gv", ".png", ".pdf", ".txt")
_ENGINES = ("auto", "builtin", "dot")
_THEMES = ("auto", "light", "dark")


def render(
    obj: Any,
    path: str | os.PathLike[str] | None = None,
    *,
    engine: str = "auto",
    theme: str = "auto",
    all: bool = False,
    max_boxes: int | None = MAX_BOXES,
    expand: str | Iterable[str] = (),
    thin: bool = True,
) -> Picture | None:
    """Draw a graph, a plan, or tensors with all that they are computed from.

    path: where to write; the suffix decides: .svg, .dot or .gv, .png, .pdf, .txt. The file appears whole or
        not at all. None gives the picture instead, which notebooks show.
    engine: `builtin` draws SVG without any other program, the same bytes everywhere; `dot` asks Graphviz.
        `auto` is `builtin` for SVG and `dot` for PNG and PDF.
    theme: of an SVG: `light`, `dark`, or `auto` to hold both and follow the reader's system.
    all: show initialisers and the first reads of variables too.
    max_boxes: in a graph with more nodes, scopes are closed until about so many boxes remain; None opens all.
    expand: full names of scopes to open whatever the limit says.
    thin: write hubs and very long edges as tags instead of lines.
    Raises RenderError for what cannot be drawn or written, BackendError if Graphviz is needed and missing.
    """
    _check("engine", engine, _ENGINES)
    _check("theme", theme, _THEMES)
    target = None if path is None else Path(path)
    suffix = ".svg" if target is None else target.suffix.lower()
    if suffix not in _SUFFIXES:
        raise RenderError(
            f"render: {shorten(os.fspath(path or ''))} must end in one of {', '.join(_SUFFIXES)}"
        )
    if target is not None:
        _check_folder(target)
    if suffix == ".txt":
        data = draw_text(obj, all).encode()
    else:
        diagram = _diagram(obj, all, max_boxes, expand, thin)
        data = _draw(diagram, suffix, engine, theme, thin)
        if target is None:
            return Picture(data.decode(), diagram.caption)
    assert target is not None
    _write(target, data)
    return None


def to_svg(
    obj: Any,
    *,
    theme: str = "auto",
    all: bool = False,
    max_boxes: int | None = MAX_BOXES,
    expand: str | Iterable[str] = (),
    thin: bool = True,
) -> str:
    """The SVG text of a graph, plan or tensors; options as in `render`."""
    _check("theme", theme, _THEMES)
    return draw_svg(_diagram(obj, all, max_boxes, expand, thin), theme, thin)


def to_dot(
    obj: Any,
    *,
    all: bool = False,
    max_boxes: int | None = MAX_BOXES,
    expand: str | Iterable[str] = (),
    thin: bool = True,
) -> str:
    """The DOT text of a graph, plan or tensors; options as in `render`. Needs no Graphviz."""
    return draw_dot(_diagram(obj, all, max_boxes, expand, thin), thin)


def to_graphviz(obj: Any, **options: Any) -> graphviz.Source:
    """The same as an object of the `graphviz` package, for its own ways to view and to convert."""
    import graphviz

    return graphviz.Source(to_dot(obj, **options))


def to_text(obj: Any, *, all: bool = False, max_rows: int = 1000) -> str:
    """Rows for a terminal: one a node in the order of the run, with lanes of live tensors and their bytes."""
    return draw_text(obj, all, max_rows)


def _check(what: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RenderError(f"render: {what}={shorten(value)} is none of {', '.join(known)}")


def _diagram(obj: Any, all: bool, max_boxes: int | None, expand: str | Iterable[str], thin: bool) -> Diagram:
    if max_boxes is not None and (type(max_boxes) is not int or max_boxes < 1):
        raise RenderError(
            f"render: max_boxes={shorten(max_boxes)} must be a positive int, or None for no limit"
        )
    names = (expand,) if isinstance(expand, str) else tuple(expand)
    return collect(obj, all=all, max_boxes=max_boxes, expand=names, thin=thin)


def _draw(diagram: Diagram, suffix: str, engine: str, theme: str, thin: bool) -> bytes:
    if suffix in (".dot", ".gv"):
        return draw_dot(diagram, thin).encode()
    if suffix == ".svg" and engine != "dot":
        return draw_svg(diagram, theme, thin).encode()
    if engine == "builtin":
        raise RenderError(f"render: the built-in engine writes .svg, not {suffix}; use engine='dot'")
    marked = replace(diagram, caption=f"{diagram.caption}  |  drawn by Graphviz")
    return _run_dot(draw_dot(marked, thin), suffix.removeprefix("."))


def _run_dot(text: str, suffix: str) -> bytes:
    """What Graphviz makes of DOT text; called directly, as the `graphviz` package knows no time limit."""
    binary = shutil.which("dot") or shutil.which("graphviz-pure")
    if binary is None:
        raise BackendError(
            f"render: .{suffix} needs Graphviz, and there is no `dot` on the path; "
            "Debian, Ubuntu: apt-get install graphviz; macOS: brew install graphviz; "
            "Windows: winget install graphviz; or write .svg, which needs nothing"
        )
    try:
        done = subprocess.run(
            [binary, f"-T{suffix}"],
            input=text.encode(),
            capture_output=True,
            timeout=_DOT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RenderError(
            f"render: Graphviz took more than {_DOT_TIMEOUT_S} s; write .svg, or give a smaller max_boxes"
        ) from None
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip()
        raise RenderError(f"render: Graphviz could not write .{suffix}: {shorten(reason, 300)}")
    return done.stdout


def _check_folder(target: Path) -> None:
    if "\0" in str(target):
        raise RenderError(f"render: cannot write {shorten(str(target))}: a null character is in the path")
    try:
        is_folder, has_folder = target.is_dir(), target.parent.is_dir()
    except OSError as error:
        raise RenderError(f"render: cannot write {shorten(str(target))}: {error.strerror}") from error
    if is_folder:
        raise RenderError(f"render: {shorten(str(target))} is a folder; give the name of a file in it")
    if not has_folder:
        raise RenderError(f"render: there is no folder {shorten(str(target.parent))}; make it first")


def _write(target: Path, data: bytes) -> None:
    """Put a file in place whole, or leave everything as it was."""
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        temporary.replace(target)
    except OSError as error:
        raise RenderError(
            f"render: cannot write {shorten(str(target))}: {error.strerror or error}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
