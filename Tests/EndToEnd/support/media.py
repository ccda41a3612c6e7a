"""Real pictures and films for the page's thumbnails. The browser itself records the film."""

import base64
import pathlib
import struct
import zlib

RECORD = """
    const [color, done] = arguments;
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const context = canvas.getContext('2d');
    context.fillStyle = color;
    const paint = () => context.fillRect(0, 0, 160, 90);
    // Before the first frame is taken, and again for every other one.
    paint();
    const painting = setInterval(paint, 20);
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: 'video/webm;codecs=vp8' });
    recorder.ondataavailable = async ({ data }) => {
      clearInterval(painting);
      const bytes = new Uint8Array(await data.arrayBuffer());
      done(btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')));
    };
    recorder.start();
    setTimeout(() => recorder.stop(), 600);
"""


def png(width: int, height: int, colors: list[tuple[int, int, int]]) -> bytes:
    """A picture of horizontal stripes, one below the other."""
    return encode_png(width, height, [bytes(colors[y * len(colors) // height]) * width for y in range(height)])


def encode_png(width: int, height: int, rows: list[bytes]) -> bytes:
    """A picture from rows of red, green and blue bytes (PNG specification, 5 and 11.2)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    lines = b"".join(b"\0" + row for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def record_film(browser, path: pathlib.Path, color: str) -> None:
    """Records half a second of one colour as WebM."""
    path.write_bytes(base64.b64decode(browser.async_script(RECORD, color)))
