"""What processes cost, by what the kernel counts of them."""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import re

TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Usage:
    """Of some processes, since they began."""

    # Processor time in seconds, the kernel's on their behalf included; what it writes back later is nobody's.
    cpu: float
    # Bytes of the pages that they made the kernel write (write_bytes in proc(5)): not what goes through sockets.
    written: int
    # The most resident memory in bytes. Of several processes the sum, in which shared pages count several times.
    peak: int

    def since(self, earlier: "Usage") -> "Usage":
        return Usage(self.cpu - earlier.cpu, self.written - earlier.written, self.peak)


def usage(*roots: int) -> Usage:
    """Of these processes and their children."""
    cpu = written = peak = 0
    for pid in families(roots):
        folder = pathlib.Path(f"/proc/{pid}")
        # The name, in brackets, may have blanks in it. User and system time are fields 14 and 15.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / TICKS
        written += int(re.search(r"^write_bytes: (\d+)$", (folder / "io").read_text(), re.M)[1])
        peak += int(re.search(r"^VmHWM:\s+(\d+) kB$", (folder / "status").read_text(), re.M)[1]) * 1024
    return Usage(cpu, written, peak)


def families(roots) -> list[int]:
    """The processes, their children, and so on."""
    found = []
    for pid in roots:
        found.append(pid)
        for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
            found += families(map(int, children.read_text().split()))
    return found


def dirty_bytes() -> int:
    """What the whole machine holds in memory that is not on a disk yet."""
    return _memory("Dirty") + _memory("Writeback")


# Of free page reporting, by which a virtual machine returns free memory to its host: the smallest blocks that it returns,
# as a power of two of pages.
REPORTED_ORDER = pathlib.Path("/sys/module/page_reporting/parameters/page_reporting_order")
# Linux has no larger blocks than 2^10 pages.
NEVER_REPORTED = "11"


@contextlib.contextmanager
def kept_memory():
    """Has a virtual machine keep its memory meanwhile, all of it filled once: then nobody who is measured pays for what
    was returned to the host (see `touch_memory`). Only root may: says whether it could."""
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
    """Has the kernel fill so many bytes of memory, nine tenths of what is available at most, and gives them back.

    A virtual machine may have returned its free memory to the host. The first to use a GiB of that pays more than two
    seconds of a processor, several times what an upload takes: that must not be whoever happens to be measured.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
    mmap.mmap(-1, min(count, _memory("MemAvailable") * 9 // 10), flags=flags).close()


def _memory(name: str) -> int:
    """One line of /proc/meminfo, in bytes."""
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
    # btrfs gives each subvolume a device number of its own, which is not listed.
    return "unknown"
