"""A short clip: JPEG pictures in an AVI file (Motion JPEG), the same bytes for the same pictures on every machine.

Layout: "AVI RIFF File Reference" (Microsoft); RIFF('AVI ', hdrl(avih, strl(strh, strf)), movi(00dc ...), idx1).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import cv2
import numpy as np

from agent.ring import Still, scaled
from agent.types import Image
from wire.messages import MAX_EVIDENCE_BYTES

WIDTH_PX = 640
"""Twenty pictures of 640x360 are about 400 kB: how a vehicle moved is seen; its plate is in the other pictures."""
_QUALITIES = (75, 60, 45)
_SHRINK = 0.8
_HAS_INDEX, _KEYFRAME = 0x10, 0x10


def clip(stills: Sequence[Still], limit_bytes: int = MAX_EVIDENCE_BYTES) -> bytes:
    """The stills at half their size as a film of at most so many bytes, at their pace; two stills or more."""
    period_us = round((stills[-1].mono_ns - stills[0].mono_ns) / 1000 / (len(stills) - 1))
    images = [_half(still) for still in stills]
    full_width, full_height = stills[0].size_px
    width = min(WIDTH_PX, full_width // 2)
    while True:
        size_px = (width, max(1, round(full_height * width / full_width)))
        small = [scaled(image, size_px) for image in images]
        for quality in _QUALITIES:
            film = avi([_jpeg(image, quality) for image in small], size_px, period_us)
            if len(film) <= limit_bytes:
                return film
        width = int(width * _SHRINK)


def avi(pictures: Sequence[bytes], size_px: tuple[int, int], period_us: int) -> bytes:
    """JPEG pictures of one size (width, height) as an AVI file, each shown for `period_us` microseconds."""
    chunks = [_chunk(b"00dc", picture) for picture in pictures]
    offsets = [4 + sum(map(len, chunks[:number])) for number in range(len(chunks))]
    index = b"".join(
        struct.pack("<4s3I", b"00dc", _KEYFRAME, offset, len(picture))
        for offset, picture in zip(offsets, pictures, strict=True)
    )
    headers = _headers(len(pictures), max(map(len, pictures)), size_px, period_us)
    body = headers + _list(b"movi", b"".join(chunks)) + _chunk(b"idx1", index)
    return _chunk(b"RIFF", b"AVI " + body)


def _headers(count: int, largest_bytes: int, size_px: tuple[int, int], period_us: int) -> bytes:
    width, height = size_px
    per_s = largest_bytes * 1_000_000 // period_us
    main = struct.pack("<14I", period_us, per_s, 0, _HAS_INDEX, count, 0, 1, largest_bytes, width, height, 0, 0, 0, 0)
    stream = struct.pack(
        "<4s4sIHHIIIIIIII4H",
        *(b"vids", b"MJPG", 0, 0, 0, 0, period_us, 1_000_000, 0, count, largest_bytes, 0xFFFFFFFF, 0),
        *(0, 0, width, height),
    )
    picture = struct.pack("<IiiHH4sIiiII", 40, width, height, 1, 24, b"MJPG", width * height * 3, 0, 0, 0, 0)
    return _list(b"hdrl", _chunk(b"avih", main) + _list(b"strl", _chunk(b"strh", stream) + _chunk(b"strf", picture)))


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _list(name: bytes, content: bytes) -> bytes:
    return _chunk(b"LIST", name + content)


def _half(still: Still) -> Image:
    """At half the size a JPEG decodes in half the time: a clip of twenty takes 60 ms on a desktop's core."""
    data = np.frombuffer(still.jpeg, np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_REDUCED_COLOR_2)  # type: ignore[return-value]


def _jpeg(image: Image, quality: int) -> bytes:
    return cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()
