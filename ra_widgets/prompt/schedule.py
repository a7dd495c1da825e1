"""Prompt editing: which words a prompt holds at which step.

The dialect of AUTOMATIC1111's webui: ``[from:to:when]``, ``[to:when]``, ``[from::when]`` and ``[a|b|c]``, nested at
will. ``when`` with a point is a share of the steps, without one it is a step; "before" is used while
``step <= when``.

The webui reads this with an ambiguous grammar and an Earley parser. Its outcome can be had in one linear pass, because
brackets inside an edit must balance: each bracket then has at most one partner, and is an edit exactly when everything
between the two is well formed and one of the forms above fits. All else is text. Two things make the *whole* prompt
plain text, as they have no reading at all in that grammar: a ``|`` outside an alternation, and a backslash with nothing
to escape (at the end of the text or of a line).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property
from itertools import accumulate
from operator import attrgetter

from ra_widgets.errors import InvalidRequest

_NUMBER = r"[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?"
_WHEN = re.compile(rf"\s*({_NUMBER})\s*")
# an edit with plain texts is one token: most are, and a prompt may have thousands
_PLAIN = r"[^\\\[\]():|]*"
_SPLIT = re.compile(rf"(\[(?:{_PLAIN}:){{1,2}}\s*{_NUMBER}\s*\]|\[(?:{_PLAIN}\|)+{_PLAIN}\]|[\[\]():|]|\\.|\\)")


class Edit:
    """One scheduled or alternating bracket and where it stands in the text.

    ``start`` is the number of its first token. ``number`` is the text of ``when`` (empty for an alternation), ``when``
    the last step of the first text, counted in the pass asked for. An edit of plain texts is a single token and has
    them in ``texts``. Any other ends with token ``close``, and the code goes on at ``early`` or ``late``, or, in an
    alternation, behind ``[`` or ``|`` (at ``targets``, once linked); ``first`` and ``last``, or ``bars``, are its own
    ``:`` or ``|``.
    """

    # few lists: with thousands of edits the garbage collector would take more time than the parser
    __slots__ = ("bars", "close", "early", "first", "last", "late", "number", "start", "targets", "texts", "when")
    bars: list[int]
    close: int
    early: int
    first: int
    last: int
    late: int

    def __init__(self, start: int, number: str, texts: list[str] | None = None) -> None:
        self.start = start
        self.number = number
        self.texts = texts
        self.targets: list[int] | None = None
        self.when = 0

    @property
    def kind(self) -> str:
        """ "scheduled" or "alternate"."""
        return "scheduled" if self.number else "alternate"

    def branch(self, step: int) -> int:
        """Where the code goes on at this step."""
        if self.number:
            return self.late if step > self.when else self.early
        if self.targets is not None:
            return self.targets[(step - 1) % len(self.targets)]
        chosen = (step - 1) % self.options
        return (self.bars[chosen - 1] if chosen else self.start) + 1

    @property
    def marks(self) -> list[int]:
        """The numbers of its tokens ``[``, ``:`` or ``|``, and ``]``, unless it is a single token."""
        own = self.bars if not self.number else [self.first] if self.first == self.last else [self.first, self.last]
        return [self.start, *own, self.close]

    @property
    def options(self) -> int:
        """How many texts an alternation has."""
        return len(self.bars) + 1 if self.texts is None else len(self.texts)

    def plain(self, step: int) -> tuple[str, int]:
        """Of an edit of plain texts: the text at this step, and how far behind its ``[`` that stands."""
        texts = self.texts or [""]
        if not self.number:
            chosen = (step - 1) % len(texts)
            return texts[chosen], sum(map(len, texts[:chosen])) + chosen + 1
        if step > self.when:
            return texts[-2], sum(map(len, texts[:-2])) + len(texts) - 1
        return (texts[0], 1) if len(texts) == 3 else ("", 1)


class Program:
    """A compiled prompt: texts, edits (where ``[`` stood) and jumps (separators: to behind their bracket).

    ``places`` says where in the source each entry of ``code`` stood, ``token_places`` the same of each token; both are
    found when first asked for. ``literal`` tells why the whole prompt is plain text although it looks like editing ("",
    "pipe" or "backslash"), ``literal_at`` where that stands.
    """

    def __init__(self, source: str, tokens: list[str] | None = None) -> None:
        self.source = source
        self.edits: list[Edit] = []
        self.literal = ""
        self.literal_at = 0
        self.tokens: list[str] = tokens or ([source] if source else [])
        self.code: list[str | Edit | int] = list(self.tokens)

    @cached_property
    def token_places(self) -> list[int]:
        """Where each token stands in the source, and the end of the source."""
        return [0, *accumulate(map(len, self.tokens))]

    @cached_property
    def places(self) -> list[int]:
        """Where each entry of the code stood in the source."""
        return self.token_places

    def marks(self, edit: Edit) -> list[int]:
        """Where ``[``, the separators and ``]`` of an edit stand in the source."""
        places = self.token_places
        if edit.texts is None:
            return [places[mark] for mark in edit.marks]
        return list(accumulate(map(len, edit.texts), lambda at, length: at + length + 1, initial=places[edit.start]))

    def text(self, step: int) -> str:
        """The prompt in use at ``step`` (from 1)."""
        out: list[str] = []
        code, index, size = self.code, 0, len(self.code)
        while index < size:
            entry = code[index]
            if type(entry) is str:
                out.append(entry)
                index += 1
            elif type(entry) is int:
                index = entry
            elif entry.texts is None:  # type: ignore[union-attr]
                index = entry.branch(step)  # type: ignore[union-attr]
            else:
                texts = entry.texts  # type: ignore[union-attr]
                if not entry.number:  # type: ignore[union-attr]
                    out.append(texts[(step - 1) % len(texts)])
                elif step > entry.when:  # type: ignore[union-attr]
                    out.append(texts[-2])
                elif len(texts) == 3:
                    out.append(texts[0])
                index += 1
        return "".join(out)

    def runs(self, step: int) -> list[tuple[str, int]]:
        """The same in pieces, with their places: ``[(text, position in the source), ...]``."""
        out: list[tuple[str, int]] = []
        index = 0
        while index < len(self.code):
            entry = self.code[index]
            if isinstance(entry, int):
                index = entry
            elif isinstance(entry, Edit) and entry.texts is None:
                index = entry.branch(step)
            else:
                text, at = (entry, 0) if isinstance(entry, str) else entry.plain(step)
                if text:
                    out.append((text, self.places[index] + at))
                index += 1
        return out

    def link(self) -> None:
        """Join neighbouring texts, which pays when the program is to run often."""
        raw, raw_places = self.code, self.places
        code: list[str | Edit | int] = []
        places: list[int] = []
        moved: list[int] = []
        run: list[str] = []
        for entry, place in zip(raw, raw_places, strict=False):
            # Targets follow an edit, a jump or a closing bracket, so they never point into the middle of a run.
            if type(entry) is str and entry:
                if not run:
                    places.append(place)
                moved.append(len(code))
                run.append(entry)
                continue
            if run:
                code.append("".join(run))
                run = []
            moved.append(len(code))
            if entry != "":
                code.append(entry)
                places.append(place)
        if run:
            code.append("".join(run))
        moved.append(len(code))
        for index, item in enumerate(code):
            if type(item) is int:
                code[index] = moved[item]
        for edit in self.edits:
            if edit.texts is None and edit.number:
                edit.early, edit.late = moved[edit.early], moved[edit.late]
            elif edit.texts is None:
                edit.targets = [moved[at + 1] for at in (edit.start, *edit.bars)]
        self.code, self.places = code, places

    def ends(self, steps: int) -> list[int]:
        """The steps at which the text may change, ``steps`` last."""
        found = {steps}
        found.update(edit.when for edit in self.edits)
        if any(not edit.number for edit in self.edits):
            found.update(range(1, steps + 1))
        return sorted(end for end in found if end >= 1)

    def states(self, ends: list[int]) -> list[tuple[int, ...]]:
        """For each of ``ends``, what decides the text there: equal states have equal texts."""
        whens = sorted({edit.when for edit in self.edits if edit.number})
        cycles = sorted({edit.options for edit in self.edits if not edit.number})
        return [(bisect_left(whens, end), *((end - 1) % cycle for cycle in cycles)) for end in ends]


def prompt_schedule(
    text: str, steps: int, hires_steps: int | None = None, use_old_scheduling: bool = False
) -> list[list]:
    """Expand prompt editing to ``[[end_step, text], ...]``: ``text`` is used up to and including ``end_step``.

    Args:
        text: prompt without ``<name:args>``.
        steps: steps of the first pass, at least 1 (for second-order samplers the webui gives twice the steps).
        hires_steps: when given, the timeline of the second pass, of so many steps: shares from 1.0 to 2.0 and steps
            beyond ``steps`` address it, everything earlier has happened.
        use_old_scheduling: webui before 1.6: numbers below 1 are shares, others steps; the second pass starts anew.

    Raises:
        InvalidRequest: ``steps`` or ``hires_steps`` is below 1.
    """
    program = compile_schedule(text)
    steps = resolve(program, steps, hires_steps, use_old_scheduling)
    ends = program.ends(steps)
    states = program.states(ends)
    if len(set(states)) > 4:
        program.link()
    known: dict[tuple[int, ...], str] = {}
    result: list[list] = []
    for end, state in zip(ends, states, strict=True):
        if state not in known:
            known[state] = program.text(end)
        result.append([end, known[state]])
    return result


def resolve(program: Program, steps: int, hires_steps: int | None = None, old: bool = False) -> int:
    """Fill in :attr:`Edit.when` for the pass asked for; returns the number of steps of that pass."""
    for name, value in (("steps", steps), ("hires_steps", hires_steps)):
        if value is not None and value < 1:
            raise InvalidRequest("error.prompt.steps", field=name, value=value)
    steps_before, share_before = 0, 0.0
    if hires_steps is not None and not old:
        steps_before, share_before, steps = steps, 1.0, hires_steps
    known: dict[str, int] = {}
    for edit in program.edits:
        if edit.number:
            if edit.number not in known:
                known[edit.number] = _when(edit.number, steps, steps_before, share_before, old)
            edit.when = known[edit.number]
    return steps


def _when(number: str, steps: int, steps_before: int, share_before: float, old: bool) -> int:
    value = float(number)
    if old:
        value = value * steps if value < 1 else value
    elif "." in number:
        value = (value - share_before) * steps
    else:
        value -= steps_before
    if value >= steps:
        return steps
    return max(int(value), -1) if value > -1 else -1


def compile_schedule(text: str) -> Program:
    """Find the edits of ``text``; :func:`resolve` must fill in the steps before the program is run."""
    if "[" not in text or (":" not in text and "|" not in text):
        return Program(text)
    tokens = _SPLIT.split(text)  # text (perhaps empty) and syntax in turn
    program = Program(text, tokens)
    # Closing brackets of edits become "" (no text of their own); openings and separators are replaced in place.
    code, edits = program.code, program.edits
    numbers: dict[str, str] = {}  # what stands before "]" -> the number it is, or ""
    stack: list[int] = []  # the open brackets, each followed by its separators: numbers of tokens,
    bases: list[int] = []  # where in the stack each bracket is,
    bad: set[int] = set()  # and how deep those are in which something cannot be part of an edit
    for index, token in zip(range(1, len(tokens), 2), tokens[1::2], strict=True):
        if token == ":":
            if bases:
                stack.append(index)
        elif token == "[" or token == "(":
            bases.append(len(stack))
            stack.append(index)
        elif token == "]" or token == ")":
            if not bases or (tokens[stack[bases[-1]]] == "[") != (token == "]"):
                # Everything open now holds an unbalanced bracket, so none of it can be an edit.
                if (pipe := _pipe(tokens, stack)) is not None:
                    return _as_text(text, "pipe", pipe)
                stack, bases = [], []
                bad.clear()
                continue
            depth = len(bases)
            base = bases.pop()
            ok = depth not in bad
            if not ok:
                bad.discard(depth)
            size = len(stack) - base
            if size == 1:
                stack.pop()
            elif ok and token == "]" and (edit := _edit(tokens, stack, base, index, numbers)) is not None:
                edits.append(edit)
                code[edit.start] = edit
                code[index] = ""
                if edit.number:
                    code[edit.first] = code[edit.last] = index + 1
                else:
                    for at in edit.bars:
                        code[at] = index + 1
                del stack[base:]
                continue
            else:
                if (pipe := _pipe(tokens, stack[base:])) is not None:
                    return _as_text(text, "pipe", pipe)
                del stack[base:]
                ok = ok and token == ")" and size == 2
            if not ok and bases:
                bad.add(depth - 1)
        elif len(token) > 2:
            texts = token[1:-1].split(":")
            if len(texts) == 1:  # plain texts have no ":" of their own
                edit = Edit(index, "", token[1:-1].split("|"))
            else:
                when = texts[-1]
                if when not in numbers:
                    numbers[when] = when.strip()
                edit = Edit(index, numbers[when], texts)
            code[index] = edit
            edits.append(edit)
        elif token == "|":
            if not bases:
                return _as_text(text, "pipe", _place(tokens, index))
            stack.append(index)
        elif token == "\\":
            return _as_text(text, "backslash", _place(tokens, index))
    if (pipe := _pipe(tokens, stack)) is not None:
        return _as_text(text, "pipe", pipe)
    if not edits:
        return Program(text)
    edits.sort(key=attrgetter("start"))
    return program


def _place(tokens: list[str], index: int) -> int:
    """Where a token stands in the source."""
    return sum(map(len, tokens[:index]))


def _pipe(tokens: list[str], marks: list[int]) -> int | None:
    """Where the first ``|`` among brackets and separators stands, if there is one."""
    return next((_place(tokens, at) for at in marks if tokens[at] == "|"), None)


def _as_text(text: str, why: str, at: int) -> Program:
    program = Program(text)
    program.literal, program.literal_at = why, at
    return program


def _edit(tokens: list[str], stack: list[int], base: int, close: int, numbers: dict[str, str]) -> Edit | None:
    """The edit that a balanced ``[...]`` with a well-formed inside is, if it is one.

    ``[`` and its separators stand at the end of ``stack``, from ``base`` on. ``numbers``: see :func:`compile_schedule`.
    """
    start, first, last = stack[base], stack[base + 1], stack[-1]
    if tokens[first] == "|":
        bars = stack[base + 1 :]
        if any(tokens[at] != "|" for at in bars):
            return None
        edit = Edit(start, "")
        edit.bars = bars
    else:
        size = len(stack) - base
        if size > 3 or last != close - 2 or tokens[last] != ":":
            return None
        when = tokens[close - 1]
        number = numbers.get(when)
        if number is None:
            match = _WHEN.fullmatch(when)
            number = numbers[when] = match.group(1) if match else ""
        if not number:
            return None
        edit = Edit(start, number)
        edit.first, edit.last = first, last
        # [to:when] has no "before": it jumps straight behind the bracket
        edit.early, edit.late = (close + 1, start + 1) if size == 2 else (start + 1, first + 1)
    edit.close = close
    return edit
