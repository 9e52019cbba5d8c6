"""System calls that a connector's process has no use for, by their numbers on each machine (pure).

The numbers are the kernel's own: `arch/x86/entry/syscalls/syscall_64.tbl` and `include/uapi/asm-generic/unistd.h`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

#: The same everywhere: since Linux 5.x new calls have one number on all machines.
CLONE3 = 435
_EVERYWHERE = (
    *(424, 434, 438),  # pidfd_send_signal, pidfd_open, pidfd_getfd
    *(425, 426, 427),  # io_uring_setup, io_uring_enter, io_uring_register: they make sockets past any filter
    *(428, 429, 430, 431, 432, 433, 442),  # open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr
    *(440, 448),  # process_madvise, process_mrelease
)


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of processor: its name in the audit header, how threads are made, and what is refused."""

    arch: int
    clone: int
    refused: tuple[int, ...]


_X86_64 = (
    *(41, 42, 43, 49, 50, 53, 288),  # socket, connect, accept, bind, listen, socketpair, accept4
    *(57, 58, 59, 322),  # fork, vfork, execve, execveat
    *(62, 200, 234, 129, 297, 302),  # kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, prlimit64
    *(101, 310, 311, 312, 298, 321, 323),  # ptrace, process_vm_readv/writev, kcmp, perf_event_open, bpf, userfaultfd
    *(272, 308, 165, 166, 155, 161),  # unshare, setns, mount, umount2, pivot_root, chroot
    *(175, 313, 176, 246, 320),  # init_module, finit_module, delete_module, kexec_load, kexec_file_load
    *(248, 249, 250),  # add_key, request_key, keyctl
    *(303, 304),  # name_to_handle_at, open_by_handle_at
    *(29, 30, 64, 68, 240),  # shmget, shmat, semget, msgget, mq_open
)
_AARCH64 = (
    *(198, 203, 202, 200, 201, 199, 242),
    *(221, 281),  # execve, execveat; there is no fork and no vfork
    *(129, 130, 131, 138, 240, 261),
    *(117, 270, 271, 272, 241, 280, 282),
    *(97, 268, 40, 39, 41, 51),
    *(105, 273, 106, 104, 294),
    *(217, 218, 219),
    *(264, 265),
    *(194, 196, 190, 186, 180),
)

#: By what the machine calls itself.
MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "x86_64": Machine(0xC000003E, 56, _X86_64 + _EVERYWHERE),
        "aarch64": Machine(0xC00000B7, 220, _AARCH64 + _EVERYWHERE),
    }
)
