"""Prompt editing: which words a prompt holds at which step.

The dialect of AUTOMATIC1111's webui: ``[from:to:when]``, ``[to:when]``, ``[from::when]`` and ``[a|b|c]``, nested at will.
``when`` with a point is a share of the steps, without one it is a step; "before" is used while ``step <= when``.

The webui reads this with an ambiguous grammar and an Earley parser. Its outcome can be had in one linear pass, because
brackets inside an edit must balance: each bracket then has at most one partner, and is an edit exactly when everything
between the two is well formed and one of the forms above fits. All else is text. Two things make the *whole* prompt
plain text, as they have no reading at all in that grammar: a ``|`` outside an alternation, and a backslash with nothing
to escape (at the end of the text or of a line).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass, field

from ra_widgets.errors import InvalidRequest

_TOKEN = re.compile(r"[\[\]():|]|[^\\\[\]():|]+|\\.|\\")
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")


@dataclass(slots=True)
class Edit:
    """One scheduled or alternating bracket and where it stands in the text.

    ``marks`` are the positions of ``[``, of its own ``:`` or ``|``, and of ``]``. ``number`` is the text of ``when``
    (empty for an alternation), ``when`` the last step of the first text, counted in the pass asked for.
    """

    kind: str
    marks: list[int]
    number: str = ""
    when: int = 0


@dataclass(slots=True)
class _Text:
    text: str
    at: int


@dataclass(slots=True)
class _Switch:
    edit: Edit
    targets: list[int]


@dataclass(slots=True)
class Program:
    """A compiled prompt: literal runs, switches (at ``[``) and jumps (at separators, to the end of their bracket)."""

    source: str
    code: list[_Text | _Switch | int] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    literal: str = ""
    """Why the whole prompt is plain text although it looks like editing: "", "pipe" or "backslash"."""
    literal_at: int = 0

    def at(self, step: int) -> list[tuple[str, int]]:
        """The text in use at ``step`` (from 1), as ``[(run, position in the source), ...]``."""
        runs: list[tuple[str, int]] = []
        code, index, size = self.code, 0, len(self.code)
        while index < size:
            entry = code[index]
            if isinstance(entry, _Text):
                runs.append((entry.text, entry.at))
                index += 1
            elif isinstance(entry, _Switch):
                edit = entry.edit
                if edit.kind == "scheduled":
                    index = entry.targets[0 if step <= edit.when else 1]
                else:
                    index = entry.targets[(step - 1) % len(entry.targets)]
            else:
                index = entry
        return runs

    def ends(self, steps: int) -> list[int]:
        """The steps at which the text may change, ``steps`` last."""
        found = {steps}
        alternates = False
        for edit in self.edits:
            if edit.kind == "scheduled":
                found.add(edit.when)
            else:
                alternates = True
        if alternates:
            found.update(range(1, steps + 1))
        return sorted(end for end in found if end >= 1)


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
    return [[end, "".join(run for run, _ in runs)] for end, runs in timeline(program, steps)]


def timeline(program: Program, steps: int) -> list[tuple[int, list[tuple[str, int]]]]:
    """``[(end_step, runs), ...]`` of a resolved program; equal states share one list of runs."""
    whens = sorted({edit.when for edit in program.edits if edit.kind == "scheduled"})
    cycles = sorted({len(edit.marks) - 1 for edit in program.edits if edit.kind == "alternate"})
    known: dict[tuple[int, ...], list[tuple[str, int]]] = {}
    result = []
    for end in program.ends(steps):
        state = (bisect_left(whens, end), *((end - 1) % cycle for cycle in cycles))
        if state not in known:
            known[state] = program.at(end)
        result.append((end, known[state]))
    return result


def resolve(program: Program, steps: int, hires_steps: int | None = None, old: bool = False) -> int:
    """Fill in :attr:`Edit.when` for the pass asked for; returns the number of steps of that pass."""
    for name, value in (("steps", steps), ("hires_steps", hires_steps)):
        if value is not None and value < 1:
            raise InvalidRequest("error.prompt.steps", field=name, value=value)
    steps_before, share_before = 0, 0.0
    if hires_steps is not None and not old:
        steps_before, share_before, steps = steps, 1.0, hires_steps
    for edit in program.edits:
        if edit.kind == "scheduled":
            edit.when = _when(edit.number, steps, steps_before, share_before, old)
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


class _Frame:
    """An open bracket: index in the code, its separators, and whether all inside is well formed so far."""

    __slots__ = ("bad", "colons", "index", "pipes", "square")

    def __init__(self, index: int, square: bool) -> None:
        self.index = index
        self.square = square
        self.colons: list[int] = []
        self.pipes: list[int] = []
        self.bad = False


def compile_schedule(text: str) -> Program:
    """Find the edits of ``text``; :func:`resolve` must fill in the steps before the program is run."""
    program = Program(text)
    if "[" not in text or (":" not in text and "|" not in text):
        return _as_text(program)
    code: list[_Text | _Switch | int | None] = []
    stack: list[_Frame] = []
    for match in _TOKEN.finditer(text):
        token, at = match.group(), match.start()
        index = len(code)
        code.append(_Text(token, at))
        if token in "[(":
            stack.append(_Frame(index, token == "["))
        elif token in "])":
            if not stack or stack[-1].square != (token == "]"):
                # Everything open now holds an unbalanced bracket, so none of it can be an edit.
                if any(frame.pipes for frame in stack):
                    return _as_text(program, "pipe", _first_pipe(text, stack, code))
                stack.clear()
                continue
            frame = stack.pop()
            ok = not frame.bad and _close(program, code, frame, index)
            if frame.pipes and not ok:
                return _as_text(program, "pipe", _first_pipe(text, [frame], code))
            if not ok and stack:
                stack[-1].bad = True
        elif token == ":" and stack:
            stack[-1].colons.append(index)
        elif token == "|":
            if not stack:
                return _as_text(program, "pipe", at)
            stack[-1].pipes.append(index)
        elif token == "\\":
            return _as_text(program, "backslash", at)
    if any(frame.pipes for frame in stack):
        return _as_text(program, "pipe", _first_pipe(text, stack, code))
    return _link(program, code)


def _first_pipe(text: str, frames: list[_Frame], code: list[_Text | _Switch | int | None]) -> int:
    index = min(index for frame in frames for index in frame.pipes)
    entry = code[index]
    return entry.at if isinstance(entry, _Text) else text.index("|")


def _as_text(program: Program, why: str = "", at: int = 0) -> Program:
    program.code = [_Text(program.source, 0)] if program.source else []
    program.edits = []
    program.literal, program.literal_at = why, at
    return program


def _close(program: Program, code: list[_Text | _Switch | int | None], frame: _Frame, close: int) -> bool:
    """Decide what a balanced bracket with a well-formed inside is; False when no form fits (then it is text)."""
    colons, pipes = frame.colons, frame.pipes
    if not frame.square:
        return not pipes and len(colons) < 2
    if not colons and not pipes:
        return True
    if colons and pipes:
        return False
    number = ""
    if colons:
        last = code[close - 1]
        if len(colons) > 2 or colons[-1] != close - 2 or not isinstance(last, _Text):
            return False
        match = _WHEN.fullmatch(last.text)
        if not match:
            return False
        number = match.group(1)
        kind, separators = "scheduled", colons
        # [to:when] has no "before": jump straight behind the bracket.
        targets = [close + 1, frame.index + 1] if len(colons) == 1 else [frame.index + 1, colons[0] + 1]
    else:
        kind, separators = "alternate", pipes
        targets = [frame.index + 1, *(pipe + 1 for pipe in pipes)]
    marks = [entry.at for entry in (code[i] for i in (frame.index, *separators, close)) if isinstance(entry, _Text)]
    edit = Edit(kind, marks, number)
    program.edits.append(edit)
    code[frame.index] = _Switch(edit, targets)
    for index in separators:
        code[index] = close + 1
    code[close] = None
    return True


def _link(program: Program, raw: list[_Text | _Switch | int | None]) -> Program:
    """Join literal runs and drop closing brackets, moving the jump targets along."""
    code: list[_Text | _Switch | int] = []
    moved: list[int] = []
    run: list[str] = []
    for entry in raw:
        if isinstance(entry, _Text):
            if run:
                # Jump targets follow a switch, a jump or a closing bracket, never the middle of a run.
                moved.append(len(code) - 1)
                run.append(entry.text)
            else:
                moved.append(len(code))
                code.append(entry)
                run = [entry.text]
            continue
        if run:
            _finish(code[-1], run)
            run = []
        moved.append(len(code))
        if entry is not None:
            code.append(entry)
    if run:
        _finish(code[-1], run)
    moved.append(len(code))
    for index, item in enumerate(code):
        if isinstance(item, _Switch):
            item.targets = [moved[target] for target in item.targets]
        elif isinstance(item, int):
            code[index] = moved[item]
    program.code = code
    program.edits.sort(key=lambda edit: edit.marks[0])
    return program


def _finish(entry: _Text | _Switch | int, run: list[str]) -> None:
    assert isinstance(entry, _Text)
    entry.text = "".join(run)
