"""Templates: one request with ``{red|blue}`` and ``__wildcards__`` in its prompts, and a picture for each draw.

Never done unasked: in the webui's own language braces are just characters, so a prompt keeps its meaning unless it is called a
template.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence

from ra_widgets import paths
from ra_widgets.errors import InvalidRequest
from ra_widgets.prompt.wildcards import expand, expand_all, has_wildcards, missing_wildcards
from ra_widgets.requests import Generation, Series, TextToImage

LIMIT = 400
"""Pictures of one template, at most."""
_TEXTS = ("prompt", "negative_prompt", "hr_prompt", "hr_negative_prompt")


def from_template(
    source: str | Generation, folder: str | os.PathLike[str] | None = None, *, combinations: bool = False
) -> Series:
    """The pictures of a template, as one series; each keeps the drawn prompt and makes itself again alone.

    Args:
        source: a prompt, or a request: ``n_iter`` times ``batch_size`` pictures are drawn, picture ``i`` with the words and
            the noise of ``seed + i``.
        folder: of the wildcard files; None: ``wildcards`` in the workbench's home (or ``RA_WILDCARDS``), if it exists.
        combinations: instead of drawing, every combination of the prompt once, all with the same seed.

    Raises:
        InvalidRequest: a wildcard is missing, or there are more than 400 pictures.
        RAError: braces do not fit, a wildcard contains itself, a file cannot be read.

    Example:
        >>> kernel.generate(from_template(TextToImage(prompt="一个{红|绿|黄}苹果", n_iter=4, seed=7)))
    """
    request = TextToImage(prompt=source) if isinstance(source, str) else source
    if request.seed == -1:
        request = request.replace(seed=secrets.randbelow(4294967294))
    place = paths.wildcards_dir() if folder is None else folder
    texts = [name for name in _TEXTS if has_wildcards(getattr(request, name, ""))]
    for name in texts:
        missing = missing_wildcards(getattr(request, name), place)
        if missing:
            raise InvalidRequest(
                "experiments.wildcards",
                field=name,
                names=", ".join(missing),
                folder=str(place or paths.home() / "wildcards"),
            )
    members: Sequence[Generation]
    if combinations:
        alone = request.replace(n_iter=1, batch_size=1)
        found = expand_all(request.prompt, place, LIMIT + 1)
        members = [_drawn(alone, texts, alone.seed, place, prompt) for prompt in found]
    else:
        count = min(request.images, LIMIT + 1)
        singles = [request.single(index) for index in range(count)]
        members = [_drawn(single, texts, request.seed + index, place) for index, single in enumerate(singles)]
    if len(members) > LIMIT:
        raise InvalidRequest("experiments.too_many", field="n_iter", limit=LIMIT)
    return Series(requests=tuple(members))


def _drawn(
    request: Generation, names: list[str], seed: int, folder: str | os.PathLike[str] | None, prompt: str | None = None
) -> Generation:
    """One picture's request with its templates drawn; ``prompt``: already drawn."""
    texts = {name: expand(getattr(request, name), seed, folder) for name in names}
    if prompt is not None:
        texts["prompt"] = prompt
    return request.replace(**texts)
