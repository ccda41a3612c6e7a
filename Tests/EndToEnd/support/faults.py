"""Makes system calls of the program fail on demand. The other half is fault_shim.c."""

import contextlib
import errno
import mmap
import pathlib
import struct
import subprocess

SHIM = pathlib.Path(__file__).with_name("fault_shim.c")
# As `struct fault` in the shim: armed, error, passes, met, call, ending.
FAULT = struct.Struct("4i16s48s")
COUNT = 4
# In place of an errno: the call is made, and the program is killed before it learns the result.
DEATH = -1


class Faults:
    """Faults for one program, which has to be started with `environment`."""

    def __init__(self, folder: pathlib.Path):
        """`folder`: the test's own. The shim is compiled once a run, beside that folder."""
        library = folder.parent / "fault_shim.so"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, SHIM], check=True)
        control = folder / "faults"
        control.write_bytes(bytes(COUNT * FAULT.size))
        self.environment = {"LD_PRELOAD": str(library), "FAULTS": str(control)}
        with open(control, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    @contextlib.contextmanager
    def armed(self, call: str, ending: str, code: int, *, passes: int = 0, slot: int = 0):
        """In the context, `call` fails with this errno on files whose names end with `ending`, after `passes` calls.

        The program has to run into the fault: a fault that no call met proves nothing.
        """
        at = slot * FAULT.size
        self.memory[at : at + FAULT.size] = FAULT.pack(0, code, passes, 0, call.encode(), ending.encode())
        struct.pack_into("i", self.memory, at, 1)
        try:
            yield
        finally:
            struct.pack_into("i", self.memory, at, 0)
        met = FAULT.unpack_from(self.memory, at)[3]
        assert met > 0, f"no {call} on *{ending} ran into {errno.errorcode.get(code, 'a short write')}"
