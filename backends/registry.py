"""Which backends there are, and which one serves a device name.

Built-in and third-party backends are found the same way: by entry points of the group
`graphflow.backends`, or by `register`. A backend's module is imported when first asked for.
"""

from __future__ import annotations

import threading

from graphflow.backends.base import Backend, DeviceInfo
from graphflow.errors import ArgumentError, BackendError, shorten
from graphflow.graph import canonical_device

__all__ = ["backend_for", "canonical", "list_devices", "register"]

GROUP = "graphflow.backends"

_registered: dict[str, type[Backend]] = {}
_found: dict[str, type[Backend]] = {}
_instances: dict[str, Backend] = {}
_lock = threading.RLock()
_searched = False


def register(backend: type[Backend]) -> type[Backend]:
    """Add a backend class by hand; an entry point does the same for installed packages. Returns the class."""
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise ArgumentError(f"register: {shorten(backend)} is not a subclass of graphflow.backends.Backend")
    if not backend.kinds:
        raise ArgumentError(f"register: backend {backend.name!r} names no device kinds")
    with _lock:
        _registered[backend.name] = backend
        for name in [n for n in _instances if n.partition(":")[0] in backend.kinds]:
            del _instances[name]
    return backend


def _classes() -> dict[str, type[Backend]]:
    global _searched
    with _lock:
        if not _searched:
            from importlib import metadata  # not at the top: it costs as much as the rest of graphflow

            for entry in metadata.entry_points(group=GROUP):
                try:
                    loaded = entry.load()
                except ImportError as error:
                    loaded = _broken(entry.name, error)
                _found[loaded.name] = loaded
            if "numpy" not in _found:  # running from a source tree that is not installed
                from graphflow.backends.cupy import CupyBackend
                from graphflow.backends.numpy import NumpyBackend

                _found.setdefault("numpy", NumpyBackend)
                _found.setdefault("cupy", CupyBackend)
            _searched = True
        return {**_found, **_registered}


def _broken(name: str, error: ImportError) -> type[Backend]:
    """A stand-in for a backend whose module does not import: it is listed, and says why."""

    class Broken(Backend):
        kinds = (name,)

        @classmethod
        def devices(cls) -> list[DeviceInfo]:
            return [DeviceInfo(f"{name}:0", name, False, f"its module does not import: {error}")]

    Broken.name = name
    return Broken


def list_devices() -> list[DeviceInfo]:
    """Every device of every backend, those that are missing included, with what to install."""
    return [info for backend in _classes().values() for info in backend.devices()]


def canonical(name: str | None) -> str:
    """`"numpy:0"` for None, `"cpu"` ...; `"gpu:1"` stays. Raises ArgumentError or BackendError."""
    if name is None:
        return "cpu:0"
    device = canonical_device(name)
    kind = device.partition(":")[0]
    for backend in _classes().values():
        if kind in backend.kinds or kind == backend.name:
            return device if kind in backend.kinds else f"{backend.kinds[0]}:{device.partition(':')[2]}"
    kinds = sorted({k for b in _classes().values() for k in (*b.kinds, b.name)})
    raise BackendError(f"no backend serves device {shorten(name)}; known: {', '.join(kinds)}")


def backend_for(device: str) -> Backend:
    """The backend instance for a device, made on first use.

    Raises BackendError, with the extra to install, when the device is absent.
    """
    device = canonical(device)
    with _lock:
        known = _instances.get(device)
        if known is not None:
            return known
        kind, _, index = device.partition(":")
        for backend in reversed(_classes().values()):
            if kind in backend.kinds:
                infos = {info.name: info for info in backend.devices()}
                info = infos.get(device)
                if info is None:
                    have = ", ".join(n for n, i in infos.items() if i.available) or "none"
                    reasons = "; ".join(dict.fromkeys(i.detail for i in infos.values() if not i.available))
                    raise BackendError(f"device {device!r} does not exist; have {have}. {reasons}".rstrip(". "))
                if not info.available:
                    raise BackendError(f"device {device!r} cannot be used: {info.detail}")
                _instances[device] = backend(int(index))
                return _instances[device]
    raise BackendError(f"no backend serves device {shorten(device)}")
