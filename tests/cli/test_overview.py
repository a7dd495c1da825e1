"""``ra`` itself: help, language, unknown words, speed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ra_widgets import i18n
from ra_widgets.cli import main
from ra_widgets.commands import COMMANDS


@pytest.fixture(autouse=True)
def keep_language(monkeypatch):
    # set first, so that what --lang puts there goes away with the test
    monkeypatch.setenv("RA_LANG", "zh_CN")
    monkeypatch.delenv("RA_LANG")
    before = list(i18n._current)
    i18n._current.clear()
    yield
    i18n._current[:] = before


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(words, capsys):
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "工作台" in shown
    for name in COMMANDS:
        assert f"  {name} " in shown


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(("language", "word"), [("zh", "用法"), ("en", "Usage")])
def test_every_command_explains_itself(name, language, word, capsys):
    assert main([name, "--help", "--lang", language]) == 0
    shown = capsys.readouterr().out
    assert word in shown and f"ra {name}" in shown
    assert "cli." not in shown, "a text is missing"
    if language == "en":
        assert not any("一" <= character <= "鿿" for character in shown)


def test_help_of_a_command_both_ways(capsys):
    main(["help", "generate"])
    first = capsys.readouterr().out
    main(["generate", "-h"])
    assert capsys.readouterr().out == first


def test_columns_are_straight_with_chinese_words(capsys):
    from rich.cells import cell_len

    main(["studio", "--help"])
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  -") and not line.isspace()]
    starts = {cell_len(row) - cell_len(row[2:].partition("   ")[2].lstrip()) for row in rows}
    assert len(rows) > 6 and len(starts) == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["genrate", "x"], "ra generate"),
        (["fly"], "studio, lab, generate"),
        (["--bogus"], "--bogus"),
        (["studio", "--bogus"], "--bogus"),
        (["models", "extra"], "extra"),
        (["generate"], "ra generate"),
        (["generate", "x", "--steps"], "--steps"),
        (["generate", "x", "--steps", "many"], "many"),
        (["generate", "x", "--cfg", "1,5"], "1,5"),
        (["generate", "x", "--size", "bigxbig"], "bigxbig"),
        (["generate", "x", "-o", "out.gif"], "out.gif"),
        (["studio", "--port", "port"], "port"),
        (["studio", "--port", "70000"], "70000"),
        (["studio", "--skin", "pink"], "pink"),
        (["studio", "--cull", "0"], "--cull"),
        (["studio", "--ip", "0.0.0.0", "--no-token"], "0.0.0.0"),
        (["studio", "--ip", "192.168.1.2", "--no-token"], "192.168.1.2"),
        (["--lang", "fr"], "fr"),
        (["--lang"], "--lang"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(words, part, capsys):
    code = main(words)
    out, err = capsys.readouterr()
    assert code == 2
    assert out == "" and part in err
    assert "Traceback" not in err and "{" not in err


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["studio", "no-such.ipynb"], "no-such.ipynb"),
        (["studio", "--model", "no-such-model"], "no-such-model"),
        (["lab", "/no/such/folder"], "/no/such/folder"),
        (["generate", "x", "-o", "/no/such/folder/out.png"], "/no/such/folder"),
        (["generate", "x", "--sampler", "Magic"], "Magic"),
        (["generate", "x", "--steps", "0"], "steps"),
        (["generate", "x", "--size", "16"], "64"),
    ],
)
def test_what_cannot_be_done_is_a_sentence_and_exit_code_1(words, part, capsys):
    assert main([*words, "--lang", "en"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and part in err and "Traceback" not in err


def test_language_by_option_anywhere_and_by_environment(capsys, monkeypatch):
    main(["--lang", "en", "fly"])
    assert "There is no command" in capsys.readouterr().err
    main(["fly", "--lang=zh"])
    assert "没有" in capsys.readouterr().err
    i18n._current.clear()
    monkeypatch.setenv("RA_LANG", "en_US")
    main(["fly"])
    assert "There is no command" in capsys.readouterr().err


def test_a_prompt_after_two_dashes_is_taken_as_it_is(monkeypatch, capsys):
    from ra_widgets.commands import _shell, generate

    parser = _shell.Parser("generate")
    generate.arguments(parser)
    assert parser.read(["--steps", "3", "--", "--lang"]).prompt == "--lang"


def test_version_as_json(capsys):
    assert main(["version", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"ra-workbench", "python", "torch", "voila"} <= set(facts)


def test_an_unforeseen_error_is_one_sentence(monkeypatch, capsys):
    from ra_widgets.commands import version

    def broken(args):
        raise ZeroDivisionError("[bold]ouch")

    monkeypatch.setattr(version, "run", broken)
    assert main(["version"]) == 1
    err = capsys.readouterr().err
    assert "ZeroDivisionError" in err and "[bold]ouch" in err and "RA_DEBUG" in err and "Traceback" not in err
    monkeypatch.setenv("RA_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["version"])


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from ra_widgets.cli import main; main(['--help']); main(['studio', '--help']); "
        "heavy = {'torch', 'diffusers', 'transformers', 'numpy', 'PIL', 'voila', 'jupyterlab', 'tornado', 'pydantic'}; "
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    env = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", env=env, timeout=60
    )
    assert answer.stderr.strip() == "[]"


def test_a_reader_that_leaves_is_no_error():
    command = f'"{sys.executable}" -m ra_widgets.cli --help'
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        errors = process.stderr.read().decode("utf-8", "replace")
        process.wait(60)
    assert "Traceback" not in errors and "Exception ignored" not in errors
