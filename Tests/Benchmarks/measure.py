"""The resources that processes use, by the kernel's counters."""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import re

TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    """The resources that some processes have used since their start."""

    # Processor time in seconds, in user and kernel mode. The kernel's write-back in the background is not included.
    cpu: float
    # Bytes of the pages that the processes made the kernel write (write_bytes in proc(5)), without sockets.
    written: int
    # The peak of resident memory in bytes. It is the sum over the processes, so shared pages count several times.
    peak: int

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu - earlier.cpu, self.written - earlier.written, self.peak)


def usage(*roots: int) -> Usage:
    """The usage of these processes and their descendants."""
    cpu = written = peak = 0
    for pid in families(roots):
        folder = pathlib.Path(f"/proc/{pid}")
        # The name, in parentheses, can contain spaces. User and system time are fields 14 and 15.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / TICKS
        written += int(re.search(r"^write_bytes: (\d+)$", (folder / "io").read_text(), re.M)[1])
        peak += int(re.search(r"^VmHWM:\s+(\d+) kB$", (folder / "status").read_text(), re.M)[1]) * 1024
    return Usage(cpu, written, peak)


def families(roots) -> list[int]:
    """The ids of these processes and their descendants."""
    found = []
    for pid in roots:
        found.append(pid)
        for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            found += families(map(int, children.read_text().split()))
    return found


def dirty_bytes() -> int:
    """The bytes in the memory of the whole machine that are not on a disk yet."""
    return _memory("Dirty") + _memory("Writeback")


# A virtual machine returns free memory to its host (free page reporting). This is the size of the smallest blocks that
# it returns, as a power of two of pages.
REPORTED_ORDER = pathlib.Path("/sys/module/page_reporting/parameters/page_reporting_order")
# Linux has no blocks of more than 2^10 pages, so this value turns it off.
NEVER_REPORTED = "11"


@contextlib.contextmanager
def kept_memory():
    """Makes a virtual machine fill all its memory once, and keep it during the measurement, so that no measured process
    has to get memory back from the host (see `touch_memory`). Yields whether it worked; it needs root."""
    try:
        before = REPORTED_ORDER.read_text()
        REPORTED_ORDER.write_text(NEVER_REPORTED)
    except OSError:
        yield False
        return
    try:
        touch_memory(_memory("MemAvailable"))
        yield True
    finally:
        REPORTED_ORDER.write_text(before)


def touch_memory(count: int) -> None:
    """Allocates `count` bytes of memory, at most nine tenths of what is available, and frees them.

    A virtual machine may have returned its free memory to the host. The first process to use a GiB of it spends more
    than two seconds of a processor, several times as much as an upload. That process must not be one that is measured.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, min(count, _memory("MemAvailable") * 9 // 10), flags=flags).close()


def _memory(name: str) -> int:
    """The value of one line of /proc/meminfo, in bytes."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB$", text, re.M)[1]) * 1024


def file_system(path: pathlib.Path) -> str:
    """The type of the file system that holds `path`."""
    device = path.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0]
    # The device numbers of btrfs subvolumes are not listed.
    return "unknown"
