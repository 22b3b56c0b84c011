"""Text files as their writers left them: in another encoding than UTF-8, with other line ends than LF."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from rae_bench.data.formats.take import Note

_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_EASTERN = {"cp932": "Shift-JIS", "gb18030": "GBK", "big5": "Big5", "cp949": "EUC-KR", "euc_jp": "EUC-JP"}
_WESTERN = {"cp1252": "Windows-1252", "cp1251": "Windows-1251"}
_BODY = set(
    "左右上下前後后中小大両手足腕脚腳腿臂頭头頸颈脖首肩肘膝踝腰腹胸背骨盆髋髖脊椎掌指趾拇親亲人薬食无名名尾末端先根体體身半関节節关關捩目"
    "왼오른쪽팔다리발목손머리허리어깨무릎골반척추가슴엉덩이락상하체"
)
"""Characters that names of joints are made of in Japanese, Chinese and Korean."""
_KANA = re.compile("[ぁ-んァ-ヶー]")
KNOWN_SHARE = 0.3
"""An encoding is believed in which this share of the characters beyond ASCII are such ones."""


def as_utf8(data: bytes) -> tuple[bytes, list[Note]]:
    """Return a BVH file as UTF-8 with LF line ends, without byte order mark and DOS end of file, and what was odd.

    Only the part before the numbers, which are ASCII, is looked at for its encoding.
    """
    notes: list[Note] = []
    mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
    wide = _MARKS.get(mark) or _unmarked(data)
    data = data[len(mark) :]
    if wide and wide != "utf-8":
        data = data.decode(wide, "replace").encode()
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\x1a" in data:
        data = data[: data.index(b"\x1a")]  # to DOS the text ends here, whatever follows
    if data.endswith((b"\0", b"\0\n")):
        data = data.rstrip(b"\0\n")
    if data.isascii():
        return data, notes
    match = re.search(rb"^[ \t]*MOTION\b", data, re.MULTILINE | re.IGNORECASE)
    at = match.start() if match else len(data)
    head, rest = data[:at], data[at:]
    try:
        head.decode()
    except UnicodeDecodeError:
        text, label = _decoded(head)
        notes.append(Note("encoding", f"its names are not in UTF-8; they are read as {label}"))
        data = text.encode() + rest
    return data, notes


def _unmarked(data: bytes) -> str | None:
    """Return the encoding of text whose every other byte is 0, None of other text."""
    head = data[:64]
    if head.count(0) < len(head) // 3:
        return None
    return "utf-16-le" if head[1::2].count(0) >= head[::2].count(0) else "utf-16-be"


def _decoded(head: bytes) -> tuple[str, str]:
    """Return text in an encoding that nothing names, and the name of the likeliest.

    Names of joints tell Eastern encodings from one another: few other characters occur in them. In Latin letters with
    accents, those beyond ASCII stand alone among others; in Cyrillic ones they do not.
    """
    found = {}
    for encoding, text in _readings(head, _EASTERN):
        beyond = [letter for letter in text if not letter.isascii()]
        known = sum(letter in _BODY or bool(_KANA.match(letter)) for letter in beyond)
        found[encoding] = (known / max(len(beyond), 1), text)
    best = max(found, key=lambda encoding: found[encoding][0], default=None)
    if best is not None and found[best][0] >= KNOWN_SHARE:
        return found[best][1], _EASTERN[best]
    runs = re.findall(rb"[\x80-\xff]+", head)
    alone = sum(map(len, runs)) <= 2 * len(runs)
    for encoding, text in _readings(head, sorted(_WESTERN, reverse=alone)):
        if all(letter.isalpha() for letter in text if not letter.isascii()):
            return text, _WESTERN[encoding]
    return head.decode("latin-1"), "Latin-1, which may not be what they are in"


def _readings(head: bytes, encodings: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each encoding in which the bytes are text, and the text."""
    for encoding in encodings:
        try:
            text = head.decode(encoding)
        except UnicodeDecodeError:
            continue
        yield encoding, text
