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
    offset, text = part.start, part.text
    if program.literal:
        at = offset + program.literal_at
        found.append(Issue(f"literal_{program.literal}", at, at + 1, text[program.literal_at : program.literal_at + 1]))
    if only and part.weight != 1:
        found.append(Issue("weight_without_and", part.weight_start, part.end, f"{part.weight:g}"))
    edits = {mark for edit in program.edits for mark in (program.marks(edit)[0], program.marks(edit)[-1])}
    opened: dict[str, list[int]] = {"(": [], "[": []}
    colons: list[int] = []  # for each open "[", how many ":" stand directly or deeper inside
    end = 0
    for token in _TOKEN.findall(text):
        start, end = end, end + len(token)
        first = token[0]
        if start in edits:
            # The bracket of an edit is gone before weights are read. A run of "[" may begin with several.
            if first == "]":
                continue
            plain = [at for at in range(start, end) if at not in edits]
            opened["["] += plain
            colons += [0] * len(plain)
        elif first == "(":
            opened["("] += range(start, end)
        elif first == "[":
            plain = [at for at in range(start, end) if at not in edits]
            opened["["] += plain
            colons += [0] * len(plain)
        elif first in ")]":
            own, other = ("(", "[") if first == ")" else ("[", "(")
            if not opened[own]:
                found.append(Issue("stray_bracket", offset + start, offset + end, first))
                continue
            begin = opened[own].pop()
            if opened[other] and opened[other][-1] > begin:
                found.append(Issue("crossing_brackets", offset + begin, offset + end, text[begin : begin + 40]))
            if own == "[" and colons.pop() and not program.literal:
                found.append(Issue("not_an_edit", offset + begin, offset + end, text[begin:end][:40]))
        elif first == ":":
            if colons:
                colons[-1] += opened["["][-1] > (opened["("][-1] if opened["("] else -1)
            if len(token) > 1 and opened["("] and not _is_number(token[1:]):
                found.append(Issue("bad_number", offset + start + 1, offset + end, token[1:].strip()[:40]))
        elif "BREAK" in token and (opened["("] or opened["["]):
            found += [
                Issue("break_in_brackets", offset + start + match.start(), offset + start + match.end(), "BREAK")
                for match in _BREAK.finditer(token)
            ]
    lost = sorted([*opened["("], *opened["["]])
    found += [Issue("unclosed_bracket", offset + at, offset + at + 1, text[at]) for at in lost[:LIMIT]]
    return found[: 2 * LIMIT], max(0, len(found) - 2 * LIMIT) + max(0, len(lost) - LIMIT)


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
