"""A piece of evidence as an answer to a browser."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from fastapi import Response
from markupsafe import Markup

from dispatcher.errors import StoreError
from dispatcher.evidence import MEDIA_TYPE, EvidenceStore

log = logging.getLogger(__name__)

_PLACEHOLDER = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 120" width="320" height="120">'
    '<rect width="320" height="120" fill="#10161d"/>'
    '<text x="160" y="64" fill="#c3ccd6" font-family="sans-serif" font-size="14" text-anchor="middle">{}</text></svg>'
)


def picture(evidence: EvidenceStore, place: str, kept_s: int, missing: str) -> Response:
    """A stored piece, which the browser may keep so many seconds; else a picture that says `missing`."""
    try:
        content, status = evidence.read(place), 404
    except StoreError:
        log.exception("a picture cannot be shown")
        content, status = None, 503
    if content is None:
        drawn = _PLACEHOLDER.format(missing)
        return Response(drawn, status, {"Cache-Control": "no-store"}, "image/svg+xml")
    media_type = MEDIA_TYPE[PurePosixPath(place).suffix]
    return Response(content, 200, {"Cache-Control": f"private, max-age={kept_s}"}, media_type)
