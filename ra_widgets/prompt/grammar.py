"""The syntax tree of a prompt, with source positions: what an editor colours, folds and explains.

One tree joins what the engine reads in four passes: comments, networks, AND, prompt editing and attention. The weights
that count come from :mod:`ra_widgets.prompt.attention`; where brackets cross (``(a [b) c]``), which a tree cannot show,
the tree closes the inner one early (:mod:`ra_widgets.prompt.check` reports it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ra_widgets.prompt.attention import ROUND, SQUARE, attention_pieces, parse_attention
from ra_widgets.prompt.check import Issue, check
from ra_widgets.prompt.composition import parts
from ra_widgets.prompt.networks import Network
from ra_widgets.prompt.schedule import Edit, compile_schedule
from ra_widgets.prompt.source import clean

KINDS = (
    "prompt", "part", "text", "escape", "break", "and", "weight", "emphasis", "deemphasis", "scheduled", "alternate",
    "variant", "option", "wildcard", "number", "network", "comment",
)  # fmt: skip

_TOKEN = re.compile(r"\\.|\\|:\s*[+-]?[.\d]+\s*(?=\))|[()\[\]{}|:]|[^\\()\[\]{}|:]+")
_WORD = re.compile(r"\bBREAK\b|__[^\s_](?:[^\n]*?[^\s_])?__")
_PAIR = {")": "(", "]": "[", "}": "{"}

__all__ = [
    "KINDS", "Issue", "Node", "Tree", "attention_pieces", "highlight", "parse", "parse_attention"
]  # fmt: skip


class Node:
    """One node: ``kind`` (one of :data:`KINDS`), the range ``[start, end)`` in the source, and what is inside.

    ``value`` is the factor of an emphasis, the weight of a part, or None; ``text`` the words of a leaf (or the
    number of a ``scheduled``); ``closed`` is False for a bracket without a partner, which acts to the end of its part.
    """

    __slots__ = ("children", "closed", "end", "kind", "start", "text", "value")

    def __init__(self, kind: str, start: int, end: int, text: str = "", value: float | None = None) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.text = text
        self.value = value
        self.children: list[Node] = []
        self.closed = True

    def __repr__(self) -> str:
        return f"Node({self.kind!r}, {self.start}, {self.end}, {self.text[:40]!r}, children={len(self.children)})"

    def walk(self) -> Iterator[tuple[Node, int]]:
        """This node and all below it with their depths, parents first, in source order, however deep."""
        stack = [(self, 0)]
        while stack:
            node, depth = stack.pop()
            yield node, depth
            stack.extend((child, depth + 1) for child in reversed(node.children))


@dataclass
class Tree:
    """A parsed prompt. ``root`` has one ``part`` per AND; ``networks`` and ``comments`` lie across it."""

    source: str
    root: Node
    networks: list[Network] = field(default_factory=list)
    comments: list[tuple[int, int]] = field(default_factory=list)

    @property
    def issues(self) -> list[Issue]:
        """What the user probably did not mean (found anew at each call)."""
        return check(self.source, bool(self.comments))[0]


def parse(text: str, comments: bool = True) -> Tree:
    """Parse a prompt into a :class:`Tree`; never fails, whatever the text, and takes linear time."""
    cleaned = clean(text, comments)
    root = Node("prompt", 0, len(text))
    tree = Tree(text, root, cleaned.networks, cleaned.comments)
    found = parts(cleaned.text)
    for index, part in enumerate(found):
        if index:
            # The keyword stands in the three characters before the part.
            root.children.append(Node("and", part.start - 3, part.start, "AND"))
        node = Node("part", part.start, part.end, value=part.weight)
        _Builder(cleaned.text, part.start, part.weight_start).build(node)
        if part.weight_start < part.end:
            start, end = part.weight_start, part.end
            node.children.append(Node("weight", start, end, cleaned.text[start:end], part.weight))
        root.children.append(node)
    if cleaned.maps:
        for node, depth in root.walk():
            if depth:
                node.start, node.end = cleaned.span(node.start, node.end)
    return tree


class _Builder:
    """Builds the nodes of one part with an explicit stack."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.text = text
        self.start = start
        self.end = end
        program = compile_schedule(text[start:end])
        marks = [program.marks(edit) for edit in program.edits]
        self.edits: dict[int, Edit] = {start + own[0]: edit for own, edit in zip(marks, program.edits, strict=True)}
        # Separators that belong to an edit, so that "|" and ":" elsewhere stay text.
        self.separators = {start + mark for own in marks for mark in own[1:-1]}
        self.part = self.into = Node("part", start, end)
        self.stack: list[tuple[str, Node]] = []
        self.open = {"(": 0, "[": 0, "{": 0}

    def build(self, part: Node) -> None:
        """Fill ``part.children``."""
        self.into = self.part = part
        text = self.text
        pending: tuple[str, int] | None = None
        for match in _TOKEN.finditer(text, self.start, self.end):
            token, at = match.group(), match.start()
            first = token[0]
            if pending is not None and first != ")":
                self._words(*pending)
            if first in "([{":
                self._push(first, at)
            elif first in ")]}":
                self._pop(first, at, pending)
            elif first == ":" and len(token) > 1 and at not in self.separators:
                pending = (token, at)
                continue
            elif at in self.separators or (first == "|" and self.stack and self.stack[-1][0] == "{"):
                self._separate(at)
                if len(token) > 1:
                    self._words(token[1:], at + 1)
            elif first == "\\" and len(token) > 1:
                self.into.children.append(Node("escape", at, at + 2, token[1:]))
            else:
                self._words(token, at)
            pending = None
        if pending is not None:
            self._words(*pending)
        for _, node in reversed(self.stack):
            node.closed = False
            self._end(node, self.end)

    def _push(self, char: str, at: int) -> None:
        edit = self.edits.get(at)
        if edit:
            node = Node(edit.kind, at, at + 1, edit.number)
        elif char == "{":
            node = Node("variant", at, at + 1)
        else:
            node = Node("emphasis" if char == "(" else "deemphasis", at, at + 1, "", ROUND if char == "(" else SQUARE)
        self.into.children.append(node)
        self.stack.append((char, node))
        self.open[char] += 1
        self.into = node
        if edit or char == "{":
            self._option(at + 1)

    def _option(self, at: int) -> None:
        option = Node("option", at, at)
        self.stack[-1][1].children.append(option)
        self.into = option

    def _separate(self, at: int) -> None:
        if self.into.kind == "option":
            self.into.end = at
        if self.stack:
            self._option(at + 1)

    def _pop(self, char: str, at: int, pending: tuple[str, int] | None) -> None:
        opener = _PAIR[char]
        if not self.open[opener] or (char == "}" and self.stack[-1][0] != "{"):
            if pending:
                self._words(*pending)
            self.into.children.append(Node("text", at, at + 1, char))
            return
        while self.stack[-1][0] != opener:
            crossed, node = self.stack[-1]
            self.stack.pop()
            self.open[crossed] -= 1
            node.closed = False
            self._end(node, at)
            self.into = self._inner()
        _, node = self.stack.pop()
        self.open[opener] -= 1
        if pending:
            self._weigh(node, *pending)
        self._end(node, at)
        node.end = at + 1
        if node.kind == "scheduled" and node.children:
            last = node.children[-1]
            last.kind, last.text, last.children = "number", self.text[last.start : last.end], []
        self.into = self._inner()

    def _weigh(self, node: Node, token: str, at: int) -> None:
        """The ``:1.2`` before a closing round bracket."""
        number = token[1:].strip()
        try:
            value = float(number)
        except ValueError:
            self._words(token, at)
            return
        node.value = value
        self.into.children.append(Node("weight", at, at + len(token), number, value))

    def _end(self, node: Node, at: int) -> None:
        node.end = at
        if node.children and node.children[-1].kind == "option" and node.kind in ("scheduled", "alternate", "variant"):
            node.children[-1].end = at

    def _inner(self) -> Node:
        """Where the next node goes: the innermost open bracket, or its current option."""
        if not self.stack:
            return self.part
        node = self.stack[-1][1]
        if node.kind in ("scheduled", "alternate", "variant") and node.children:
            return node.children[-1]
        return node

    def _words(self, token: str, at: int) -> None:
        """Append text, with BREAK and ``__wildcards__`` as nodes of their own."""
        position = 0
        if "BREAK" in token or "__" in token:
            for match in _WORD.finditer(token):
                self._text(token[position : match.start()], at + position)
                kind = "break" if match.group() == "BREAK" else "wildcard"
                self.into.children.append(Node(kind, at + match.start(), at + match.end(), match.group()))
                position = match.end()
        self._text(token[position:], at + position)

    def _text(self, words: str, at: int) -> None:
        if not words:
            return
        last = self.into.children[-1] if self.into.children else None
        if last is not None and last.kind == "text" and last.end == at:
            last.text += words
            last.end += len(words)
        else:
            self.into.children.append(Node("text", at, at + len(words), words))


