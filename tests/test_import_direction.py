"""Imports go one way: a module imports only from its own layer and from those below it.

The files are read, not imported, so this holds for every import, whether or not a test reaches it.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Low to high. A name stands for a module or for a package with all in it; a module takes the longest name that fits.
LAYERS: list[list[str]] = [
    ["graphflow.collector", "graphflow.origin"],
    ["graphflow.errors", "graphflow.config"],
    ["graphflow.hooks"],  # the doors upwards; see HOOKS
    ["graphflow.types"],
    ["graphflow.op"],
    ["graphflow.operators"],
    ["graphflow.graph"],
    ["graphflow.subgraph"],
    ["graphflow.bind"],
    ["graphflow.text"],
    ["graphflow.verify"],
    ["graphflow.ops"],
    [  # the ops' public faces
        *("graphflow.random", "graphflow.linalg", "graphflow.fft", "graphflow.image", "graphflow.sparse"),
        *("graphflow.strings", "graphflow.losses", "graphflow.metrics"),
    ],
    ["graphflow.gradients"],
    ["graphflow.passes"],
    ["graphflow.program"],
    ["graphflow.planning"],
    ["graphflow.analysis"],  # facts about programs
    ["graphflow.plan"],
    ["graphflow.profile", "graphflow.trace"],
    ["graphflow.backends"],
    ["graphflow.lowering"],
    ["graphflow.template"],
    ["graphflow.lane_runner"],
    ["graphflow.bound_calls"],
    ["graphflow.runtime"],
    ["graphflow.interpret"],
    ["graphflow.checking"],
    ["graphflow.files"],
    ["graphflow.feeds", "graphflow.fetches"],
    ["graphflow.compiler"],
    ["graphflow.session"],
    ["graphflow.debug"],
    ["graphflow.initializers"],
    ["graphflow.variable_scopes"],
    ["graphflow.rnn"],
    ["graphflow.nn"],
    [
        "graphflow.function",
        "graphflow.eager",
        "graphflow.layers",
        "graphflow.train",
        "graphflow.data",
        "graphflow.save",
    ],
    ["graphflow"],  # __init__.py, the public face; `import graphflow as gf` is an import of it
    ["graphflow.visualize"],
    ["graphflow.cli"],
    ["graphflow.__main__"],
]

# What may reach upwards, from inside a function only: (importing module, imported module) -> why.
HOOKS: dict[tuple[str, str], str] = {
    ("graphflow.hooks", "graphflow.session"): "`.eval()`, `.numpy()`, float(t) on tensors",
    ("graphflow.hooks", "graphflow.save"): "`.save()` on plans",
    ("graphflow.hooks", "graphflow.eager"): "under `gf.eager()`, a node runs as it is made",
    ("graphflow.hooks", "graphflow.text"): "a graph printed",
    ("graphflow.hooks", "graphflow.visualize"): "`.render()` on graphs, plans and tensors",
    ("graphflow.operators", "graphflow"): "`__array_namespace__` gives the public face",
}

# The one place that imports visualize, besides visualize itself, the command line and the hook above.
VISUALIZE_IS_IMPORTED_BY = ("graphflow.visualize", "graphflow.cli", "graphflow.hooks")


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str  # the module, or the name in a package's __init__.py that is asked for
    line: int
    in_function: bool
    type_checking: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.imported}"


def source_files() -> dict[str, Path]:
    """Every module by the name under which it is imported, with its file."""
    modules = {}
    for folder, package in [
        ("graphflow", "graphflow"),
        ("backends", "graphflow.backends"),
        ("visualize", "graphflow.visualize"),
    ]:
        for path in _python_files(ROOT / folder):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            modules[".".join(part for part in parts if part != "__init__")] = path
    return dict(sorted(modules.items()))


def _python_files(folder: Path) -> Iterator[Path]:
    for parent, subfolders, names in os.walk(folder, followlinks=False):
        subfolders[:] = sorted(name for name in subfolders if name != "__pycache__")
        yield from (Path(parent, name) for name in sorted(names) if name.endswith(".py"))


def imports_of(module: str, text: str, is_package: bool, known: frozenset[str]) -> list[Import]:
    """Each import in a module's text, relative ones resolved, `import_module("...")` included."""
    found: list[Import] = []

    def add(name: str, node: ast.AST, in_function: bool, type_checking: bool) -> None:
        found.append(Import(module, name, node.lineno, in_function, type_checking))

    # a stack of (node, inside a function, under `if TYPE_CHECKING`)
    stack: list[tuple[ast.AST, bool, bool]] = [(ast.parse(text), False, False)]
    while stack:
        node, in_function, type_checking = stack.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                add(alias.name, node, in_function, type_checking)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, is_package, node)
            for alias in node.names:
                # `from graphflow import errors` asks for a module, `from graphflow.errors import ShapeError` for a name
                inner = f"{base}.{alias.name}"
                add(inner if inner in known else base, node, in_function, type_checking)
        elif _is_import_module(node):
            add(node.args[0].value, node, in_function, type_checking)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            stack += [(child, in_function, True) for child in node.body]
            stack += [(child, in_function, type_checking) for child in node.orelse]
            continue
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            in_function = True
        stack += [(child, in_function, type_checking) for child in ast.iter_child_nodes(node)]
    return sorted(found, key=lambda each: (each.line, each.imported))


def _absolute(module: str, is_package: bool, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def _is_import_module(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", None)) in ("import_module", "__import__")
        and len(node.args) > 0
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    )


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "attr", getattr(test, "id", None)) == "TYPE_CHECKING"


