"""``ra inpaint PICTURE|FOLDER ... --mask MASK|FOLDER -p "提示词" -o OUT``: parts of pictures painted anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell
from ra_widgets.errors import GalleryError

if TYPE_CHECKING:
    from ra_widgets.requests import Generation


def arguments(parser: shell.Parser) -> None:
    """Options of ``ra inpaint``."""
    common.arguments(parser)
    parser.option("-m", "--mask", metavar="FILE|DIR")
    parser.option("--mask-blur", metavar="N")
    parser.option("--invert")
    parser.option("--fill", metavar="0-3")
    parser.option("--only-masked")
    parser.option("--padding", metavar="N")
    parser.option("--soft")


def run(args: argparse.Namespace) -> int:
    """Paint them, one after another."""
    args.command_name = "inpaint"
    fields = common.fields_from(args) | common.given(
        mask_blur=shell.whole(args.mask_blur, "--mask-blur"),
        inpainting_mask_invert=args.invert or None,
        inpainting_fill=shell.whole(args.fill, "--fill"),
        inpaint_full_res=args.only_masked or None,
        inpaint_full_res_padding=shell.whole(args.padding, "--padding"),
        soft_inpainting=args.soft or None,
    )
    return common.run(args, fields, lambda path, known: _request(path, known, args.mask))


def _request(path: Path, fields: dict[str, Any], mask: str | None) -> Generation:
    from ra_widgets.requests import Inpaint

    return Inpaint(image=path, **fields, **({} if mask is None else {"mask": mask_of(path, Path(mask).expanduser())}))


def mask_of(picture: Path, mask: Path) -> Path:
    """The mask itself, or of a folder of masks the one with the picture's name.

    Raises:
        GalleryError: the folder has none.
    """
    if not mask.is_dir():
        return mask
    found = [path for path in sorted(mask.iterdir()) if path.stem == picture.stem and path.is_file()]
    if not found:
        raise GalleryError("cli.inpaint.no_mask", folder=str(mask), name=picture.stem)
    return found[0]
