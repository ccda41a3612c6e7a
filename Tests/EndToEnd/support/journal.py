"""Writes records into the store's journals, by the byte table at the top of Sources/UploadStore/Journal/JournalFormat.swift.

It creates states that would otherwise take hours and a large disk. It is written from the table alone, which shows that
the table is complete.
"""

import ctypes
import hashlib
import os
import pathlib
import struct

MAGIC = b"RSMBLD\0\2"
RECORD = 32
HELD = 1
PUBLISHING = 5
PUBLISHED = 6
ADOPTED = 7
# Record kinds that are followed by bytes: the number of these bytes, from the record's first number.
LONG = {11: lambda a: a, 13: lambda a: a >> 32}

xxhash = ctypes.CDLL("libxxhash.so.0")
xxhash.XXH3_64bits_withSeed.restype = ctypes.c_uint64
xxhash.XXH3_64bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]


def xxh3(content: bytes, seed: int = 0) -> int:
    return xxhash.XXH3_64bits_withSeed(content, len(content), seed)


def key(identifier: str, filename: str) -> str:
    """The name that the files of an upload begin with."""
    encoded = identifier.encode()
    return hashlib.sha256(f"{len(encoded)}:".encode() + encoded + filename.encode()).hexdigest()


class Journal:
    """The journal of an upload that the program has begun."""

    def __init__(self, root: pathlib.Path, identifier: str, filename: str):
        self.path = root / ".resumabled" / f"{key(identifier, filename)}.journal"
        content = self.path.read_bytes()
        assert content.startswith(MAGIC)
        (self.header_length,) = struct.unpack_from("<I", content, 8)
        (self.seed,) = struct.unpack_from("<Q", content, 32)
        position = self.header_length
        while position + RECORD <= len(content):
            kind, check, a = struct.unpack_from("<BxxxIQ", content, position)
            self.step(check)
            position += RECORD * (1 + (LONG[kind](a) + RECORD - 1) // RECORD if kind in LONG else 1)

    def step(self, check: int) -> None:
        """Advances the seed past a record with that check."""
        self.seed = (self.seed + 1 + (check << 32)) % (1 << 64)

    def record(self, kind: int, a: int = 0, b: int = 0, c: int = 0) -> bytes:
        """The bytes of the next record."""
        unchecked = struct.pack("<BxxxIQQQ", kind, 0, a, b, c)
        check = xxh3(unchecked, self.seed) % (1 << 32)
        self.step(check)
        return struct.pack("<BxxxIQQQ", kind, check, a, b, c)

    def append(self, content: bytes) -> None:
        with open(self.path, "ab") as file:
            file.write(content)

    def lengthen(self, size: int) -> None:
        """Makes the data file so long that it can have the ranges. The new bytes take no space."""
        (data,) = self.path.parent.glob(f"{self.path.stem}-*.data")
        if data.stat().st_size < size:
            os.truncate(data, size)

    def adopt(self, ranges) -> None:
        """Appends records that the ranges, (start, end), are held and were synced before."""
        ranges = list(ranges)
        self.lengthen(max(end for _, end in ranges))
        self.append(b"".join(self.record(ADOPTED, start, end - start) for start, end in ranges))

    def hold(self, ranges) -> None:
        """Appends records that the ranges, (start, end), are held, with a checksum of 0. Nothing compares that with
        bytes unless there is a reboot."""
        ranges = list(ranges)
        self.lengthen(max(end for _, end in ranges))
        self.append(b"".join(self.record(HELD, start, end - start) for start, end in ranges))

    def move(self, inode: int) -> None:
        """Rewrites the records about the final name, as if the finished file had that inode."""
        content = self.path.read_bytes()
        (self.seed,) = struct.unpack_from("<Q", content, 32)
        records, position = content[: self.header_length], self.header_length
        while position + RECORD <= len(content):
            kind, a, b, c = struct.unpack_from("<BxxxxxxxQQQ", content, position)
            records += self.record(kind, a, inode if kind in (PUBLISHING, PUBLISHED) else b, c)
            payload = -(-LONG[kind](a) // RECORD) * RECORD if kind in LONG else 0
            position += RECORD
            records += content[position : position + payload]
            position += payload
        self.path.write_bytes(records)
