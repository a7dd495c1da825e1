"""The syntax tree: kinds, positions, colours."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ra_widgets.prompt import highlight, parse, parse_attention
from ra_widgets.prompt.grammar import KINDS

PROMPT = "a (b:1.2) [c:d:0.5] __w__ <lora:x:1> AND (z [x|y]) :0.7 # hi\nBREAK {p|q}"
TEXTS = st.text(alphabet="ab [](){}:|.1\\<>_#\nAND BREAK小，", max_size=40)


def kinds(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for node, _ in parse(text).root.walk():
        found.setdefault(node.kind, []).append(text[node.start : node.end])
    return found


def test_every_construct_has_its_node_and_place() -> None:
    found = kinds("a (b:1.2) [c:d:0.5] [e] __w__ [x|(y)]\\( AND z :0.7")
    assert found["emphasis"] == ["(b:1.2)", "(y)"]
    assert found["weight"] == [":1.2", ":0.7"]
    assert found["scheduled"] == ["[c:d:0.5]"]
    assert found["number"] == ["0.5"]
    assert found["deemphasis"] == ["[e]"]
    assert found["alternate"] == ["[x|(y)]"]
    assert found["option"] == ["c", "d", "x", "(y)"]
    assert found["wildcard"] == ["__w__"]
    assert found["escape"] == ["\\("]
    assert found["and"] == ["AND"]
    assert len(found["part"]) == 2


def test_parts_carry_their_weights() -> None:
    parts = [node for node in parse("a AND b :-0.5").root.children if node.kind == "part"]
    assert [part.value for part in parts] == [1.0, -0.5]


def test_networks_and_comments_do_not_move_positions() -> None:
    text = "红 <lora:墨:0.8> # 注释 (x)\n(苹果:1.3) <lora:b> end"
    tree = parse(text)
    words = {text[node.start : node.end] for node, _ in tree.root.walk() if node.kind == "emphasis"}
    assert words == {"(苹果:1.3)"}
    assert [text[item.start : item.end] for item in tree.networks] == ["<lora:墨:0.8>", "<lora:b>"]
    assert [text[start:end] for start, end in tree.comments] == ["# 注释 (x)"]


def test_unclosed_and_crossing_brackets_are_marked() -> None:
    nodes = [node for node, _ in parse("(a [b) c").root.walk() if node.kind in ("emphasis", "deemphasis")]
    assert [(node.kind, node.closed) for node in nodes] == [("emphasis", True), ("deemphasis", False)]


def test_highlight_names_each_mark() -> None:
    text = "(a:1.2) [b|c] \\( <lora:x> # no"
    assert [(text[start:end], kind) for start, end, kind in highlight(text)] == [
        ("(", "emphasis"),
        (":1.2", "weight"),
        (")", "emphasis"),
        ("[", "alternate"),
        ("|", "alternate"),
        ("]", "alternate"),
        ("\\(", "escape"),
        ("<lora:x>", "network"),
        ("# no", "comment"),
    ]


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_positions_are_always_sound(text: str) -> None:
    tree = parse(text)
    for node, _ in tree.root.walk():
        assert node.kind in KINDS
        assert 0 <= node.start <= node.end <= len(text)
        for child in node.children:
            assert node.start <= child.start and child.end <= node.end
        for first, second in pairwise(node.children):
            assert first.end <= second.start
    spans = highlight(text)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    assert all(0 <= start < end <= len(text) for start, end, _ in spans)
    assert all(0 <= issue.start <= issue.end <= len(text) for issue in tree.issues)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.recursive(st.sampled_from(["a", "b c", "猫"]), lambda inner: st.one_of(
    st.builds("({})".format, inner), st.builds("({}:1.3)".format, inner), st.builds("[{}]".format, inner),
    st.builds("{} {}".format, inner, inner)), max_leaves=8))  # fmt: skip
def test_weights_of_the_tree_are_those_of_the_engine(text: str) -> None:
    """On well-formed prompts the factors on the way from the root to a word multiply to its weight."""
    weights: list[tuple[str, float]] = []
    stack = [(parse(text).root, 1.0)]
    while stack:
        node, factor = stack.pop()
        factor *= node.value if node.kind in ("emphasis", "deemphasis") and node.value else 1.0
        if node.kind == "text":
            weights.append((node.text, round(factor, 9)))
        stack += [(child, factor) for child in reversed(node.children)]
    joined: list[list] = []
    for words, weight in weights:
        if joined and joined[-1][1] == weight:
            joined[-1][0] += words
        else:
            joined.append([words, weight])
    assert joined == [[words, round(weight, 9)] for words, weight in parse_attention(text)]
