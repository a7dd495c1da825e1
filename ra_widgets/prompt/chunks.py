"""Chunks: a prompt longer than the text encoder's window is cut into windows of 75 tokens, encoded one by one.

webui's rules, over any kind of token: a full chunk is closed; when the last comma is at most ``backtrack`` tokens back,
the words behind it move to the next chunk, so that a phrase stays together; BREAK closes a chunk; an embedding of
several vectors never straddles two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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
    embeddings: list[tuple[int, object]] = field(default_factory=list)


def split_chunks(
    pieces: Sequence[Sequence],
    tokenize: Callable[[str], Sequence[Token]],
    is_comma: Callable[[Token], bool],
    *,
    size: int = CHUNK,
    backtrack: int = BACKTRACK,
    find_embedding: Callable[[Sequence[Token], int], tuple[object, int, int] | None] | None = None,
    filler: Token | None = None,
) -> list[Chunk[Token]]:
    """Cut weighted text into chunks (not padded, no begin and end marks); at least one.

    Args:
        pieces: ``[[text, weight], ...]`` of :func:`ra_widgets.prompt.parse_attention`.
        tokenize: text to tokens.
        is_comma: whether a token is the comma.
        size: tokens in a chunk.
        backtrack: how far back a comma may be (0 = never move words).
        find_embedding: ``(tokens, position) -> (embedding, vectors, tokens used) | None``.
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