def layer_of(module: str) -> int | None:
    """Index of the module's layer, or None if the table doesn't have it."""
    for depth in range(module.count(".") + 1, 0, -1):
        name = ".".join(module.split(".")[:depth])
        if name == "graphflow" and module != "graphflow":
            return None  # the public face is one file, not a home for all that nobody placed
        for index, names in enumerate(LAYERS):
            if name in names:
                return index
    return None


def is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def hook_of(each: Import) -> tuple[str, str] | None:
    """The entry of HOOKS that allows this import, if one does."""
    for importer, imported in HOOKS:
        # the public face alone, not all that is in the package
        reached = each.imported == imported if imported == "graphflow" else is_in(each.imported, imported)
        if each.in_function and each.importer == importer and reached:
            return importer, imported
    return None


def upward(imports: list[Import]) -> list[str]:
    """The imports that go from a layer to one above it, as text."""
    faults = []
    for each in imports:
        if each.type_checking or not is_in(each.imported, "graphflow"):
            continue
        here, there = layer_of(each.importer), layer_of(each.imported)
        if here is None or there is None:
            unknown = each.importer if here is None else each.imported
            faults.append(f"{each}, and LAYERS doesn't have {unknown}")
        elif there > here and hook_of(each) is None:
            faults.append(f"{each}, which is above it")
    return faults


@pytest.fixture(scope="module")
def modules() -> dict[str, Path]:
    return source_files()


@pytest.fixture(scope="module")
def imports(modules: dict[str, Path]) -> list[Import]:
    known = frozenset(modules)
    return [
        each
        for module, path in modules.items()
        for each in imports_of(module, path.read_text("utf-8"), path.name == "__init__.py", known)
    ]


def test_every_module_has_a_layer(modules):
    missing = [module for module in modules if layer_of(module) is None]
    assert not missing, f"give these a line in LAYERS: {missing}"


def test_imports_go_from_low_to_high(imports):
    faults = upward(imports)
    assert not faults, "\n".join(faults)


def test_no_two_modules_import_each_other(imports, modules):
    """Within a layer too, the imports that run on import form no cycle."""
    below: dict[str, set[str]] = {module: set() for module in modules}
    for each in imports:
        # a package's own files may import one another through it; what counts is which file needs which
        if not each.in_function and not each.type_checking and each.imported in modules:
            below[each.importer].add(each.imported)
    while True:
        free = [module for module, needs in below.items() if not needs & below.keys() - {module}]
        if not free:
            break
        for module in free:
            del below[module]
    assert not below, f"import cycle among {sorted(below)}"


def test_visualize_is_reached_through_one_hook(imports):
    faults = [
        str(each)
        for each in imports
        if is_in(each.imported, "graphflow.visualize")
        and not each.type_checking
        and not any(is_in(each.importer, allowed) for allowed in VISUALIZE_IS_IMPORTED_BY)
    ]
    assert not faults, "\n".join(faults)


def test_no_import_by_the_short_name(imports):
    """`backends` beside `graphflow.backends` would load every class a second time."""
    faults = [
        f"{each}; write graphflow.{each.imported}"
        for each in imports
        if is_in(each.imported, "backends") or is_in(each.imported, "visualize")
    ]
    assert not faults, "\n".join(faults)


def test_every_hook_is_used(imports):
    used = {hook_of(each) for each in imports}
    unused = [hook for hook in HOOKS if hook not in used]
    assert not unused, f"remove these from HOOKS: {unused}"


# --- the checker itself: a check that sees nothing is green too -----------------------------------------------------


def faults_of(module: str, text: str) -> list[str]:
    known = frozenset(name for names in LAYERS for name in names) | {"graphflow.passes.cse"}
    return upward(imports_of(module, text, is_package=False, known=known))


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("graphflow.types", "from graphflow.graph import Node"),
        ("graphflow.types", "import graphflow.graph"),
        ("graphflow.types", "from graphflow import graph"),
        ("graphflow.types", "from . import graph"),
        ("graphflow.types", "from .graph import Node"),
        ("graphflow.ops.nn", "from ..session import Session"),
        ("graphflow.ops.nn", "import graphflow as gf"),
        ("graphflow.graph", "def evaluate():\n    from graphflow.session import Session"),
        ("graphflow.graph", "def evaluate():\n    import_module('graphflow.session')"),
        ("graphflow.graph", "if not TYPE_CHECKING:\n    from graphflow.session import Session"),
        ("graphflow.graph", "if TYPE_CHECKING:\n    pass\nelse:\n    from graphflow.session import Session"),
        ("graphflow.graph", "try:\n    from graphflow.session import Session\nexcept ImportError:\n    pass"),
        ("graphflow.hooks", "from graphflow.visualize import dot"),  # a hook, but not inside a function
        ("graphflow.errors", "from graphflow.nowhere import x"),
        ("graphflow.nowhere", "from graphflow.errors import x"),
    ],
)
def test_an_upward_import_is_found(module, text):
    assert len(faults_of(module, text)) == 1


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("graphflow.graph", "from graphflow.types import TensorType"),
        ("graphflow.graph", "from . import errors"),
        ("graphflow.passes.pipeline", "from graphflow.passes.cse import cse\nfrom .cse import cse"),
        ("graphflow.graph", "if TYPE_CHECKING:\n    from graphflow.session import Session"),
        ("graphflow.graph", "if typing.TYPE_CHECKING:\n    from graphflow.session import Session"),
        ("graphflow.hooks", "def render():\n    from graphflow.visualize.dot import to_dot"),
        ("graphflow.visualize.dot", "import graphflow as gf"),
        ("graphflow.errors", "import numpy.linalg\nfrom graphflowers import x"),
    ],
)
def test_a_downward_import_is_allowed(module, text):
    assert faults_of(module, text) == []
