"""``ra inpaint PICTURE|FOLDER ... --mask MASK|FOLDER -p "提示词" -o OUT``: parts of pictures painted anew."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ra_widgets.commands import _pictures as common
from ra_widgets.commands import _shell as shell
from ra_widgets.errors import GalleryError

if TYPE_CHECKING:
    from ra_widgets.requests import Inpaint


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
    parser.option("--fix-steps", key="cli.img2img.fix_steps")
    common.final_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Paint them, one after another."""
    args.command_name = "inpaint"
    fields = common.fields_from(args) | common.given(
        mask_blur=shell.whole(args.mask_blur, "--mask-blur"),
        inpainting_mask_invert=args.invert or None,
        inpainting_fill=common.number_or_name(args.fill),
        inpaint_full_res=args.only_masked or None,
        inpaint_full_res_padding=shell.whole(args.padding, "--padding"),
        soft_inpainting=args.soft or None,
        img2img_fix_steps=args.fix_steps or None,
    )
    masks = None if args.mask is None else Path(args.mask).expanduser()

    def make(picture: Any) -> Inpaint:
        from ra_widgets.pictures import Picture
        from ra_widgets.requests import Inpaint

        if masks is None or not isinstance(picture, Path):
            return Inpaint(image=picture, **fields)
        return Inpaint(image=Picture(picture), mask=mask_of(picture, masks), **fields)

    return common.Batch(args, make).run()


def mask_of(picture: Path, masks: Path) -> Path:
    """The mask itself, or of a folder of masks the one with the picture's name.

    Raises:
        GalleryError: the folder has none.
    """
    from ra_widgets.experiments.folder import SUFFIXES

    if not masks.is_dir():
        return masks
    found = [p for p in sorted(masks.iterdir()) if p.stem == picture.stem and p.suffix.lower() in SUFFIXES]
    if not found:
        raise GalleryError("cli.inpaint.no_mask", folder=str(masks), name=picture.stem)
    return found[0]
