"""Slow, independent readings of the prompt language, used only to check the fast ones.

* :func:`lark_schedule` runs the documented grammar of prompt editing through lark's Earley parser, the engine that
  the webui itself uses, so that lark decides every ambiguity.
* :func:`plain_attention` is the attention rule spelt out token by token with one regular expression and in quadratic
  time, straight from the description.
"""

from __future__ import annotations

import re
from functools import lru_cache

import lark

GRAMMAR = r"""
!start: (prompt | /[\[\]():]/)*
prompt: (emphasized | scheduled | alternate | plain | WHITESPACE)*
!emphasized: "(" prompt ")" | "(" prompt ":" prompt ")" | "[" prompt "]"
scheduled: "[" [prompt ":"] prompt ":" [WHITESPACE] NUMBER [WHITESPACE] "]"
alternate: "[" prompt ("|" [prompt])+ "]"
plain: /([^\\\[\]():|]|\\.)+/
WHITESPACE: /\s+/
%import common.SIGNED_NUMBER -> NUMBER
"""


@lru_cache(maxsize=1)
def _parser() -> lark.Lark:
    return lark.Lark(GRAMMAR, parser="earley")


def _when(number: str, steps: int, int_offset: int, float_offset: float, old: bool) -> int:
    value = float(number)
    if old:
        value = value * steps if value < 1 else value
    elif "." in number:
        value = (value - float_offset) * steps
    else:
        value = value - int_offset
    return min(steps, int(value))


def _render(node: object, step: int, when: dict[int, int]) -> str:
    if node is None:
        return ""
    if isinstance(node, lark.Token):
        return str(node)
    assert isinstance(node, lark.Tree)
    if node.data == "scheduled":
        before, after = node.children[0], node.children[1]
        return _render(before if step <= when[id(node)] else after, step, when)
    if node.data == "alternate":
        return _render(node.children[(step - 1) % len(node.children)], step, when)
    return "".join(_render(child, step, when) for child in node.children)


def lark_schedule(text: str, steps: int, hires_steps: int | None = None, old: bool = False) -> list[list]:
    """``[[end_step, text], ...]`` as lark reads the documented grammar; the whole text when it does not parse."""
    try:
        tree = _parser().parse(text)
    except lark.exceptions.LarkError:
        return [[steps if hires_steps is None or old else hires_steps, text]]
    int_offset, float_offset = 0, 0.0
    if hires_steps is not None and not old:
        int_offset, float_offset, steps = steps, 1.0, hires_steps
    ends, when = {steps}, {}
    for node in tree.iter_subtrees():
        if node.data == "scheduled":
            when[id(node)] = _when(str(node.children[-2]), steps, int_offset, float_offset, old)
            ends.add(when[id(node)])
        elif node.data == "alternate":
            ends.update(range(1, steps + 1))
    return [[end, _render(tree, end, when)] for end in sorted(ends) if end >= 1]


_TOKENS = re.compile(r"\\\(|\\\)|\\\[|\\]|\\\\|\\|\(|\[|:\s*([+-]?[.\d]+)\s*\)|\)|]|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\s*\bBREAK\b\s*", re.S)


def plain_attention(text: str) -> list[list]:
    """``[[text, weight], ...]``, each bracket multiplying its range the moment it closes."""
    pieces: list[list] = []
    round_open: list[int] = []
    square_open: list[int] = []

    def multiply(start: int, by: float) -> None:
        for piece in pieces[start:]:
            piece[1] *= by

    for match in _TOKENS.finditer(text):
        token, weight = match.group(0), match.group(1)
        if token.startswith("\\"):
            pieces.append([token[1:], 1.0])
        elif token == "(":
            round_open.append(len(pieces))
        elif token == "[":
            square_open.append(len(pieces))
        elif weight is not None and round_open:
            multiply(round_open.pop(), float(weight))
        elif token == ")" and round_open:
            multiply(round_open.pop(), 1.1)
        elif token == "]" and square_open:
            multiply(square_open.pop(), 1 / 1.1)
        else:
            for index, part in enumerate(_BREAK.split(token)):
                if index:
                    pieces.append(["BREAK", -1])
                pieces.append([part, 1.0])
    for start in round_open:
        multiply(start, 1.1)
    for start in square_open:
        multiply(start, 1 / 1.1)
    merged: list[list] = []
    for piece in pieces or [["", 1.0]]:
        if merged and merged[-1][1] == piece[1]:
            merged[-1][0] += piece[0]
        else:
            merged.append(piece)
    return merged


_WEIGHT = re.compile(r"^((?:\s|.)*?)(?:\s*:\s*([-+]?(?:\d+\.?|\d*\.\d+)))?\s*$")


def and_parts(text: str) -> list[tuple[str, float]]:
    """``[(text, weight), ...]`` by the two regular expressions of the description."""
    result = []
    for part in re.split(r"\bAND\b", text):
        match = _WEIGHT.search(part)
        assert match
        words, weight = match.groups()
        result.append((words, 1.0 if weight is None else float(weight)))
    return result
