"""`errors.html`: each plate that was not read right, beside what was read and why. It holds real plates."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from agent.capture import read_image
from agent.types import Corners, Image, PlateRead
from training.evaluation.results import plate_line
from training.evaluation.run import PictureOutcome, PlateOutcome

PICTURE_PX = 420
"""Longest side of the pictures as they are shown."""
CROP_PX = (320, 120)
_TRUE, _TAKEN = (90, 200, 60), (40, 160, 255)
"""Outlines, BGR: green where the plate truly is, orange what was taken for it."""

_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Errors</title>
<style>
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
.warning { background: #fff3d6; padding: .6em 1em; border-left: 4px solid #d90; }
section { display: flex; flex-wrap: wrap; gap: 1em; border-top: 1px solid #ccc; padding: 1em 0; }
h2 { font-size: 1em; margin: 0 0 .4em; flex-basis: 100%; overflow-wrap: anywhere; }
img { max-width: 100%; display: block; margin-bottom: .3em; }
td, th { text-align: left; padding: .1em .8em .1em 0; vertical-align: top; } code { font-size: 1.1em; }
</style>
<h1>Errors</h1>
<p class="warning">This page holds photos and texts of real plates. Keep it on this machine and never commit it.</p>
<p>Green: where the plate is. Orange: what was taken for it.</p>
"""


def write_errors(folders: Sequence[tuple[str, Sequence[PictureOutcome]]], target: Path) -> None:
    """Write the page; it needs no other file."""
    parts = [part for name, outcomes in folders for outcome in outcomes for part in _sections(name, outcome)]
    target.write_text(_HEAD + (("\n".join(parts)) or "<p>None.</p>") + "\n</html>\n", encoding="utf-8")


def _sections(folder: str, outcome: PictureOutcome) -> Iterator[str]:
    for plate in outcome.plates:
        if not (plate.truth.scored and plate.truth.text):
            continue
        line = plate_line(plate, searched=outcome.reading is not None)
        if line.why:
            image = read_image(outcome.picture.file)
            head = f"{escape(folder)} / {escape(line.file)}: <code>{escape(line.truth)}</code>, {escape(line.why)}"
            sides = f"<div>{_photo(image, plate)}</div><div>{_crops(image, plate)}</div>"
            yield f"<section><h2>{head}</h2>{sides}</section>"


def _photo(image: Image, plate: PlateOutcome) -> str:
    """The whole picture with both outlines."""
    drawn = image.copy()
    thickness = max(2, round(max(image.shape[:2]) / 300))
    if plate.truth.label.corners:
        _outline(drawn, plate.truth.label.corners, _TRUE, thickness)
    if plate.taken:
        _outline(drawn, plate.taken.detection.corners, _TAKEN, thickness)
    share = min(1.0, PICTURE_PX / max(image.shape[:2]))
    return _jpeg(np.asarray(cv2.resize(drawn, None, fx=share, fy=share, interpolation=cv2.INTER_AREA), np.uint8))


def _crops(image: Image, plate: PlateOutcome) -> str:
    """What the reader was given, and what it said of it."""
    parts = []
    if plate.taken:
        parts += [_crop(image, plate.taken.detection.corners), _said("end to end", plate.taken.read)]
    if plate.on_truth:
        if plate.truth.label.corners:
            parts.append(_crop(image, plate.truth.label.corners))
        parts.append(_said("at the true corners", plate.on_truth))
    return "".join(parts)


def _crop(image: Image, corners: Corners) -> str:
    """The plate pulled straight, a tenth of it around it."""
    wide, tall = CROP_PX
    x, y = wide / 12, tall / 12
    target = np.array([[x, y], [wide - x, y], [wide - x, tall - y], [x, tall - y]], np.float32)
    warp = cv2.getPerspectiveTransform(np.array(corners, np.float32), target)
    return _jpeg(np.asarray(cv2.warpPerspective(image, warp, CROP_PX, borderMode=cv2.BORDER_REPLICATE), np.uint8))


def _said(name: str, read: PlateRead) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each.text)}</code></td><td>{each.probability:.3f}</td></tr>"
        for each in read.candidates[:4]
    )
    expiry = f"{read.expiry.month:02d}.{read.expiry.year % 100:02d}" if read.expiry else "none"
    seen = f"{read.colour} {read.colour_probability:.2f}, expiry {expiry}, readable {read.readability:.2f}"
    return f"<table><tr><th colspan=2>{name}</th></tr>{rows}<tr><td colspan=2>{escape(seen)}</td></tr></table>"


def _outline(image: Image, corners: Corners, colour: tuple[int, int, int], thickness: int) -> None:
    outline = np.array(corners, np.float32).round().astype(np.int32)
    cv2.polylines(image, [outline], isClosed=True, color=colour, thickness=thickness, lineType=cv2.LINE_AA)


def _jpeg(image: Image) -> str:
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(encoded).decode("ascii")}">'
