"""The first words of a child process, before it becomes the program that it is for: run as a script, with nothing else.

    python -I -S child.py PARENT_PID LIMITS PROGRAM ARGUMENT…

A program of its own rather than a `preexec_fn`: that would run Python between fork and exec in a process with threads.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_NOT_FOUND = 127


def main() -> None:
    """Arranges what the child must not escape, then becomes the program."""
    parent, limits, program = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    if sys.platform == "linux":
        _die_with(parent)
        _be_the_first_to_go()
    _limit(limits)
    os.nice(5)  # the dashboard and the database answer first
    try:
        os.execv(program, sys.argv[3:])  # noqa: S606
    except OSError as error:
        print(f"cannot run {os.path.basename(program)}: {error.strerror}", file=sys.stderr)  # noqa: PTH119, T201
        os._exit(_NOT_FOUND)


def _die_with(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _be_the_first_to_go() -> None:
    # Where memory runs out, the kernel shall take the encoder and not the worker, which can then say what happened.
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123 - pathlib costs 10 ms
            file.write("500")
    except OSError:
        pass


def _limit(limits: str) -> None:
    import resource

    # A crash of a decoder must not write a person's video into a core file.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for pair in filter(None, limits.split(",")):
        name, _, value = pair.partition("=")
        # The CPU's own signal, SIGXCPU, comes at the soft limit, if SIGKILL does not come at the hard one first.
        hard = int(value) + (name == "CPU")
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (int(value), hard))


if __name__ == "__main__":
    main()
