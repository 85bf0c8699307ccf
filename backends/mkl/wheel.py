"""Finds libmkl_rt, which `pip install mkl` puts beside Python, and loads it for single-threaded calls.

MKL is one library for many CPUs that picks its kernels when first called; before that it is told three things,
which it cannot be told again: no threads of its own (so the threads are ours, and no other OpenMP is loaded),
and results that do not depend on how arrays are aligned (conditional numerical reproducibility, CNR).
Source: oneMKL Developer Guide, "Dynamically Selecting the Threading Layer", "Getting Started with CNR".
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphflow.errors import BackendError

__all__ = ["DTYPES", "Gemm", "Mkl", "find_mkl", "load_mkl"]

_SEQUENTIAL_LAYER = 1
_CNR_AUTO = 2
_NAMES = {"win32": "mkl_rt.*.dll", "darwin": "libmkl_rt.*dylib"}

DTYPES = {
    "float32": ("s", ctypes.c_float),
    "float64": ("d", ctypes.c_double),
    "complex64": ("c", ctypes.c_float),
    "complex128": ("z", ctypes.c_double),
}
"""dtype -> (BLAS's letter for it, the C type of its real part)."""


@dataclass(frozen=True, slots=True, eq=False)
class Gemm:
    """`C = op(A) op(B)` for one dtype, with 64-bit sizes: on single matrices, and on evenly spaced batches of them.

    alpha, beta: 1 and 0 as the functions take them.
    """

    single: Callable[..., None]
    batch: Callable[..., None]
    alpha: Any
    beta: Any


@dataclass(frozen=True, slots=True, eq=False)
class Mkl:
    """The loaded library. version: `"2026.2"`. threads: how many a call uses. path: of libmkl_rt."""

    path: Path
    version: str
    threads: int
    gemm: dict[str, Gemm]

    def __str__(self) -> str:
        return f"mkl {self.version}, {self.threads} thread{'' if self.threads == 1 else 's'}"


def find_mkl() -> Path | None:
    """Where libmkl_rt is: of the installed distribution `mkl`, else in Python's own `lib`, as conda has it."""
    return next((path for path in _candidates() if path.is_file()), None)


def _candidates() -> Iterator[Path]:
    pattern = _NAMES.get(sys.platform, "libmkl_rt.so.*")
    from importlib import metadata  # not at the top: it costs as much as the rest of graphflow

    try:
        files = metadata.distribution("mkl").files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if Path(file.name).match(pattern):
            yield Path(str(file.locate())).resolve()
    folder = Path(sys.prefix, "Library/bin" if sys.platform == "win32" else "lib")
    yield from sorted(folder.glob(pattern), reverse=True)


def load_mkl(path: Path, open_library: Callable[[str], Any] = ctypes.CDLL) -> Mkl:
    """Load the library and settle its threading. Raises BackendError where it does not load or is too old.

    If this process uses MKL already (NumPy of conda's), its threading is settled: the thread count then is what
    a call on this thread uses after a request for 1.
    """
    try:
        library = open_library(str(path))
        library.MKL_Set_Threading_Layer(_SEQUENTIAL_LAYER)
        library.MKL_CBWR_Set(_CNR_AUTO)
        gemm = {dtype: _gemm(library, letter, real) for dtype, (letter, real) in DTYPES.items()}
        text = ctypes.create_string_buffer(256)
        library.MKL_Get_Version_String(text, 256)
        library.MKL_Set_Num_Threads_Local(1)
        threads = int(library.MKL_Get_Max_Threads())
    except (OSError, AttributeError) as error:
        raise BackendError(
            f"MKL at {path} cannot be used: {error}; pip install 'graphflow-engine[mkl]'"
        ) from error
    return Mkl(path, _version(text.value.decode("ascii", "replace")), threads, gemm)


def _gemm(library: Any, letter: str, real: Any) -> Gemm:
    size, place = ctypes.c_int64, ctypes.c_void_p
    is_complex = letter in "cz"
    factor = place if is_complex else real
    flags, sizes = [ctypes.c_int] * 3, [size] * 3
    single = getattr(library, f"cblas_{letter}gemm_64")
    single.restype = None
    single.argtypes = [*flags, *sizes, factor, place, size, place, size, factor, place, size]
    batch = getattr(library, f"cblas_{letter}gemm_batch_strided_64")
    batch.restype = None
    matrix = [place, size, size]
    batch.argtypes = [*flags, *sizes, factor, *matrix, *matrix, factor, *matrix, size]
    if is_complex:
        return Gemm(single, batch, ctypes.pointer((real * 2)(1, 0)), ctypes.pointer((real * 2)(0, 0)))
    return Gemm(single, batch, real(1), real(0))


def _version(text: str) -> str:
    """`"2026.2"` from `Intel(R) oneAPI Math Kernel Library Version 2026.2-Product Build ...`."""
    words = text.split()
    return (
        words[words.index("Version") + 1].partition("-")[0]
        if "Version" in words[:-1]
        else "of unknown version"
    )
