"""Whole data frames cut out of a WebSocket's bytes, a burst of them at a time.

At the market's peak 45,000 frames a second come, nearly all of one kind: a whole message, not
compressed, below 64 KiB. `websockets` reads a frame in 6 us of generators and objects; looking
at two bytes of its header and slicing takes a tenth of it. Whatever is not of that kind (control
frames, fragments, larger frames, anything wrong) is left to the library, byte for byte, and so
is judging it.
"""

from __future__ import annotations

from collections.abc import Iterator

_TEXT, _BINARY = 0x81, 0x82  # first byte: final, no extension, opcode
_FINAL, _OPCODE = 0x80, 0x0F
_KNOWN = frozenset((0x0, 0x1, 0x2, 0x8, 0x9, 0xA))
_CONTROL = 0x8  # the first opcode that is no data
_TWO_BYTES, _EIGHT_BYTES = 126, 127  # in place of a length: that follows in so many
_MASKED = 0x80
_ENDLESS = 2**64


class FrameCutter:
    """Cut a server's bytes into payloads and bytes to be read by the library.

    The library must be given every piece of bytes in turn, and what is cut is void from the
    moment it finds a mistake in them. Memory: one frame below 64 KiB that is not whole yet.
    """

    def __init__(self) -> None:
        self._tail = b""  # the beginning of a frame
        self._passing = 0  # bytes of a frame the library is given that are still to come
        self._fragmented = False

    def __call__(self, data: bytes) -> Iterator[list[bytes] | bytes]:
        """Yield payloads of whole data frames, and other bytes as they are, in their order."""
        if self._passing:
            passed = data[: self._passing]
            self._passing -= len(passed)
            yield passed
            data = data[len(passed) :]
        if self._tail:
            data, self._tail = self._tail + data, b""
        at = 0
        while at < len(data):
            frames, at = self._cut(data, at)
            if frames:
                yield frames
            other = self._other(data, at)
            if not other:
                self._tail = data[at:]
                return
            yield data[at : at + other]
            at += other

    def rest(self) -> bytes:
        """Return, once, the beginning of a frame that is not whole."""
        rest, self._tail = self._tail, b""
        return rest

    def _cut(self, data: bytes, at: int) -> tuple[list[bytes], int]:
        """Return the payloads of the whole data frames from `at` on, and where others begin."""
        frames: list[bytes] = []
        end = len(data)
        if self._fragmented:
            return frames, at
        while end - at >= 2:
            first, size = data[at], data[at + 1]
            if (first != _TEXT and first != _BINARY) or size > _TWO_BYTES:
                break
            start = at + 2
            if size == _TWO_BYTES:
                if end - at < 4:
                    break
                size, start = data[at + 2] << 8 | data[at + 3], at + 4
            if start + size > end:
                break
            at = start + size
            frames.append(data[start:at])
        return frames, at

    def _other(self, data: bytes, at: int) -> int:
        """Return how many bytes from `at` on are the library's; 0: that cannot be told yet."""
        here = len(data) - at
        if here < 2:
            return 0
        first, size = data[at], data[at + 1]
        opcode = first & _OPCODE
        if size & _MASKED or opcode not in _KNOWN:
            self._passing = _ENDLESS  # a mistake: what follows is of no use
            return here
        simple = first in (_TEXT, _BINARY) and size <= _TWO_BYTES and not self._fragmented
        header = 2 if size < _TWO_BYTES else 4 if size == _TWO_BYTES else 10
        if simple or here < header:
            return 0
        if size >= _TWO_BYTES:
            size = int.from_bytes(data[at + 2 : at + header], "big")
        if opcode < _CONTROL:
            self._fragmented = not first & _FINAL
        whole = header + size
        self._passing = max(0, whole - here)
        return min(whole, here)
