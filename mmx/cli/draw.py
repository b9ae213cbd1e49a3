"""`mmx draw`: explanations that were written before, drawn again from their JSON files; no model is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmx.cli.options import ASKED, OUTPUT, Debug, Out
from mmx.errors import UsageError, shown_path

if TYPE_CHECKING:
    from mmx.results import Explanation, Picture


def draw(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.json...", help="What 'mmx explain' wrote.")],
    image: Annotated[Path | None, typer.Option(
        "--image", metavar="FILE", rich_help_panel=ASKED, help="The picture, where it is no longer at its old place.",
    )] = None,
    sheet: Annotated[bool, typer.Option(
        "--sheet", rich_help_panel=OUTPUT, help="One figure with the methods side by side.")] = False,
    html: Annotated[bool, typer.Option(
        "--html", rich_help_panel=OUTPUT, help="A page with all of it inside, in the place of a PNG.")] = False,
    out: Out = Path("mmx-draw"),
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", rich_help_panel=OUTPUT, help="Replace figures that are there.")] = False,
    debug: Debug = False,
) -> None:
    """Draw explanations again from their JSON files, without the model.

    Examples:

    mmx draw mmx-out/scene-5029.relevance.json

    mmx draw mmx-out/scene-5029.*.json --sheet --html
    """
    from rich.text import Text

    from mmx.cli.output import print_result
    from mmx.files import write_together
    from mmx.images import open_picture
    from mmx.show.html import html_page
    from mmx.show.saving import png_bytes, to_image

    given = None if image is None else open_picture(image)
    explanations = [_read(path, given) for path in files]
    groups = [("methods", explanations)] if sheet else [(path.stem, [one]) for path, one in
                                                        zip(files, explanations, strict=True)]
    ending = "html" if html else "png"
    paths = [out / f"{stem}.{ending}" for stem, _ in groups]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"Several files would be drawn as {shown_path(path)}.", "Draw them into several folders.")
        if path.exists() and not overwrite:
            raise UsageError(f"{shown_path(path)} is there already.",
                             "Choose another folder with --out, or --overwrite.")
    drawn = [html_page(group).encode() if html else png_bytes(to_image(group)) for _, group in groups]
    write_together(dict(zip(paths, drawn, strict=True)))
    for path in paths:
        print_result(Text.assemble(("wrote ", "dim"), shown_path(path)))


def _read(path: Path, given: "Picture | None") -> "Explanation":
    """Raises UsageError where it cannot be read, is no explanation, or is of another picture than is given."""
    import json

    from mmx.results import Explanation

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
    except ValueError as error:
        raise UsageError(f"{shown_path(path)} is not JSON.", "Give a file that 'mmx explain' wrote.") from error
    try:
        found = Explanation.from_dict(document, [] if given is None else [given.image])
    except UsageError as error:
        raise UsageError(f"{shown_path(path)}: {error.message}", error.hint) from error
    if given is not None and given.sha256 != found.picture.sha256:
        raise UsageError(f"{shown_path(path)} is of another picture than {shown_path(given.source)}.",
                         "Give the picture that was explained.")
    return found
