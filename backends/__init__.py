"""What allocates, copies and computes on one kind of device; found by entry point, chosen by device name."""

from __future__ import annotations

import os

from graphflow.backends.base import Backend, DeviceInfo
from graphflow.backends.registry import backend_for, canonical, list_devices, register, unregister
from graphflow.origin import mark_internal

__all__ = ["Backend", "DeviceInfo", "backend_for", "canonical", "list_devices", "register", "unregister"]

mark_internal(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 names as code objects hold them