def highlight(text: str, comments: bool = True) -> list[tuple[int, int, str]]:
    """Flat, sorted, disjoint ``(start, end, kind)`` ranges for an editor; plain text is left out.

    Brackets, separators and numbers carry the kind of the node that they belong to.
    """
    tree = parse(text, comments)
    marks: dict[int, tuple[int, str]] = {}
    for node, _ in tree.root.walk():
        if node.kind in ("emphasis", "deemphasis", "scheduled", "alternate", "variant"):
            marks[node.start] = (node.start + 1, node.kind)
            if node.closed:
                marks[node.end - 1] = (node.end, node.kind)
            for option in node.children:
                if option.kind in ("option", "number") and option.start > node.start + 1:
                    marks[option.start - 1] = (option.start, node.kind)
        if node.kind in ("escape", "break", "and", "weight", "wildcard", "number") and node.start < node.end:
            marks[node.start] = (node.end, node.kind)
    spans = [(start, end, kind) for start, (end, kind) in marks.items()]
    over = [(item.start, item.end, "network") for item in tree.networks]
    over += [(start, end, "comment") for start, end in tree.comments]
    return _overlay(sorted(spans), sorted(over))


def _overlay(spans: list[tuple[int, int, str]], over: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Merge two sorted lists; where they overlap (a mark that spans a cut-out), ``over`` wins."""
    result: list[tuple[int, int, str]] = []
    position = 0
    for start, end, kind in sorted([*spans, *over], key=lambda item: item[0]):
        if result and start < position:
            previous = result[-1]
            if kind in ("network", "comment"):
                result[-1] = (previous[0], start, previous[2])
                if result[-1][0] == start:
                    result.pop()
            else:
                start = position
        if start < end:
            result.append((start, end, kind))
            position = max(position, end)
    return result
