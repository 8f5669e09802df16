"""WhatsApp's own marks (*bold*, _italic_, ~struck~, ```fixed```) as safe HTML (pure)."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_MARKS = (
    (re.compile(r"```(\S|\S.*?\S)```", re.DOTALL), "code"),
    (re.compile(r"(?<![\w*])\*(?!\s)([^*\n]+?)(?<!\s)\*(?![\w*])"), "strong"),
    (re.compile(r"(?<![\w_])_(?!\s)([^_\n]+?)(?<!\s)_(?![\w_])"), "em"),
    (re.compile(r"(?<![\w~])~(?!\s)([^~\n]+?)(?<!\s)~(?![\w~])"), "s"),
)
_ADDRESS = re.compile(r"(?<![\w@./-])((?:https://)?(?:[a-z0-9-]+\.)+(?:id|com|org|net)(?:/[\w./%-]*\w)?)(?![\w-])")


def to_html(text: str) -> Markup:
    """The text as a phone shows it: everything escaped first, then the marks; addresses are coloured, not linked."""
    html = str(escape(text))
    for pattern, tag in _MARKS:
        html = pattern.sub(rf"<{tag}>\1</{tag}>", html)
    html = _ADDRESS.sub(r'<span class="address">\1</span>', html)
    return Markup(html.replace("\n", "<br>"))
