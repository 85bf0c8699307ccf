"""What users install: the wheel holds each file once, imports on its own, and importing it costs little."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

# where each package's folder is in the repository: {"graphflow": "graphflow", "graphflow.backends": "backends", ...}
TOP_FOLDERS = {"graphflow": "graphflow"} | PROJECT["tool"]["setuptools"]["package-dir"]

# packages that only some uses need: importing graphflow must neither need them nor wait for them
LAZY = ["networkx", "graphviz", "matplotlib", "cupy", "scipy", "opt_einsum", "sklearn", "rich"]


def installed_files() -> Iterator[tuple[str, Path]]:
    """Each file of the package: its path once installed, and where it is in the repository."""
    for package, folder in TOP_FOLDERS.items():
        for parent, subfolders, names in os.walk(ROOT / folder, followlinks=False):
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            for name in names:
                path = Path(parent, name)
                inside = PurePosixPath(*package.split("."), *path.relative_to(ROOT / folder).parts)
                if path.suffix != ".pyc" and not path.is_symlink():
                    yield str(inside), path


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command and give its standard output; its errors are the test's message."""
    arguments = [str(part) for part in command]
    done = subprocess.run(arguments, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


# --- the repository --------------------------------------------------------------------------------------------------


def test_listed_packages_are_the_folders_with_an_init():
    folders = {
        inside.removesuffix("/__init__.py").replace("/", ".")
        for inside, _ in installed_files()
        if inside.endswith("/__init__.py")
    }
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(folders)


def test_every_module_is_in_a_package():
    """A folder without `__init__.py` imports from a clone and is missing from the wheel."""
    stray = [
        inside
        for inside, path in installed_files()
        if path.suffix == ".py" and not path.with_name("__init__.py").exists()
    ]
    assert not stray


# what is tested is a property of the checkout, which git on Windows makes otherwise unless it is told
@pytest.mark.skipif(os.name == "nt", reason="git on Windows may check links out as text files")
@pytest.mark.parametrize("name", ["backends", "visualize"])
def test_links_are_relative(name):
    link = ROOT / "graphflow" / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"  # noqa: PTH115  # Path.readlink would normalise the text


def test_version_is_said_once():
    import graphflow as gf

    assert gf.__version__ == PROJECT["project"]["version"]
    assert f"## [{gf.__version__}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


# --- the wheel and the sdist -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel made from that sdist, so that it lacks nothing either.

    Built from a copy: setuptools writes into the tree that it builds, and reuses what an earlier build left there.
    """
    folder = tmp_path_factory.mktemp("built")
    kept = ["pyproject.toml", "README.md", "LICENSE", "graphflow", "backends", "visualize"]
    kept += [name for name in ("MANIFEST.in",) if (ROOT / name).exists()]
    for name in kept:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=ignored)
        else:
            (folder / "source").mkdir(exist_ok=True)
            shutil.copy(ROOT / name, folder / "source" / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, folder / "source")
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the wheel is installed, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    run(*pip, "--no-deps", "--target", folder, wheel)
    return folder


def run_installed(installed: Path, code: str, cwd: Path) -> str:
    """Run code against the installed wheel, where it cannot see the repository.

    -I drops the working folder and PYTHONPATH. -S drops the .pth files, through which an editable install would
    supply whatever the wheel lacks. The dependencies are put back by hand, behind the wheel.
    """
    dependencies = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    setup = f"import sys; sys.path[:0] = [{str(installed)!r}]; sys.path += {dependencies!r}\n"
    return run(sys.executable, "-I", "-S", "-W", "error", "-c", setup + code, cwd=cwd)


def test_wheel_holds_every_file_once(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name and not name.endswith("/")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert sorted(names) == sorted(inside for inside, _ in installed_files())
    needed = {"graphflow/py.typed", "graphflow/backends/__init__.py", "graphflow/visualize/__init__.py"}
    assert needed <= {*names}


def test_sdist_holds_every_file_once(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [member.name.split("/", 1)[1] for member in archive.getmembers() if member.isfile()]
        assert not [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    package = sorted(name for name in names if name.startswith(("graphflow/", "backends/", "visualize/")))
    assert package == sorted(path.relative_to(ROOT).as_posix() for _, path in installed_files())
    assert {"LICENSE", "README.md", "pyproject.toml"} <= {*names}


def test_installed_wheel_imports_on_its_own(installed, tmp_path):
    packages = PROJECT["tool"]["setuptools"]["packages"]
    code = f"""
import importlib, json
print(json.dumps({{name: importlib.import_module(name).__file__ for name in {packages!r}}}))
"""
    files = json.loads(run_installed(installed, code, tmp_path))
    for name, file in files.items():
        assert Path(file) == installed.joinpath(*name.split("."), "__init__.py")
    assert (installed / "graphflow" / "py.typed").is_file()
    assert not (installed / "backends").exists()
    assert not (installed / "visualize").exists()


def test_entry_points_lead_somewhere(installed, tmp_path):
    code = f"""
import importlib.metadata, json
(distribution,) = importlib.metadata.distributions(path=[{str(installed)!r}])
print(json.dumps({{f"{{each.group}}: {{each.name}}": callable(each.load()) for each in distribution.entry_points}}))
"""
    loaded = json.loads(run_installed(installed, code, tmp_path))
    assert loaded.pop("console_scripts: graphflow")
    assert "graphflow.backends: numpy" in loaded
    assert all(loaded.values())


# --- what an import costs --------------------------------------------------------------------------------------------


def test_import_leaves_optional_packages_alone(installed, tmp_path):
    code = f"""
import graphflow, json, sys
print(json.dumps([name for name in {LAZY!r} if name in sys.modules]))
"""
    assert json.loads(run_installed(installed, code, tmp_path)) == []


def test_import_starts_no_thread(installed, tmp_path):
    """NumPy's BLAS starts its own pool when it is loaded; graphflow adds none, in Python or below."""
    code = """
import json, os, threading
import numpy
def n_threads():
    tasks = "/proc/self/task"  # Linux; elsewhere only Python's own threads are counted
    return [threading.active_count(), len(os.listdir(tasks)) if os.path.isdir(tasks) else 0]
before = n_threads()
import graphflow
print(json.dumps([before, n_threads()]))
"""
    before, after = json.loads(run_installed(installed, code, tmp_path))
    assert after == before
