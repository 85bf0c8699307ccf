"""Every Python block of the README and of the documentation runs, and prints what the page says it prints.

The blocks of a page run in order in one namespace, as a file called `model.py` whose first line is the block's. A
```text block right after a Python block is what that prints; `...` stands for any text. Where the Python block
raises, the text block ends with the error. Where it raises and no text block follows, or another error, the test fails.

    UPDATE_DOCS=1 make test PYTEST_ARGS="-k test_docs"     write what is printed now into the pages; look at the diff
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import graphflow as gf
from graphflow import op
from graphflow.backends import registry
from graphflow.errors import GraphflowError

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A Python block, the line of the page it begins at, and the text block after it, or None."""

    code: str
    line: int
    expected: str | None


def blocks_of(page: str) -> list[Block]:
    """The Python blocks of a page with what they should print."""
    fences = list(_FENCE.finditer(page))
    found = []
    for number, fence in enumerate(fences):
        if fence["language"] != "python":
            continue
        after = fences[number + 1] if number + 1 < len(fences) else None
        told = (
            after is not None
            and after["language"] == "text"
            and not page[fence.end() : after.start()].strip()
        )
        found.append(
            Block(
                fence["code"],
                page.count("\n", 0, fence.start()) + 2,
                after["code"] if told and after else None,
            )
        )
    return found


def output_of(code: str, namespace: dict[str, object]) -> tuple[str, bool]:
    """What a block prints, with the error of graphflow's that ends it; and whether one did."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "model.py", "exec"), namespace)
        except GraphflowError as error:
            printed.write(f"{type(error).__name__}: {error!s}\n")
            return printed.getvalue(), True
    return printed.getvalue(), False


def matches(expected: str, printed: str) -> bool:
    """Whether the texts agree, `...` standing for anything, blanks at the ends of lines aside."""
    pattern = ".*".join(re.escape(part) for part in _trimmed(expected).split("..."))
    return re.fullmatch(pattern, _trimmed(printed), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


@pytest.fixture
def _own_tables() -> Iterator[None]:
    """What a page declares or registers is gone after the test; what is imported on demand is imported before it."""
    op.load_all()
    tables = (op.OPS, op.F.table, registry._registered, registry._instances)
    before = [(table, dict(table)) for table in tables]
    yield
    for table, values in before:
        table.clear()
        table.update(values)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
@pytest.mark.usefixtures("_own_tables")
def test_blocks_run_and_print_what_the_page_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "model"}
    text = page.read_text("utf-8")
    for block in blocks_of(text):
        printed, raised = output_of(block.code, namespace)
        if block.expected is None:
            assert not raised, f"{page.name}:{block.line} raises\n{printed}"
        elif not matches(block.expected, printed):
            if "UPDATE_DOCS" in os.environ:
                old, new = (
                    f"{block.code}```\n\n```text\n{told}"
                    for told in (block.expected, _trimmed(printed) + "\n")
                )
                text = text.replace(old, new, 1)
                continue
            assert _trimmed(printed) == _trimmed(block.expected), f"{page.name}:{block.line}"
    if "UPDATE_DOCS" in os.environ:
        page.write_text(text, "utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_to_files(page):
    text = _FENCE.sub("", page.read_text("utf-8"))
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", text)
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert missing == []


def test_navigation_names_every_page():
    named = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_error_is_explained():
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    classes = [name for name in gf.errors.__all__ if name != "shorten"]
    assert [name for name in classes if f"## {name}\n" not in text] == []


def test_every_module_of_the_engine_has_its_place():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    tables = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    ops = {p.stem for p in (ROOT / "graphflow" / "ops").glob("*.py")} - {"__init__"}
    assert sorted(name for name in ops if f"`{name}`" not in tables) == []
    folders = {
        p.parent.name + "/" for p in (ROOT / "graphflow").glob("*/__init__.py") if not p.parent.is_symlink()
    }
    files = {p.name for p in (ROOT / "graphflow").glob("*.py")} - {"__init__.py", "__main__.py"}
    assert sorted(name for name in folders | files if f"`{name}`" not in text) == []


# --- the checker itself: a check that sees nothing is green too ------------------------------------------------------

PAGE = """
```python
x = 1
print(x)
```

```text
1
```

```sh
make test
```

```python
y = 2
```
"""


def test_blocks_are_found_with_what_they_print():
    first, second = blocks_of(PAGE)
    assert first == Block("x = 1\nprint(x)\n", 3, "1\n")
    assert second == Block("y = 2\n", 16, None)


def test_an_error_is_told_with_its_line_in_the_block():
    printed, raised = output_of("import graphflow as gf\ngf.ones([2]) @ gf.ones([3])\n", {})
    assert raised
    assert printed.startswith("ShapeError: ")
    assert "model.py:2" in printed


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a", "a\n", True),
        ("a...c", "a b\nc", True),
        ("a", "ab", False),
        ("...b", "a", False),
        ("a.c", "abc", False),
    ],
)
def test_texts_are_compared(expected, printed, same):
    assert matches(expected, printed) is same
