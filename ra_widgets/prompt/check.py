"""What in a prompt its author probably did not mean: brackets without partners, weights that are no numbers, and such.

Nothing here is an error: every text is a prompt. Each :class:`Issue` has a code; the sentence for it is the catalogue's
``prompt.issue.<code>``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ra_widgets.prompt.composition import Part, parts
from ra_widgets.prompt.fullwidth import preview
from ra_widgets.prompt.schedule import Program, compile_schedule
from ra_widgets.prompt.source import Cleaned, clean

CODES = (
    "stray_bracket", "unclosed_bracket", "crossing_brackets", "bad_number", "break_in_brackets", "literal_pipe",
    "literal_backslash", "not_an_edit", "weight_without_and", "network_in_edit", "fullwidth", "never_after",
    "never_before", "extreme_weight",
)  # fmt: skip
LIMIT = 50

_TOKEN = re.compile(r"\\[()\[\]\\]|\\|\(+|\[+|:\s*[+-]?[.\d]+\s*(?=\))|\)|]|[^\\()\[\]:]+|:")
_BREAK = re.compile(r"\bBREAK\b")


@dataclass(frozen=True)
class Issue:
    """One remark about ``[start, end)`` of the prompt; ``text`` is what stands there, shortened."""

    code: str
    start: int
    end: int
    text: str = ""


def check(text: str, comments: bool = True) -> tuple[list[Issue], int]:
    """``(issues in source order, how many more were left out)``; at most :data:`LIMIT` are listed."""
    cleaned = clean(text, comments)
    whole = parts(cleaned.text)
    return check_parts(text, cleaned, whole, [compile_schedule(part.text) for part in whole])


def check_parts(text: str, cleaned: Cleaned, whole: list[Part], programs: list[Program]) -> tuple[list[Issue], int]:
    """The same for a prompt whose parts are compiled already."""
    found: list[Issue] = []
    left_out = 0
    for part, program in zip(whole, programs, strict=True):
        issues, more = check_part(program, part, len(whole) == 1)
        left_out += more
        found += [Issue(item.code, *cleaned.span(item.start, item.end), item.text) for item in issues]
        found += _networks_in_edits(cleaned, program, part)
    wide = [change for change in preview(text).changes if change.kind in ("bracket", "separator")]
    if wide:
        found.append(Issue("fullwidth", wide[0].start, wide[-1].end, "".join(change.old for change in wide[:8])))
    found.sort(key=lambda issue: (issue.start, issue.end))
    return found[:LIMIT], left_out + max(0, len(found) - LIMIT)


def check_part(program: Program, part: Part, only: bool) -> tuple[list[Issue], int]:
    """Issues of one AND part, with positions in the text of all parts."""
    found: list[Issue] = []
    more = 0
    offset, text = part.start, part.text

    def add(code: str, start: int, end: int, shown: str = "") -> None:
        nonlocal more
        if len(found) < LIMIT:
            found.append(Issue(code, offset + start, offset + end, shown or text[start : min(end, start + 40)]))
        else:
            more += 1

    if program.literal:
        add(f"literal_{program.literal}", program.literal_at, program.literal_at + 1)
    if only and part.weight != 1:
        add("weight_without_and", part.weight_start - offset, part.end - offset, f"{part.weight:g}")
    # Brackets and separators of edits are gone before weights are read.
    edits = {mark for edit in program.edits for mark in program.marks(edit)}
    rounds: list[int] = []
    squares: list[int] = []
    colons: list[bool] = []  # for each open "[": is there a ":" directly inside?
    end = 0
    for token in _TOKEN.findall(text):
        start, end = end, end + len(token)
        first = token[0]
        if first == "(":
            rounds += range(start, end)
        elif first == "[":
            plain = [at for at in range(start, end) if at not in edits] if edits else range(start, end)
            squares += plain
            colons += [False] * len(plain)
        elif start in edits:
            continue
        elif first == ")" or first == "]":
            own, other = (rounds, squares) if first == ")" else (squares, rounds)
            if not own:
                add("stray_bracket", start, end)
                continue
            begin = own.pop()
            if other and other[-1] > begin:
                add("crossing_brackets", begin, end)
            if first == "]" and colons.pop() and not program.literal:
                add("not_an_edit", begin, end)
        elif first == ":":
            if squares and (not rounds or squares[-1] > rounds[-1]):
                colons[-1] = True
            if len(token) > 1 and rounds and not _is_number(token[1:]):
                add("bad_number", start + 1, end, token[1:].strip()[:40])
        elif "BREAK" in token and (rounds or squares):
            for match in _BREAK.finditer(token):
                add("break_in_brackets", start + match.start(), start + match.end())
    lost = sorted(rounds + squares)
    for at in lost[:LIMIT]:
        add("unclosed_bracket", at, at + 1)
    return found, more + max(0, len(lost) - LIMIT)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _networks_in_edits(cleaned: Cleaned, program: Program, part: Part) -> list[Issue]:
    """Networks cannot be scheduled: they are taken out before edits are read."""
    if not cleaned.networks or not program.edits:
        return []
    spans = []
    for edit in program.edits:
        marks = program.marks(edit)
        spans.append(cleaned.span(part.start + marks[0], part.start + marks[-1] + 1))
    found = []
    for network in cleaned.networks[:LIMIT]:
        if any(start < network.start and network.end < end for start, end in spans):
            found.append(Issue("network_in_edit", network.start, network.end, str(network)[:40]))
    return found
