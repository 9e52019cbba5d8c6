"""Run by a bare interpreter, not imported: starts postgres so that it cannot outlive the process that asked for it.

On Linux the kernel sends SIGINT (a fast shutdown) when the parent dies; elsewhere this process stays
and sends it when the pipe on its standard input closes. Arguments: mode, parent's pid, uid, gid, command.
"""

import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1


def _become(uid: int, gid: int) -> None:
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([gid])
        os.setgid(gid)
        os.setuid(uid)


def _ask_kernel(parent: int, uid: int, gid: int) -> None:
    # Before the change of user: the new one may not be able to read the library's folder.
    import ctypes  # noqa: PLC0415 - only this mode pays for it

    library = ctypes.CDLL(None, use_errno=True)
    _become(uid, gid)
    # After the change of user, which clears the request.
    if library.prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0) != 0:
        sys.exit("the kernel refused the parent-death signal")
    if os.getppid() != parent:
        sys.exit("the parent is gone")


def _watch_pipe(command: list[str]) -> int:
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    child = os.fork()
    if child == 0:
        os.execv(command[0], command)  # noqa: S606 - the command is ours
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda got, _: os.kill(child, got))
    watched = [0, woken]
    while True:
        ready = select.select(watched, [], [])[0]
        if woken in ready:
            os.read(woken, 64)
        if 0 in ready and not os.read(0, 64):
            os.kill(child, signal.SIGINT)
            watched = [woken]
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return max(0, os.waitstatus_to_exitcode(status))


def main(arguments: list[str]) -> int:
    """Become the given user, arrange for the end, then become (or watch) the command."""
    mode, parent, uid, gid, *command = arguments
    if mode == "kernel":
        _ask_kernel(int(parent), int(uid), int(gid))
        os.execv(command[0], command)  # noqa: S606 - the command is ours
    _become(int(uid), int(gid))
    return _watch_pipe(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
