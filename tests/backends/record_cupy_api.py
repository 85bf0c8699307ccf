"""Writes `cupy_api.json`: the names and parameters of the CuPy that is installed, for `fake_cupy`.

    python -m tests.backends.record_cupy_api

Needs the package `cupy`, but no GPU. Other versions in the file stay as they are.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

__all__ = ["API_FILE", "recorded"]

API_FILE = Path(__file__).with_name("cupy_api.json")


def parameters(function: Any) -> str | None:
    """`"a axis= *, out="`: names in order, `=` after those with a default; None for functions that do not tell."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    words = []
    starred = False
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            words.append(f"*{p.name}")
            starred = True
        elif p.kind is p.VAR_KEYWORD:
            words.append(f"**{p.name}")
        else:
            if p.kind is p.KEYWORD_ONLY and not starred:
                words.append("*")
                starred = True
            words.append(p.name if p.default is p.empty else f"{p.name}=")
    return " ".join(words)


def functions(module: Any) -> dict[str, str | None]:
    """Public functions of a module that are no ufuncs, with their parameters."""
    found = {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
    plain = {
        n: f for n, f in found.items() if callable(f) and not inspect.isclass(f) and not hasattr(f, "types")
    }
    return {name: parameters(f) for name, f in sorted(plain.items())}


def recorded() -> dict[str, Any]:
    """The names of the installed CuPy."""
    import cupy
    import cupyx.scipy.special

    public = {name: getattr(cupy, name) for name in dir(cupy) if not name.startswith("_")}
    return {
        "ufuncs": {n: " ".join(f.types) for n, f in public.items() if isinstance(f, cupy.ufunc)},
        "functions": functions(cupy),
        "values": [
            n for n, v in public.items() if inspect.isclass(v) or isinstance(v, (int, float, type(None)))
        ],
        "linalg": functions(cupy.linalg),
        "fft": functions(cupy.fft),
        "special": sorted(n for n in dir(cupyx.scipy.special) if not n.startswith("_")),
        "ndarray": sorted(n for n in dir(cupy.ndarray) if not n.startswith("_")),
    }


if __name__ == "__main__":
    import cupy

    known = json.loads(API_FILE.read_text("utf-8")) if API_FILE.exists() else {}
    known[cupy.__version__] = recorded()
    API_FILE.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
