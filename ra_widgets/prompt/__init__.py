"""The prompt language: attention, editing over time, composition, networks, styles, wildcards, translation.

Pure data, no torch. Everything here is linear in the length of the text and never recurses.
"""

from __future__ import annotations

from ra_widgets.prompt.attention import Piece, attention_pieces, parse_attention
from ra_widgets.prompt.check import Issue, check
from ra_widgets.prompt.chunks import Chunk, embedding_finder, split_chunks
from ra_widgets.prompt.comments import strip_comments
from ra_widgets.prompt.complete import Candidate, Completer, load_tags
from ra_widgets.prompt.composition import split_and
from ra_widgets.prompt.explain import explain
from ra_widgets.prompt.fullwidth import Change, Preview, preview
from ra_widgets.prompt.grammar import Node, Tree, highlight, parse
from ra_widgets.prompt.lexicon import Translation, translate
from ra_widgets.prompt.networks import Network, split_networks
from ra_widgets.prompt.schedule import prompt_schedule
from ra_widgets.prompt.styles import Style, StyleBook, apply_styles, extract_styles, read_styles, write_styles
from ra_widgets.prompt.wildcards import expand

__all__ = [
    "Candidate",
    "Change",
    "Chunk",
    "Completer",
    "Issue",
    "Network",
    "Node",
    "Piece",
    "Preview",
    "Style",
    "StyleBook",
    "Translation",
    "Tree",
    "apply_styles",
    "attention_pieces",
    "check",
    "embedding_finder",
    "expand",
    "explain",
    "extract_styles",
    "highlight",
    "load_tags",
    "parse",
    "parse_attention",
    "preview",
    "prompt_schedule",
    "read_styles",
    "split_and",
    "split_chunks",
    "split_networks",
    "strip_comments",
    "translate",
    "write_styles",
]
