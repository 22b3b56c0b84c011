"""What names of joints say: their words, their side, and which joint is on the other side."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
LEFT, RIGHT = {"left", "l", "lt"}, {"right", "r", "rt"}
_TWINS = (("left", "right"), ("l", "r"))
FRONT, MID, HIND = {"f", "front", "fore"}, {"m", "mid", "middle"}, {"h", "hind", "rear", "back"}
_LEGS = {"fl": "f l", "fr": "f r", "hl": "h l", "hr": "h r", "rl": "h l", "rr": "h r", "bl": "h l", "br": "h r"}
"""Fore and hind legs of robots, where both of the first two are there."""
HAND, FOOT, CLAW = {"hand", "wrist", "forepaw", "paw"}, {"foot", "ankle", "hindpaw", "heel"}, {"claw", "claws"}
LIMB_END = {"hoof", "hooves", "paw"} | CLAW
FINGER = {"finger", "fingers", "forepaw"} | LIMB_END
TOE = {"toe", "toes", "toebase", "mtp", "hindpaw"} | LIMB_END
_TRANSLATED = {
    **{"左": "left", "右": "right", "왼": "left", "오른": "right"},
    **{"センター": "hips", "下半身": "hips", "腰": "hip", "骨盆": "pelvis", "盆骨": "pelvis", "골반": "pelvis"},
    **dict.fromkeys(("頭", "头", "머리"), "head"),
    **dict.fromkeys(("首", "颈", "頸", "脖", "목"), "neck"),
    **dict.fromkeys(("手首", "手腕", "손목"), "wrist"),
    **dict.fromkeys(("手掌", "手", "손"), "hand"),
    **dict.fromkeys(("足首", "脚踝", "腳踝", "踝", "발목"), "ankle"),
    **dict.fromkeys(("つま先", "足先", "脚尖", "腳尖", "脚趾", "腳趾", "발가락", "발끝"), "toe"),
    **dict.fromkeys(("脚", "腳", "발"), "foot"),
    **dict.fromkeys(("指", "손가락"), "finger"),
}
"""Japanese, Chinese and Korean names of what has a role; the Japanese word for a foot is a leg to animators."""
_FOREIGN = re.compile("|".join(sorted(_TRANSLATED, key=len, reverse=True)))
_SIDES = [
    (re.compile("Left"), "Right"),
    (re.compile("left"), "right"),
    (re.compile("LEFT"), "RIGHT"),
    (re.compile(r"(?<![A-Za-z])L(?![a-z])"), "R"),
    (re.compile(r"(?<![A-Za-z])l(?![A-Za-z])"), "r"),
    (re.compile("左"), "右"),
    (re.compile("왼"), "오른"),
]


def words(names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the words of each name in lower case: "b_LeftToe" is b left toe, "LF_claw" l f claw, "lhand" l hand.

    Name spaces before a colon are dropped, and so is a last word that all names share ("20-f-l-claws-l", "04-t1-l"). A
    side that is written on to a word is taken off where the other side's word is there too ("lfemur" and "rfemur").
    Japanese, Chinese and Korean words are translated.
    """
    known = HAND | FOOT | FINGER | TOE | FRONT | MID | HIND
    latin = [_FOREIGN.sub(lambda match: f" {_TRANSLATED[match[0]]} ", name.rsplit(":", 1)[-1]) for name in names]
    plain = [[word.lower() for word in _WORDS.findall(name)] for name in latin]
    every = {word for each in plain for word in each}
    robot = {"fl", "fr"} <= every
    split: list[list[str]] = []
    for words_of in plain:
        each: list[str] = []
        for low in words_of:
            if robot and low in _LEGS:
                each += _LEGS[low].split()
            elif low[0] in "lr" and low[1:] in known:
                each += [low[0], low[1:]]
            else:
                each += _side_off(low, every)
        split.append(each)
    while len(split) > 3 and all(len(each) > 1 for each in split) and len({each[-1] for each in split}) == 1:
        split = [each[:-1] for each in split]
    return [tuple(each) for each in split]


def _side_off(word: str, every: set[str]) -> list[str]:
    """Return the side and the rest of a word whose twin of the other side is among `every`, else the word."""
    for pair in _TWINS:
        for side, other in (pair, pair[::-1]):
            rest = word.removeprefix(side)  # "light" is no left side of "right"
            if len(rest) > 2 and rest != word and other + rest in every - RIGHT and word not in RIGHT:
                return [side, rest]
    return [word]


def is_sided(each: Sequence[str]) -> bool:
    """Return whether the words of a name put it on one side."""
    return len((LEFT | RIGHT) & set(each)) == 1


def mirror_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (left, right) pairs of joints by their spelling, or by their words where the spelling pairs none."""
    return pairs_by_spelling(names) or pairs_by_words(names)


def pairs_by_spelling(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (left, right) pairs of joints by spelling: Left/Right, L_/R_, _L/_R, .L/.R, "Bip01 L", in either case.

    Doubled separators are forgiven, so that `b__LeftFinger` finds `b_RightFinger`.
    """
    plain = {re.sub(r"[_\W]+", "_", name): name for name in names}
    pairs = []
    for name in names:
        for left, right in _SIDES:
            other = plain.get(re.sub(r"[_\W]+", "_", left.sub(right, name)))
            if left.search(name) and other is not None and other != name:
                pairs.append((name, other))
                break
    return pairs


def pairs_by_words(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return (left, right) joints whose words are the same but for the side and a number in front.

    Such a pair is "20-f-l-claws-l" and "26-f-r-claws-r".
    """
    sides: dict[str, dict[tuple[str, ...], list[str]]] = {"left": {}, "right": {}}
    for name, each in zip(names, words(names), strict=True):
        bare = each[1:] if each and each[0].isdigit() else each
        for side, marks in (("left", LEFT), ("right", RIGHT)):
            if len(marks & set(bare)) == 1:
                sides[side].setdefault(tuple("" if word in marks else word for word in bare), []).append(name)
    return [
        (left[0], sides["right"][key][0])
        for key, left in sides["left"].items()
        if len(left) == 1 and len(sides["right"].get(key, [])) == 1
    ]
