"""A child process that measures, as its parent sees it: messages, deadlines, memory, and how it ended."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...system import require_posix

POLL_SECONDS = 0.1
"""How often the parent looks at the time and at the child's memory."""

EXIT_SECONDS = 10.0
"""How long a child may take to end after its last message."""

WORDS = 4096
"""Bytes of what the child printed last that are kept."""

THREAD_VARIABLES = ("ACCEL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
"""Numbers of threads: the other libraries are timed with as many as accel. jax reads the last."""

IDLE = {"OPENBLAS_THREAD_TIMEOUT": "20"}
"""Lets the idle threads of OpenBLAS, which computes NumPy's products, sleep after 2^20 cycles. By default they keep
their cores for 2^26 after a call, into the next library's turn, whose barriers then take 15 ms."""


def variables(threads: int) -> dict[str, str]:
    """What a process that measures has in its environment beside its parent's."""
    return dict.fromkeys(THREAD_VARIABLES, str(threads)) | IDLE


@dataclass(frozen=True)
class Ending:
    """Why there are no more messages. how: ``exit``, ``timeout`` or ``memory``. code: the exit code, negative for a
    signal. words: the last line on its stderr. resident: bytes, when it was killed for them."""

    how: str
    code: int = 0
    words: str = ""
    resident: int = 0

    def why(self) -> str:
        """For people."""
        if self.how == "timeout":
            return "out of time"
        if self.how == "memory":
            return f"the process held {self.resident} bytes"
        if self.code >= 0:
            said = f"exit code {self.code}"
        else:
            said = f"signal {-self.code} ({_signal(-self.code)})"
            if self.code == -signal.SIGKILL:
                said += ", which the system sends where memory runs out"
        return said + (f"; its last words: {self.words}" if self.words else "")


class Child:
    """A `worker` with a task, in a process group of its own, so that Ctrl-C reaches the parent alone and a kill
    reaches all that the child started. variables: of its environment, beside the parent's. module: that runs."""

    def __init__(
        self, task: dict[str, Any], variables: Mapping[str, str], module: str = f"{__package__}.worker"
    ) -> None:
        require_posix("measuring in a process of its own")
        command = [sys.executable, "-P", "-m", module]
        self._process = subprocess.Popen(
            ["env", *(f"{name}={value}" for name, value in variables.items()), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._lines: deque[bytes] = deque()
        self._part, self._words, self._killed = b"", b"", False
        self._selector = selectors.DefaultSelector()
        for stream in (self._process.stdout, self._process.stderr):
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ)
        with contextlib.suppress(BrokenPipeError):  # it ended at once; the first `next` says how
            self._process.stdin.write(json.dumps(task).encode())
            self._process.stdin.close()

    def next(self, deadline: float, memory: int | None = None) -> dict[str, Any] | Ending:
        """The next message; kills the child where none comes before a time of the monotonic clock, or where its
        resident memory exceeds so many bytes."""
        while True:
            while self._lines:
                try:
                    message = json.loads(self._lines.popleft())
                except ValueError:  # a line that a crash cut short, or that a library wrote to the pipe
                    continue
                if isinstance(message, dict):
                    return message
            open_still = self._read(max(0.0, min(POLL_SECONDS, deadline - time.monotonic())))
            if self._lines:
                continue
            if not open_still or self._process.poll() is not None:
                if open_still and self._read(0.0) and self._lines:
                    continue
                return self._ended()
            if memory is not None and (resident := resident_bytes(self._process.pid)) > memory:
                self.kill()
                return Ending("memory", resident=resident)
            if time.monotonic() >= deadline:
                self.kill()
                return Ending("timeout", words=self._last_line())

    def resident(self) -> int:
        """Bytes of memory that the child holds now."""
        return resident_bytes(self._process.pid)

    def terminate(self) -> None:
        """Ends the child's processes; whoever waits for its next message gets its ending. For other threads."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it is gone
            os.killpg(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Ends the child and all that it started. May be called again."""
        if self._killed:
            return
        self._killed = True
        self.terminate()
        self._process.wait()
        self._read(0.0)
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()

    def _read(self, seconds: float) -> bool:
        """Takes what has come, waiting at most so long; False where stdout is at its end."""
        for key, _ in self._selector.select(seconds):
            while True:
                try:
                    data = os.read(key.fd, 1 << 16)
                except BlockingIOError:
                    break
                if not data:
                    self._selector.unregister(key.fileobj)
                    break
                if key.fileobj is self._process.stderr:
                    self._words = (self._words + data)[-WORDS:]
                else:
                    *lines, self._part = (self._part + data).split(b"\n")
                    self._lines.extend(lines)
        return self._process.stdout in self._selector.get_map()

    def _ended(self) -> Ending:
        try:
            code = self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return Ending("timeout", words=self._last_line())
        self._read(0.0)
        return Ending("exit", code, self._last_line())

    def _last_line(self) -> str:
        lines = self._words.decode(errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else ""


def resident_bytes(pid: int) -> int:
    """Bytes of memory that a process holds; 0 where the system does not tell."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"
