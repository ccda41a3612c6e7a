"""Small file systems of a test's own, mounted for as long as it lasts. That takes root, or sudo without a password."""

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
        # On a developer's machine; continuous integration may not leave the proof out.
        if os.geteuid() == 0 or "CI" in os.environ:
            raise
        pytest.skip("mounting takes root or sudo")
    try:
        as_root("chown", os.geteuid(), folder)
        yield folder
    finally:
        unmount(folder)


def unmount(folder: pathlib.Path) -> None:
    """The kernel may take a moment to close the files of a process that is gone."""
    for _ in range(50):
        with contextlib.suppress(subprocess.CalledProcessError):
            return as_root("umount", folder)
        time.sleep(0.1)
    raise AssertionError(f"{folder} is still in use")


def tmpfs(folder: pathlib.Path, size: int):
    return mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


def image(folder: pathlib.Path, kind: str, size: int, *options: str, file: pathlib.Path | None = None):
    """A file system of that kind in a sparse file (beside the folder, if nothing is said), through a loop device."""
    file = file or folder.with_suffix(f".{kind}")
    with open(file, "wb") as sparse:
        sparse.truncate(size)
    subprocess.run([f"mkfs.{kind}", "-q", *options, file], check=True, stdout=subprocess.DEVNULL)
    return mounted(folder, "-o", "loop", file)


def cut_power(folder: pathlib.Path) -> None:
    """Takes everything from an ext4 image that was not synced, as it is when the machine's power fails: its journal is
    thrown away, and so is what was written in memory only. Then it is mounted again."""
    # EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
    shutdown = "import fcntl, os, sys; fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, b'\\2\\0\\0\\0')"
    as_root(sys.executable, "-c", shutdown, folder)
    unmount(folder)
    as_root("mount", "-o", "loop", folder.with_suffix(".ext4"), folder)


def read_from_disk(file: pathlib.Path) -> bytes:
    """What the medium has of a file, and not what is left of it in memory."""
    with open(file, "rb") as content:
        os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return content.read()


def fill(file: pathlib.Path, leave: int = 0) -> None:
    """Takes all room of the file's file system but `leave` bytes."""
    space = os.statvfs(file.parent)
    with open(file, "wb", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, space.f_bavail * space.f_frsize - leave)
        if leave == 0:
            # What statvfs(3) says is not exact to the block.
            filler.seek(0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while True:
                    filler.write(bytes(4096))
