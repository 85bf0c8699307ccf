"""Which backends there are, and which one serves a device name.

Built-in and third-party backends are found the same way: by entry points of the group
`graphflow.backends`, or by `register`. A backend's module is imported when first asked for.
"""

from __future__ import annotations

import threading
from typing import Any

from graphflow.backends.base import Backend, DeviceInfo
from graphflow.errors import ArgumentError, BackendError, GraphflowError, shorten
from graphflow.graph import canonical_device

__all__ = ["backend_for", "canonical", "list_devices", "register", "unregister"]

GROUP = "graphflow.backends"

_registered: dict[str, type[Backend]] = {}
_found: dict[str, type[Backend]] = {}
_instances: dict[str, Backend] = {}
_lock = threading.RLock()


def register(backend: type[Backend]) -> type[Backend]:
    """Add a backend class by hand; an entry point does the same for installed packages. Returns the class.

    It replaces one of the same name, and serves its kinds of device in place of those before it.
    Raises ArgumentError for what is no Backend class, or has no name or kinds of its own.
    """
    _check(backend, "register")
    with _lock:
        _registered[backend.name] = backend
        _forget(backend)
    return backend


def unregister(backend: type[Backend]) -> None:
    """Undo `register`; the devices go back to who served them before. Sessions that use it keep it."""
    with _lock:
        if _registered.get(backend.name) is not backend:
            raise ArgumentError(f"unregister: {shorten(backend)} is not registered")
        del _registered[backend.name]
        _forget(backend)


def _check(backend: Any, what: str) -> None:
    if not (isinstance(backend, type) and issubclass(backend, Backend)):
        raise ArgumentError(f"{what}: {shorten(backend)} is not a subclass of graphflow.backends.Backend")
    if not backend.kinds or backend.name == Backend.name:
        raise ArgumentError(
            f"{what}: backend {shorten(backend)} needs a `name` and the `kinds` of device it serves"
        )


def _forget(backend: type[Backend]) -> None:
    for device in [d for d in _instances if d.partition(":")[0] in backend.kinds]:
        del _instances[device]


def _classes() -> dict[str, type[Backend]]:
    with _lock:
        if not _found:
            from importlib import metadata  # not at the top: it costs as much as the rest of graphflow

            from graphflow.backends.cupy import CupyBackend
            from graphflow.backends.numpy import NumpyBackend

            _found.update({b.name: b for b in (NumpyBackend, CupyBackend)})  # no package can take these names
            for entry in metadata.entry_points(group=GROUP):
                try:
                    loaded = entry.load()
                    _check(loaded, f"entry point {entry.name!r}")
                except Exception as error:  # noqa: BLE001 another package's fault must not stop those that work
                    loaded = _broken(entry.name, error)
                _found.setdefault(loaded.name, loaded)
        return {**_found, **_registered}


def _broken(name: str, error: Exception) -> type[Backend]:
    """A stand-in for a backend whose module does not import: it is listed, and says why."""

    class Broken(Backend):
        kinds = (name,)

        @classmethod
        def devices(cls) -> list[DeviceInfo]:
            text = f"the package that provides it is broken ({type(error).__name__}: {error})"
            return [DeviceInfo(f"{name}:0", name, False, text)]

    Broken.name = name
    return Broken


def _devices(backend: type[Backend]) -> list[DeviceInfo]:
    try:
        return backend.devices()
    except Exception as error:  # noqa: BLE001 listing shows what is wrong instead of failing
        text = error.text if isinstance(error, GraphflowError) else f"{type(error).__name__}: {error}"
        return [DeviceInfo(f"{kind}:0", backend.name, False, text) for kind in backend.kinds]


def list_devices() -> list[DeviceInfo]:
    """Every device of every backend, those that are missing included, with what to install."""
    return [info for backend in _classes().values() for info in _devices(backend)]


def canonical(name: str | None) -> str:
    """The one spelling of a device: `"gpu:1"` for `"/gpu:1"`, `"gpu:0"` for `"cupy"`, `"cpu:0"` for None.

    A backend's name stands for its first kind. Raises ArgumentError for what is no device name, BackendError for
    a kind that no backend serves. The device itself may still be absent.
    """
    if name is None:
        return "cpu:0"
    device = canonical_device(name)
    kind, _, index = device.partition(":")
    backends = _classes().values()
    if any(kind in b.kinds for b in backends):
        return device
    for backend in backends:
        if kind == backend.name:
            return f"{backend.kinds[0]}:{index}"
    kinds = sorted({k for b in backends for k in (*b.kinds, b.name)})
    raise BackendError(f"no backend serves device {shorten(name)}; known: {', '.join(kinds)}")


def backend_for(device: str) -> Backend:
    """The backend instance for a device, made on first use; of several backends for its kind the last one.

    Raises BackendError, with the extra to install, when the device is absent.
    """
    known = _instances.get(device) if isinstance(device, str) else None  # plans spell names so already
    if known is not None:
        return known
    device = canonical(device)
    with _lock:
        known = _instances.get(device)
        if known is not None:
            return known
        kind, _, index = device.partition(":")
        serving = [b for b in _classes().values() if kind in b.kinds]
        infos = {info.name: info for info in _devices(serving[-1])}
        info = infos.get(device)
        if info is None:
            have = ", ".join(n for n, i in infos.items() if i.available) or "none"
            reasons = "; ".join(dict.fromkeys(i.detail for i in infos.values() if not i.available))
            raise BackendError(f"device {device!r} does not exist; have {have}. {reasons}".rstrip(". "))
        if not info.available:
            raise BackendError(f"device {device!r} cannot be used: {info.detail}")
        try:
            _instances[device] = serving[-1](int(index))
        except GraphflowError:
            raise
        except Exception as error:
            raise BackendError(
                f"device {device!r} cannot be used: {type(error).__name__}: {error}"
            ) from error
        return _instances[device]
