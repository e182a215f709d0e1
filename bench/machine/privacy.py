"""What a result file may tell of the machine's settings: nothing that says whose machine it is, or where."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any

from ...config import OPTIONS
from ...config import environment as variable

VARIABLES = (
    *(option.variable for option in OPTIONS if option.name != "cache_dir"),
    "OMP_NUM_THREADS", "OMP_PROC_BIND", "OMP_PLACES", "MKL_NUM_THREADS", "MKL_ENABLE_INSTRUCTIONS",
    "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR", "ZE_AFFINITY_MASK", "TRITON_INTERPRET",
    "POCL_DEVICES", "POCL_AFFINITY", "POCL_MAX_PTHREAD_COUNT", "POCL_CPU_MAX_CU_COUNT", "POCL_WORK_GROUP_METHOD",
    "POCL_KERNEL_CACHE", "CL_CONFIG_CPU_FORCE_MAX_WORK_GROUP_NUM", "CL_CONFIG_CPU_TARGET_ARCH",
)  # fmt: skip
"""Environment variables that change what is measured and say nothing of whose machine it is."""

PATH, WITHHELD = "(a path)", "(withheld)"

_PATHS = re.compile(r"(?<![\w.)])(?:~\w*|\.{0,2})/[^\s;,:/]+[^\s;,:]*|(?<!\w)[A-Za-z]:\\\S*")


def environment(
    read: Callable[[str], str | None] = variable, identities: Sequence[str] | None = None
) -> dict[str, str]:
    """Those of VARIABLES that are set. A value that has a path in it is replaced by "(a path)"."""
    found = {}
    for name in VARIABLES:
        value = read(name)
        if value is not None:
            found[name] = PATH if re.search(r"[/\\~]", value) else anonymous(value, identities)
    return found


def anonymous(value: Any, identities: Sequence[str] | None = None) -> Any:
    """A value of JSON without paths and without the words that name the machine or its user."""
    names = personal() if identities is None else identities
    if isinstance(value, dict):
        return {str(key): anonymous(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [anonymous(item, names) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = _PATHS.sub(PATH, str(value))
    for name in names:
        text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", WITHHELD, text, flags=re.IGNORECASE)
    return text


def personal() -> tuple[str, ...]:
    """The host's names and the user's, the longest first. Names of one or two letters name nobody, and would be found
    everywhere."""
    host_name = socket.gethostname()
    names = {
        host_name,
        host_name.partition(".")[0],
        variable("USER") or "",
        variable("LOGNAME") or "",
        variable("USERNAME") or "",
    }
    with contextlib.suppress(ImportError, KeyError):  # Windows; a container's user without an entry
        import pwd

        names.add(pwd.getpwuid(os.getuid()).pw_name)
    return tuple(sorted((name for name in names if len(name) > 2), key=len, reverse=True))
