"""Chunks: a prompt longer than the text encoder's window is cut into windows of 75 tokens, encoded one by one.

webui's rules, over any kind of token: a full chunk is closed; when the last comma is at most ``backtrack`` tokens back,
the words behind it move to the next chunk, so that a phrase stays together; BREAK closes a chunk; an embedding of
several vectors never straddles two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Token = TypeVar("Token")
CHUNK = 75
BACKTRACK = 20


@dataclass
class Chunk(Generic[Token]):
    """Up to 75 tokens with the weight of each, and the embeddings among them.

    ``embeddings``: ``(offset, embedding)``; each takes as many places as it has vectors, held by the filler token.
    """

    tokens: list[Token] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    embeddings: list[tuple[int, Any]] = field(default_factory=list)


FindEmbedding = Callable[[Sequence[Any], int], "tuple[Any, int, int] | None"]


def embedding_finder(
    embeddings: Iterable[Any],
    tokenize: Callable[[str], Sequence[Token]],
    unknown: Token | None = None,
    fits: Callable[[Any], bool] = lambda embedding: True,
) -> FindEmbedding | None:
    """What :func:`split_chunks` asks for embeddings: they are found by the tokens of their names, the longest first.

    That is the webui's rule: the name may stand anywhere, also inside a longer word. None when there are none.

    Args:
        embeddings: things with ``name`` and ``vectors`` (places taken).
        tokenize: the tokenizer of the prompt.
        unknown: its token for what it cannot read. A name that has it is left out: it would match anything unreadable.
        fits: whether an embedding can be used with the model, asked when its name is met; if not, the name is just words.
    """
    by_first: dict[Token, list[tuple[list[Token], Any]]] = {}
    for embedding in embeddings:
        tokens = list(tokenize(embedding.name))
        if tokens and (unknown is None or unknown not in tokens):
            by_first.setdefault(tokens[0], []).append((tokens, embedding))
    for candidates in by_first.values():
        candidates.sort(key=lambda candidate: -len(candidate[0]))

    def find(tokens: Sequence[Token], position: int) -> tuple[Any, int, int] | None:
        for name, embedding in by_first.get(tokens[position], ()):
            if list(tokens[position : position + len(name)]) == name and fits(embedding):
                return embedding, embedding.vectors, len(name)
        return None

    return find if by_first else None


def split_chunks(
    pieces: Sequence[Sequence],
    tokenize: Callable[[str], Sequence[Token]],
    is_comma: Callable[[Token], bool],
    *,
    size: int = CHUNK,
    backtrack: int = BACKTRACK,
    find_embedding: FindEmbedding | None = None,
    filler: Token | None = None,
) -> list[Chunk[Token]]:
    """Cut weighted text into chunks (not padded, no begin and end marks); at least one.

    Args:
        pieces: ``[[text, weight], ...]`` of :func:`ra_widgets.prompt.parse_attention`.
        tokenize: text to tokens.
        is_comma: whether a token is the comma.
        size: tokens in a chunk.
        backtrack: how far back a comma may be (0 = never move words).
        find_embedding: ``(tokens, position) -> (embedding, vectors, tokens used) | None`` (:func:`embedding_finder`).
        filler: token that holds the places of an embedding.
    """
    chunks: list[Chunk[Token]] = []
    chunk: Chunk[Token] = Chunk()
    last_comma = -1

    def close() -> None:
        nonlocal chunk, last_comma
        chunks.append(chunk)
        chunk, last_comma = Chunk(), -1

    for text, weight in pieces:
        if text == "BREAK" and weight == -1:
            close()
            continue
        tokens = tokenize(text)
        position = 0
        while position < len(tokens):
            token = tokens[position]
            full = len(chunk.tokens) == size
            if is_comma(token):
                last_comma = len(chunk.tokens)
            elif backtrack and full and last_comma != -1 and size - last_comma <= backtrack:
                keep, full_chunk = last_comma + 1, chunk
                close()
                _move(full_chunk, chunk, keep)
            if len(chunk.tokens) == size:
                close()
            found = find_embedding(tokens, position) if find_embedding else None
            if found is None:
                chunk.tokens.append(token)
                chunk.weights.append(weight)
                position += 1
                continue
            embedding, vectors, used = found
            if len(chunk.tokens) + vectors > size:
                close()
            chunk.embeddings.append((len(chunk.tokens), embedding))
            chunk.tokens += [filler] * vectors  # type: ignore[list-item]
            chunk.weights += [weight] * vectors
            position += used
    if chunk.tokens or not chunks:
        close()
    return chunks


def _move(old: Chunk, new: Chunk, keep: int) -> None:
    """Move what is behind position ``keep`` to the new chunk."""
    new.tokens, new.weights = old.tokens[keep:], old.weights[keep:]
    new.embeddings = [(at - keep, item) for at, item in old.embeddings if at >= keep]
    del old.tokens[keep:], old.weights[keep:]
    old.embeddings = [(at, item) for at, item in old.embeddings if at < keep]
