"""Small file systems that a test mounts for its own use. Mounting needs root, or sudo without a password."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest

MIB = 1024 * 1024


def as_root(*arguments) -> None:
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    subprocess.run([*sudo, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def mounted(folder: pathlib.Path, *what):
    """`what`: the arguments of mount(8) before the folder."""
    folder.mkdir()
    try:
        as_root("mount", *what, folder)
    except (OSError, subprocess.CalledProcessError):
        # A developer's machine may lack the rights. Continuous integration must run these tests.
        if os.geteuid() == 0 or "CI" in os.environ:
            raise
        pytest.skip("mounting needs root or sudo without a password")
    try:
        as_root("chown", os.geteuid(), folder)
        yield folder
    finally:
        unmount(folder)


def unmount(folder: pathlib.Path) -> None:
    """Unmounts the folder. The kernel may take a moment to close the files of a process that has ended."""
    for _ in range(50):
        with contextlib.suppress(subprocess.CalledProcessError):
            return as_root("umount", folder)
        time.sleep(0.1)
    raise AssertionError(f"{folder} is still in use")


def tmpfs(folder: pathlib.Path, size: int):
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def image(folder: pathlib.Path, kind: str, size: int, *options: str, file: pathlib.Path | None = None):
    """A file system of that kind on a loop device. `file`: its sparse image, by default a file beside the folder."""
    file = file or folder.with_suffix(f".{kind}")
    with open(file, "wb") as sparse:
        sparse.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", *options, file], check=True, stdout=subprocess.DEVNULL)
    return mounted(folder, "-o", "loop", file)


@contextlib.contextmanager
def ignoring_case(folder: pathlib.Path, size: int):
    """A file system that ignores case: NTFS, which the kernel reaches through FUSE."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("this machine has no FUSE")
    file = folder.with_suffix(".ntfs")
    with open(file, "wb") as sparse:
        sparse.truncate(size)
    subprocess.run(["mkfs.ntfs", "-F", "-Q", "-q", file], check=True, stdout=subprocess.DEVNULL)
    with mounted(folder, "-t", "lowntfs-3g", "-o", "ignore_case,loop", file):
        yield folder


def cut_power(folder: pathlib.Path) -> None:
    """Discards everything on an ext4 image that was not synced, as a power failure does: the file system's journal and
    all data that is only in memory. Mounts the image again afterwards."""
    # EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
    shutdown = "import fcntl, os, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, b'\\2\\0\\0\\0')"
    as_root(sys.executable, "-c", shutdown, folder)
    unmount(folder)
    as_root("mount", "-o", "loop", folder.with_suffix(".ext4"), folder)


def read_from_disk(file: pathlib.Path) -> bytes:
    """The file's content on the medium. The page cache is dropped first."""
    with open(file, "rb") as content:
        os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return content.read()


def fill(file: pathlib.Path, leave: int = 0) -> None:
    """Allocates all space of the file's file system but `leave` bytes."""
    space = os.statvfs(file.parent)
    with open(file, "wb", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, space.f_bavail * space.f_frsize - leave)
        if leave == 0:
            # statvfs(3) is not exact to the block.
            filler.seek(0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
