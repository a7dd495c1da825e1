"""``explain(prompt)``: what the engine will make of a prompt, as plain data and in words, in both languages.

The result holds only dicts, lists, strings and numbers, flat enough for JSON, so that the editor, a lesson, the command
line and the REST interface can all show it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ra_widgets.i18n import LANGUAGES, get_language, normalise, t
from ra_widgets.prompt.attention import attention_pieces
from ra_widgets.prompt.check import LIMIT, Issue, check_parts
from ra_widgets.prompt.chunks import CHUNK, embedding_finder, split_chunks
from ra_widgets.prompt.composition import Part, parts
from ra_widgets.prompt.schedule import Program, compile_schedule, resolve
from ra_widgets.prompt.source import Cleaned, clean

_ESTIMATE = re.compile(r"[A-Za-z]+(?:'[a-z]+)?|\d|[\u3400-\u9fff]|[^\W\d_]|[^\w\s]+|_")
_EXTREME = 2.5


def explain(
    prompt: str,
    steps: int = 20,
    tokenizer: Any = None,
    lang: str | None = None,
    *,
    hires_steps: int | None = None,
    comments: bool = True,
    positive: bool = True,
    embeddings: Iterable[Any] = (),
) -> dict[str, Any]:
    """Explain a prompt.

    Args:
        prompt: the text as the user wrote it (styles and wildcards already filled in, if any).
        steps: steps of the pass that is explained, at least 1.
        tokenizer: something with ``tokenize(text) -> list``, or such a function itself. Without one, tokens are
            estimated (``tokens_estimated`` is then True).
        lang: language of ``summary`` (default: the current one).
        hires_steps: explain the second pass instead, of so many steps.
        comments: whether ``#`` begins a comment.
        positive: False for a negative prompt, which knows no AND.
        embeddings: textual inversion embeddings that the engine has: things with ``name`` and ``vectors``
            (:func:`ra_widgets.library.embeddings.available`).

    Returns:
        ``prompt``, ``steps``, ``lang``;
        ``parts`` (composition): text, weight, start, end;
        ``schedule``: one entry per part and stretch of steps, from, to, text, and its ``pieces``: text, weight, start,
        end (in ``prompt``), break; ``pieces``: those of the first step of every part, in order;
        ``chunks``: windows of the first step, part, tokens, weights, count; an embedding fills as many places as it has
        vectors, written ``<name>``;
        ``token_count``, ``tokens_estimated``; ``embeddings``: name, vectors, part, chunk;
        ``networks``: kind, name, args, named, start, end; ``comments``: start, end;
        ``issues``: code, start, end, text, message (``{language: sentence}``); ``issues_left_out``;
        ``sentences``: ``{language: [sentence, ...]}``; ``summary``: those of ``lang``.

    Raises:
        InvalidRequest: ``steps`` or ``hires_steps`` is below 1.
    """
    cleaned = clean(prompt, comments)
    whole = parts(cleaned.text) if positive else [Part(cleaned.text, 1.0, 0, len(cleaned.text), len(cleaned.text))]
    tokenize, estimated = _tokenizer(tokenizer)
    schedule: list[dict[str, Any]] = []
    chunks: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    find = embedding_finder(embeddings, tokenize)
    timed: list[Issue] = []
    programs = [compile_schedule(part.text) for part in whole]
    for index, (part, program) in enumerate(zip(whole, programs, strict=True)):
        total = resolve(program, steps, hires_steps)
        entries = _timeline(program, total, part, cleaned)
        schedule += [{"part": index, **entry} for entry in entries]
        timed += _timing(program, total, part, cleaned)
        pairs = [[piece["text"], piece["weight"]] for piece in entries[0]["pieces"]]
        for chunk in split_chunks(pairs, tokenize, _is_comma, find_embedding=find, filler=""):
            tokens = [str(token) for token in chunk.tokens]
            for at, item in chunk.embeddings:
                tokens[at : at + item.vectors] = [f"<{item.name}>"] * item.vectors
                found.append({"name": item.name, "vectors": item.vectors, "part": index, "chunk": len(chunks)})
            chunks.append({"part": index, "count": len(tokens), "tokens": tokens, "weights": chunk.weights})
    pieces = [{"part": entry["part"], **piece} for entry in schedule if entry["from"] == 1 for piece in entry["pieces"]]
    issues, left_out = check_parts(prompt, cleaned, whole, programs)
    extreme = [item for item in pieces if not item["break"] and not -_EXTREME <= item["weight"] <= _EXTREME]
    timed += [Issue("extreme_weight", item["start"], item["end"], f"{item['weight']:.4g}") for item in extreme]
    issues = sorted([*issues, *timed], key=lambda issue: (issue.start, issue.end))
    left_out += max(0, len(issues) - LIMIT)
    result: dict[str, Any] = {
        "prompt": prompt,
        "steps": steps if hires_steps is None else hires_steps,
        "lang": normalise(lang) if lang else get_language(),
        "parts": [
            {"text": part.text, "weight": part.weight, **_range(cleaned.span(part.start, part.end))} for part in whole
        ],
        "schedule": schedule,
        "pieces": pieces,
        "chunks": chunks,
        "token_count": sum(chunk["count"] for chunk in chunks),
        "tokens_estimated": estimated,
        "embeddings": found,
        "networks": [
            {"kind": item.kind, "name": item.name, "args": list(item.args), "named": dict(item.named),
             "start": item.start, "end": item.end}
            for item in cleaned.networks
        ],
        "comments": [_range(span) for span in cleaned.comments],
        "issues": [_issue(item) for item in issues[:LIMIT]],
        "issues_left_out": left_out,
    }  # fmt: skip
    result["sentences"] = {language: _sentences(result, language) for language in LANGUAGES}
    result["summary"] = result["sentences"][result["lang"]]
    return result


def _range(span: tuple[int, int]) -> dict[str, int]:
    return {"start": span[0], "end": span[1]}


def _issue(item: Issue) -> dict[str, Any]:
    message = {language: t(f"prompt.issue.{item.code}", language, text=item.text) for language in LANGUAGES}
    return {"code": item.code, "start": item.start, "end": item.end, "text": item.text, "message": message}


def _timeline(program: Program, steps: int, part: Part, cleaned: Cleaned) -> list[dict[str, Any]]:
    """The texts of one part over the steps, each with its weighted pieces and their places in the source."""
    entries: list[dict[str, Any]] = []
    known: dict[tuple[int, ...], tuple[str, list[dict[str, Any]]]] = {}
    ends = program.ends(steps)
    begin = 1
    for end, state in zip(ends, program.states(ends), strict=True):
        if state not in known:
            known[state] = _pieces(program.runs(end), part.start, cleaned)
        text, pieces = known[state]
        entries.append({"from": begin, "to": end, "text": text, "pieces": pieces})
        begin = end + 1
    return entries


def _pieces(runs: list[tuple[str, int]], offset: int, cleaned: Cleaned) -> tuple[str, list[dict[str, Any]]]:
    """The text that ``runs`` make up, and its weighted pieces."""
    text = "".join(run for run, _ in runs)
    starts, places = [0], [0]
    at = 0
    for run, place in runs:
        starts.append(at)
        places.append(place)
        at += len(run)

    def source(position: int) -> int:
        index = bisect_right(starts, position) - 1
        return offset + places[index] + position - starts[index]

    pieces = []
    for piece in attention_pieces(text):
        start, end = source(piece.start), source(piece.end - 1) + 1 if piece.end > piece.start else source(piece.start)
        span = cleaned.span(start, end)
        pieces.append({"text": piece.text, "weight": piece.weight, **_range(span), "break": piece.is_break})
    return text, pieces


def _timing(program: Program, steps: int, part: Part, cleaned: Cleaned) -> list[Issue]:
    """Edits of which one text is never used."""
    found = []
    for edit in program.edits[:LIMIT]:
        if edit.number and (edit.when >= steps or edit.when < 1):
            marks = program.marks(edit)
            span = cleaned.span(part.start + marks[0], part.start + marks[-1] + 1)
            found.append(Issue("never_after" if edit.when >= steps else "never_before", *span, edit.number))
    return found


def _tokenizer(tokenizer: Any) -> tuple[Callable[[str], Sequence[Any]], bool]:
    if tokenizer is None:
        return _ESTIMATE.findall, True
    method = getattr(tokenizer, "tokenize", None)
    return (method if callable(method) else tokenizer), False


def _is_comma(token: Any) -> bool:
    return isinstance(token, str) and token.removesuffix("</w>").lstrip("Ġ▁") in (",", "，")


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= 60 else words[:57] + "..."


def _sentences(result: dict[str, Any], language: str) -> list[str]:
    """The explanation in words."""

    def say(key: str, **values: object) -> str:
        return t(f"prompt.explain.{key}", language, **values)

    lines = [
        say(
            "tokens_estimated" if result["tokens_estimated"] else "tokens",
            tokens=result["token_count"], chunks=len(result["chunks"]), size=CHUNK,
        )
    ]  # fmt: skip
    if len(result["parts"]) > 1:
        lines.append(say("parts", count=len(result["parts"])))
        lines += [say("part", text=_short(part["text"]), weight=f"{part['weight']:g}") for part in result["parts"][:8]]
    for piece in [piece for piece in result["pieces"] if not piece["break"] and piece["text"].strip()][:200]:
        if piece["weight"] != 1:
            key = "stronger" if piece["weight"] > 1 else "weaker" if piece["weight"] >= 0 else "against"
            lines.append(say(key, text=_short(piece["text"]), weight=f"{piece['weight']:.4g}"))
        if len(lines) > 20:
            break
    breaks = sum(piece["break"] for piece in result["pieces"])
    if breaks:
        lines.append(say("breaks", count=breaks))
    changing = [entry for entry in result["schedule"] if entry["from"] > 1 or entry["to"] < result["steps"]]
    for entry in changing[:8]:
        key = "step" if entry["from"] == entry["to"] else "steps"
        lines.append(say(key, first=entry["from"], last=entry["to"], text=_short(entry["text"])))
    if len(changing) > 8:
        lines.append(say("more", count=len(changing) - 8))
    for network in result["networks"][:12]:
        rest = ":".join([*network["args"][1:], *(f"{key}={value}" for key, value in network["named"].items())])
        lines.append(say("network", kind=network["kind"], name=network["name"], strength=rest or "1"))
    for name, vectors in list({item["name"]: item["vectors"] for item in result["embeddings"]}.items())[:12]:
        lines.append(say("embedding", name=name, vectors=vectors))
    if result["comments"]:
        lines.append(say("comments", count=len(result["comments"])))
    if len(lines) == 1:
        lines.append(say("plain"))
    return lines
