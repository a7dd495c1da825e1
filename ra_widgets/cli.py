"""``ra``: the workbench on the command line.

    ra studio                        the studio in the browser
    ra lab                           JupyterLab at the course
    ra generate "一只小狗" -o dog.png   a picture from the terminal
    ra models | doctor | version

Nothing heavy is imported before a command needs it: ``ra --help`` loads neither torch nor Jupyter.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from ra_widgets._version import __version__
from ra_widgets.commands import COMMANDS
from ra_widgets.commands import _shell as shell
from ra_widgets.errors import RAError, describe
from ra_widgets.i18n import set_language, t

if TYPE_CHECKING:
    from rich.console import Console


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    shell.prepare_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(_take_language(words))
    except KeyboardInterrupt:
        shell.err().print(t("cli.interrupted"), style="yellow")
        return shell.EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output left (``ra models | head``): end quietly, also when Python flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return shell.EXIT_OK
    except RAError as error:
        complain(shell.err(), error.text())
        return shell.EXIT_USAGE if isinstance(error, shell.UsageError) else shell.EXIT_FAILED
    except Exception as error:
        if os.environ.get("RA_DEBUG"):
            raise
        complain(shell.err(), describe(error) + "\n" + t("cli.debug_hint"))
        return shell.EXIT_FAILED


def complain(console: Console, text: str) -> None:
    """Print a problem: the first line marked, markup in foreign text left alone."""
    from rich.text import Text

    console.print(Text.assemble(("✗ ", "bold red"), text))


def _take_language(words: list[str]) -> list[str]:
    """Apply ``--lang`` wherever it stands (texts of the parsers depend on it) and return the other words.

    Raises:
        UsageError: no language, or one that does not exist.
    """
    rest: list[str] = []
    place = iter(words)
    for word in place:
        if word == "--":
            rest += [word, *place]
            break
        if word != "--lang" and not word.startswith("--lang="):
            rest.append(word)
            continue
        name = word.partition("=")[2] if "=" in word else next(place, "")
        if name.replace("-", "_").lower() not in ("zh", "zh_cn", "cn", "en", "en_us", "en_gb"):
            raise shell.UsageError("cli.unknown_language", got=name[:20])
        os.environ["RA_LANG"] = set_language(name)
    return rest


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        if len(words) > 1 and words[1] in COMMANDS:
            return _dispatch([words[1], "--help"])
        from ra_widgets.commands._help import show_overview

        show_overview(shell.out(), __version__)
        return shell.EXIT_OK
    name, rest = words[0], words[1:]
    if name in ("--version", "-V"):
        name = "version"
    if name not in COMMANDS:
        if name.startswith("-"):
            raise shell.UsageError("cli.unknown_option", option=name[:40], command="")
        guess = shell.closest(name, list(COMMANDS))
        key = "cli.unknown_command_guess" if guess else "cli.unknown_command"
        raise shell.UsageError(key, got=name[:40], guess=guess, known=", ".join(COMMANDS))
    command = import_module(COMMANDS[name])
    parser = shell.Parser(name)
    command.arguments(parser)
    before = rest[: rest.index("--")] if "--" in rest else rest
    if "-h" in before or "--help" in before:
        from ra_widgets.commands._help import show_help

        show_help(shell.out(), parser)
        return shell.EXIT_OK
    return int(command.run(parser.read(rest)))


if __name__ == "__main__":
    sys.exit(main())
