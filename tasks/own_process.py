"""What a worker does to a process of its own: ends with taskiq's manager, ends in time, collects less garbage."""

import ctypes
import gc
import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1
_GC_THRESHOLD = 10_000


def end_with_parent() -> None:
    """Has the kernel stop this process when taskiq's manager is gone, kill -9 included (Linux only)."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if parent == 1 or os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def exit_at_last(seconds: float) -> None:
    """Ends the process after that time: a job's thread that never ends must not keep a worker that is to stop."""
    timer = threading.Timer(seconds, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


def spare_collector() -> None:
    """What is loaded by now stays: the collector need not go through it again and again (a tenth of the throughput)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)
