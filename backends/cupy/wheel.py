"""What of CuPy, the driver and GPUs is present, and the words for what is not.

CuPy is imported here and nowhere else, when a device is asked for or listed.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
import warnings
from typing import Any

from graphflow.backends.base import DeviceInfo
from graphflow.errors import BackendError

__all__ = ["device_rows", "driver_version", "import_cupy", "install_hint", "version_text"]

OLDEST_DRIVER = 12000
"""CUDA version, as the driver counts it, of the oldest driver that an extra serves."""

_DRIVER_LIBRARIES = {"win32": ("nvcuda.dll",), "darwin": ()}


def version_text(version: int) -> str:
    """`"12.8"` for CUDA's own 12080."""
    return f"{version // 1000}.{version % 1000 // 10}"


def driver_version() -> int | None:
    """The newest CUDA version that the installed NVIDIA driver serves, as 12080 for 12.8; None without a driver.

    Asks the driver's own library, so it needs no CuPy. Takes no GPU memory.
    """
    for name in _DRIVER_LIBRARIES.get(sys.platform, ("libcuda.so.1", "libcuda.so")):
        try:
            ask = ctypes.CDLL(name).cuDriverGetVersion
        except (OSError, AttributeError):
            continue
        version = ctypes.c_int()
        if ask(ctypes.byref(version)) == 0 and version.value > 0:
            return version.value
    return None


def install_hint(driver: int | None) -> str:
    """The command that installs the CuPy which fits a driver."""
    if driver is None:
        return (
            "pip install 'graphflow-engine[cuda12]' or 'graphflow-engine[cuda13]', whichever fits its driver"
        )
    if driver < OLDEST_DRIVER:
        return f"update the NVIDIA driver first: it serves CUDA {version_text(driver)} and CuPy needs 12.0 or newer"
    return f"pip install 'graphflow-engine[cuda{12 if driver < 13000 else 13}]'"


def import_cupy() -> Any:
    """The module `cupy`. Raises BackendError that names the extra to install where it is absent or broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # it warns of toolkits it cannot find; the first kernel says it better
            return importlib.import_module("cupy")
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            raise _broken(error) from error
        driver = driver_version()
        if driver is None:
            text = f"there is no NVIDIA driver here; on a machine with a GPU, {install_hint(None)}"
        else:
            text = f"CuPy is not installed: {install_hint(driver)}"
        raise BackendError(text) from None
    except Exception as error:  # a broken install fails in any way: OSError, SystemError
        raise _broken(error) from error


def _broken(error: Exception) -> BackendError:
    hint = install_hint(driver_version())
    return BackendError(f"CuPy is installed but does not import ({type(error).__name__}: {error}); {hint}")


def device_rows(backend: str) -> list[DeviceInfo]:
    """One row for each GPU, or a single one that says what is missing. Makes no CUDA context."""
    try:
        cupy = import_cupy()
    except BackendError as error:
        return [DeviceInfo("gpu:0", backend, False, f"{error}")]
    try:
        runtime = cupy.cuda.runtime
        count = runtime.getDeviceCount()
        return [_row(cupy, backend, index) for index in range(count)] or [
            _none_usable(cupy, backend, "it counts 0")
        ]
    except Exception as error:  # noqa: BLE001 CUDA's errors are RuntimeErrors, a half-installed CUDA raises any other
        return [_none_usable(cupy, backend, f"{type(error).__name__}: {error}")]


def _row(cupy: Any, backend: str, index: int) -> DeviceInfo:
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(index)
    name = properties["name"]
    label = name.decode() if isinstance(name, bytes) else str(name)
    nbytes = int(properties["totalGlobalMem"])
    driver, toolkit = version_text(runtime.driverGetVersion()), version_text(runtime.runtimeGetVersion())
    detail = (
        f"{label}, {nbytes / 2**30:.0f} GiB, compute capability {properties['major']}.{properties['minor']}, "
        f"CuPy {cupy.__version__}, CUDA {toolkit}, driver for CUDA {driver}"
    )
    return DeviceInfo(f"gpu:{index}", backend, True, detail, nbytes, (f"cuBLAS of CUDA {toolkit}",))


def _none_usable(cupy: Any, backend: str, why: str) -> DeviceInfo:
    driver = driver_version()
    if driver is None:
        reason = "there is no NVIDIA driver here"
    elif driver < OLDEST_DRIVER:
        reason = install_hint(driver)
    else:
        reason = f"the driver serves CUDA {version_text(driver)}; if that is older than CuPy's, {install_hint(driver)}"
    return DeviceInfo(
        "gpu:0", backend, False, f"CuPy {cupy.__version__} finds no usable GPU ({why}): {reason}"
    )
