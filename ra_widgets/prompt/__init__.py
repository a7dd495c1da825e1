"""The prompt language: attention, editing over time, composition, networks, styles, wildcards, translation.

Pure data, no torch. Everything here is linear in the length of the text and never recurses.
"""

from __future__ import annotations

from ra_widgets.prompt.attention import Piece, attention_pieces, parse_attention
from ra_widgets.prompt.chunks import Chunk, split_chunks
from ra_widgets.prompt.comments import strip_comments
from ra_widgets.prompt.composition import split_and
from ra_widgets.prompt.grammar import Issue, Node, Tree, highlight, parse
from ra_widgets.prompt.networks import Network, split_networks
from ra_widgets.prompt.schedule import prompt_schedule
from ra_widgets.prompt.styles import Style, StyleBook, apply_styles, extract_styles, read_styles, write_styles

__all__ = [
    "Chunk",
    "Issue",
    "Network",
    "Node",
    "Piece",
    "Style",
    "StyleBook",
    "Tree",
    "apply_styles",
    "attention_pieces",
    "extract_styles",
    "highlight",
    "parse",
    "parse_attention",
    "prompt_schedule",
    "read_styles",
    "split_and",
    "split_chunks",
    "split_networks",
    "strip_comments",
    "write_styles",
]
