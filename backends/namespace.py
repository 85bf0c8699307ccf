"""What the Array API's inspection tells of graphflow: its devices, their dtypes, and what can be done with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphflow.backends.registry import canonical, list_devices
from graphflow.ops.data_types import kind_names
from graphflow.types import MAX_RANK, SUPPORTED, default_float, promote

__all__ = ["NamespaceInfo", "__array_namespace_info__"]

_STANDARD = tuple(name for name in SUPPORTED if name not in ("float16", "bfloat16"))


class NamespaceInfo:
    """What `__array_namespace_info__` gives; each method says it anew."""

    def capabilities(self) -> dict[str, bool | int]:
        """What not every library can: boolean masks, sizes that depend on data, and the largest number of axes.

        Such a size is None in `shape` until a run; see `gf.Tensor.shape`.
        """
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": MAX_RANK}

    def default_device(self) -> str | None:
        """None: where a tensor is made that asks for no device is the session's choice."""
        return None

    def devices(self) -> list[str]:
        """The names of the devices that can be used now, such as "cpu:0"; see `gf.list_devices`."""
        return [info.name for info in list_devices() if info.available]

    def default_dtypes(self, *, device: Any = None) -> dict[str, np.dtype[Any]]:
        """The dtypes that Python numbers, and results that are indices, become."""
        canonical(device)
        return {
            "real floating": default_float(),
            "complex floating": promote(SUPPORTED["complex64"], default_float()),
            "integral": SUPPORTED["int64"],
            "indexing": SUPPORTED["int64"],
        }

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, np.dtype[Any]]:
        """The standard's dtypes by name; with a kind (or a tuple of them), as for `gf.isdtype`, those of it.

        All devices have all of them. graphflow's own float16 and bfloat16 are left out, as the standard asks.
        Raises ArgumentError for what is no kind.
        """
        canonical(device)
        wanted = _STANDARD if kind is None else kind_names("dtypes", kind)
        return {name: SUPPORTED[name] for name in _STANDARD if name in wanted}


def __array_namespace_info__() -> NamespaceInfo:  # noqa: N807 the name that the standard gives it
    """Devices, dtypes and capabilities, as the Array API has it."""
    return NamespaceInfo()
