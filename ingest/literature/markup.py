"""Titles and abstracts as ADS has them, read as text: entities, HTML tags, MathML. Powers and indices stay marked.

ADS writes ``10<SUP>22</SUP> cm<SUP>-2</SUP>``, and without that mark-up a power is no power. So <SUP> and <SUB> are all
that is left of the tags, and MathML is written the same way.
"""

from __future__ import annotations

import html
import re
from xml.etree import ElementTree as ET

_UNOPENED = r"(?:(?!{0}).)*?"
"""What stands up to the end mark, and does not begin anew: so the time it takes grows with the text alone."""
_MATHML = re.compile(
    r"<(?P<tag>(?:mml:)?math)\b[^<>]*>" + _UNOPENED.format(r"<(?:mml:)?math\b") + r"</(?P=tag)\s*>",
    re.DOTALL | re.IGNORECASE,
)
_TWICE = re.compile(
    r"<tex-math\b[^<>]*>" + _UNOPENED.format(r"<tex-math\b") + r"</tex-math>(?=\s*<(?:mml:)?math\b)",
    re.DOTALL | re.IGNORECASE,
)
_UNKNOWN_TO_XML = re.compile(r"&(?!(?:lt|gt|amp|quot|apos);)[A-Za-z]\w{0,40};")
_COMMENT = re.compile(r"<!--" + _UNOPENED.format("<!--") + r"-->", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(" + _UNOPENED.format(r"<!\[") + r")\]\]>", re.DOTALL)
_TAG = re.compile(
    r"<(?P<end>/?)(?P<name>su[bp]|p|br|[ibua]|em|strong|span|div|tt|pre|code|font|center|small|big|sc|[uod]l|li|title|sec"
    r"|bold|italic|roman|monospace|underline|astrobj|x?ref|ext-link|named-content|(?:inline|disp)-formula|tex-math"
    r"|inline-graphic|alternatives|label|jats:[\w-]+|mml:\w+|math|m(?:i|o|n|s|row|text|space|frac|sqrt|root|style|padded"
    r"|phantom|fenced|sub|sup|subsup|under|over|underover|table|tr|td|multiscripts)|semantics|annotation)"
    r"(?:\s+[\w:-]+\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s<>\"']+))*\s*/?>",
    re.IGNORECASE,
)
_APART = frozenset({"p", "br", "div", "li", "title", "sec", "label", "jats:p", "jats:title", "jats:sec"})
_LONGEST_FORMULA = 100_000


def plain(text: str) -> str:
    r"""Read mark-up as text, on one line.

    Examples
    --------
    >>> plain("Above &gt;10&nbsp;keV in M&amp;M <P />N<sub>H</sub> = 10<SUP>22</SUP>")
    'Above >10 keV in M&M N<SUB>H</SUB> = 10<SUP>22</SUP>'
    >>> plain("0.5<z<1, <mml:math><mml:msup><mml:mn>10</mml:mn><mml:mn>3</mml:mn></mml:msup></mml:math> keV")
    '0.5<z<1, 10<SUP>3</SUP> keV'
    """
    if "<" in text:
        text = _COMMENT.sub("", _CDATA.sub(r"\1", _TWICE.sub("", text)))
        text = _TAG.sub(_kept, _MATHML.sub(_formula, text))
    return " ".join(html.unescape(text).split())


def _kept(match: re.Match[str]) -> str:
    name = match["name"].lower()
    if name in {"sub", "sup"}:
        return f"<{match['end']}{name.upper()}>"
    return " " if name in _APART else ""


def _formula(match: re.Match[str]) -> str:
    """Write a formula as text, what it says still escaped; where it is no XML, as it is."""
    source = match[0]
    if len(source) > _LONGEST_FORMULA:
        return source
    # Names of characters that HTML has and XML has not; what they stand for can stand in XML.
    source = _UNKNOWN_TO_XML.sub(lambda entity: html.unescape(entity[0]), source)
    try:
        return _written(ET.fromstring(re.sub(r"(</?)mml:", r"\1", source)))  # noqa: S314 - without a DTD nothing can be expanded
    except (ET.ParseError, RecursionError):
        return match[0]


def _written(node: ET.Element) -> str:
    name = node.tag.rpartition("}")[2].lower()
    inner = [_written(child) for child in node if isinstance(child.tag, str)]
    shape = _SHAPES.get(name)
    if shape and len(inner) == shape.count("{}"):
        return shape.format(*inner)
    if name in {"annotation", "annotation-xml"}:
        return ""
    said = html.escape((node.text or "").strip().replace("\u2212", "-"), quote=False)
    return said + "".join(inner)


_SHAPES = {
    "mspace": " ",
    "msub": "{}<SUB>{}</SUB>",
    "msup": "{}<SUP>{}</SUP>",
    "msubsup": "{}<SUB>{}</SUB><SUP>{}</SUP>",
    "munder": "{}<SUB>{}</SUB>",
    "munderover": "{}<SUB>{}</SUB><SUP>{}</SUP>",
    "mfrac": "{}/{}",
    "msqrt": "\u221a({})",
}
"""How an element of MathML with so many children is written."""
