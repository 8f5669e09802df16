"""A letter as PDF, A4, for a window envelope; the same facts always make the same bytes (library: `reportlab`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from xml.sax.saxutils import escape

import segno
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer, Table

_INK, _SOFT = HexColor("#17202b"), HexColor("#4a5663")
_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=10, leading=14, textColor=_INK, spaceAfter=6)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=8.5, leading=11, textColor=_SOFT, spaceAfter=0)
_NAME = ParagraphStyle("name", parent=_TEXT, spaceAfter=0)
_HEAD = ParagraphStyle("head", parent=_TEXT, fontName="Helvetica-Bold", fontSize=13, leading=16, spaceAfter=0)
_SUBJECT = ParagraphStyle("subject", parent=_TEXT, fontName="Helvetica-Bold", fontSize=11, spaceBefore=8)
_WIDTH = A4[0] - 40 * mm
_ADDRESS_FROM_TOP = 45 * mm
"""DIN 5008 form B, which the usual DL window envelopes fit."""
_PICTURE = 50 * mm
_QR = 30 * mm


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """All that a letter says."""

    sender: Sequence[str]
    addressee: Sequence[str]
    """Name and address, line by line."""
    day: str
    subject: str
    opening: Sequence[str]
    facts: Sequence[tuple[str, str]]
    pictures: Sequence[bytes]
    """JPEG; one that is none is left out."""
    closing: Sequence[str]
    url: str
    """What the QR leads to."""
    reference: str


def pdf(letter: Letter) -> bytes:
    """The letter as PDF; no clock and no chance goes into it."""
    made = BytesIO()
    margins = {"leftMargin": 20 * mm, "rightMargin": 20 * mm, "topMargin": 15 * mm, "bottomMargin": 15 * mm}
    document = SimpleDocTemplate(
        made, pagesize=A4, title=letter.subject, author=letter.sender[0], lang="id", invariant=1, **margins
    )
    document.build(list(_parts(letter)))
    return made.getvalue()


def _parts(letter: Letter) -> Iterator[Flowable]:
    first, *others = letter.sender
    head = [_paragraph(first, _HEAD), *(_paragraph(line, _SMALL) for line in others)]
    yield _Block(head, _ADDRESS_FROM_TOP - 15 * mm)
    yield _Block([_paragraph(line, _NAME) for line in letter.addressee], 35 * mm)
    yield _paragraph(letter.day, _TEXT)
    yield _paragraph(letter.subject, _SUBJECT)
    yield from (_paragraph(text, _TEXT) for text in letter.opening)
    facts = [[_paragraph(name, _SMALL), _paragraph(value, _NAME)] for name, value in letter.facts]
    yield Table(facts, colWidths=(42 * mm, _WIDTH - 42 * mm), style=[("VALIGN", (0, 0), (-1, -1), "TOP")])
    yield Spacer(1, 3 * mm)
    if pictures := [picture for content in letter.pictures if (picture := _picture(content))]:
        widths = [_WIDTH / len(pictures)] * len(pictures)
        yield Table([pictures], colWidths=widths, style=[("ALIGN", (0, 0), (-1, -1), "LEFT")])
        yield Spacer(1, 3 * mm)
    closing = [_paragraph(text, _TEXT) for text in letter.closing]
    below = [_Code(letter.url), _paragraph(letter.reference, _SMALL)]
    style = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    yield Table([[closing, below]], colWidths=(_WIDTH - 44 * mm, 44 * mm), style=style)


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text), style)


def _picture(content: bytes) -> Image | None:
    try:
        width, height = ImageReader(BytesIO(content)).getSize()
    except OSError:
        return None
    scale = min(_PICTURE / height, (_WIDTH / 2 - 6 * mm) / width)
    return Image(BytesIO(content), width * scale, height * scale)


class _Block(Flowable):  # type: ignore[misc]  # reportlab has no types
    """Paragraphs in a place of fixed height, so that what follows does not move."""

    def __init__(self, paragraphs: Sequence[Paragraph], height: float) -> None:
        super().__init__()
        self._paragraphs = paragraphs
        self.width, self.height = _WIDTH, height

    def draw(self) -> None:
        top = self.height
        for paragraph in self._paragraphs:
            _, height = paragraph.wrap(self.width * 0.6, top)
            top -= height
            paragraph.drawOn(self.canv, 0, top)


class _Code(Flowable):  # type: ignore[misc]
    """A QR code, drawn as squares."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._rows = tuple(segno.make(text, error="m", micro=False).matrix)
        self.width = self.height = _QR

    def draw(self) -> None:
        side = _QR / len(self._rows)
        for y, row in enumerate(self._rows):
            for x, dark in enumerate(row):
                if dark:
                    self.canv.rect(x * side, _QR - (y + 1) * side, side, side, stroke=0, fill=1)
