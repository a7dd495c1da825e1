"""Lesson 03: the language of prompts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ra_widgets.course.checks import Hint, count, differing, exercise, requests
from ra_widgets.course.exercises._answers import series

CHUNK = 75
"""Tokens that the text encoder of Stable Diffusion reads at once."""


@exercise("03.1")
def emphasis(answer: Any) -> dict[str, Any]:
    """A prompt in which something has the weight 1.3, and a negative prompt."""
    from ra_widgets.prompt import parse_attention

    found = requests(answer)
    count(found, 1)
    request = found[0]
    pieces = [(text, weight) for text, weight in parse_attention(request.prompt) if text.strip(" ,，")]
    strong = [text.strip() for text, weight in pieces if abs(weight - 1.3) < 1e-6]
    if not strong:
        # full-width brackets are plain text; a full-width colon elsewhere in the prompt is good Chinese
        if "（" in request.prompt or "：" in request.prompt:
            raise Hint("course.03.1.fullwidth")
        weights = ", ".join(f"{weight:g}" for _, weight in pieces)
        raise Hint("course.03.1.weight", weights=weights or "-")
    if len(strong) == len(pieces):
        raise Hint("course.03.1.all")
    if not request.negative_prompt.strip():
        raise Hint("course.03.1.negative")
    return {"word": strong[0], "negative": request.negative_prompt}


@exercise("03.2")
def change_half_way(answer: Any) -> dict[str, Any]:
    """A prompt that becomes another one half way."""
    from ra_widgets.prompt import prompt_schedule

    found = requests(answer)
    count(found, 1)
    request = found[0]
    stages = prompt_schedule(request.prompt, request.steps)
    if len(stages) != 2:
        raise Hint("course.03.2.stages", count=len(stages))
    if stages[0][0] != request.steps // 2:
        raise Hint("course.03.2.half", got=stages[0][0], wanted=request.steps // 2)
    return {"first": str(stages[0][1]).strip(), "second": str(stages[1][1]).strip()}


@exercise("03.3")
def take_turns(answer: Any) -> dict[str, Any]:
    """A prompt in which two things take turns, step by step."""
    from ra_widgets.prompt import prompt_schedule

    found = requests(answer)
    count(found, 1)
    request = found[0]
    stages = [str(text) for _, text in prompt_schedule(request.prompt, request.steps)]
    if len(stages) < request.steps:
        raise Hint("course.03.3.stages", count=len(stages))
    if len(set(stages)) != 2 or any(a == b for a, b in pairwise(stages)):
        raise Hint("course.03.3.two", count=len(set(stages)))
    return {"first": stages[0].strip(), "second": stages[1].strip()}


@exercise("03.4")
def weight_series(answer: Any) -> dict[str, Any]:
    """Three or more pictures in which only the weight of one part of the prompt changes."""
    from ra_widgets.prompt import parse_attention

    found = series(answer, 3)
    fields = [name for name in differing(found) if name != "prompt"]
    if fields:
        raise Hint("course.hint.only", field="prompt", others=", ".join(fields))
    parsed = [parse_attention(request.prompt) for request in found]
    # neighbours of equal weight are merged when parsed, so that the text is compared as a whole
    texts = {"".join(str(text) for text, _ in pieces) for pieces in parsed}
    if len(texts) > 1:
        raise Hint("course.03.4.text")
    peaks = {tuple(round(float(weight), 4) for _, weight in pieces) for pieces in parsed}
    if len(peaks) < len(found):
        raise Hint("course.03.4.weights")
    return {"count": len(found)}
