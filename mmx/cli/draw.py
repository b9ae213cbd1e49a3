"""`mmx draw`: explanations that were written before, drawn again from their JSON files; no model is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmx.cli.options import ASKED, DRAWING, OUTPUT, Alpha, Cells, Cmap, Debug, FigureKind, Formats, Out
from mmx.errors import UsageError, shown_path

if TYPE_CHECKING:
    from mmx.results import Explanation, Picture


def draw(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.json...", help="What 'mmx explain' wrote.")],
    image: Annotated[Path | None, typer.Option(
        "--image", metavar="FILE", rich_help_panel=ASKED, help="The picture, where it is no longer at its old place.",
    )] = None,
    together: Annotated[bool, typer.Option(
        "--together", rich_help_panel=DRAWING, help="One figure with the methods side by side.")] = False,
    html: Annotated[bool, typer.Option(
        "--html", rich_help_panel=DRAWING, help="A page with all of it inside, in the place of pictures.")] = False,
    figure: FigureKind = "sheet",
    file_format: Formats = None,
    cmap: Cmap = None,
    alpha: Alpha = None,
    cells: Cells = False,
    out: Out = Path("mmx-draw"),
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", rich_help_panel=OUTPUT, help="Replace figures that are there.")] = False,
    debug: Debug = False,
) -> None:
    """Draw explanations again from their JSON files, without the model.

    Examples:

    mmx draw mmx-out/scene-5029.is-there-a-red-star.relevance.json --format pdf

    mmx draw mmx-out/scene-5029.is-there-a-red-star.relevance.json --figure overlay --cmap viridis --cells

    mmx draw mmx-out/scene-5029.is-there-a-red-star.*.json --together --html
    """
    from rich.text import Text

    from mmx.cli.beforehand import drawing_of
    from mmx.cli.output import print_note, print_result
    from mmx.files import write_together
    from mmx.images import open_picture
    from mmx.show.html import html_page
    from mmx.show.lettering import without_a_font

    drawing = drawing_of(figure, file_format, cmap, alpha, cells)
    if not drawing.drawn and not html:
        raise UsageError("--format json leaves nothing to draw.", "Give png, svg or pdf.")
    given = None if image is None else open_picture(image)
    explanations = [_read(path, given) for path in files]
    groups = [("methods", explanations)] if together else [(path.stem, [one]) for path, one in
                                                           zip(files, explanations, strict=True)]
    named = [[f"{stem}.html"] if html else drawing.names(stem, len(group[0])) for stem, group in groups]
    for path, names in zip(files, named, strict=False):
        if not names:
            raise UsageError(f"{shown_path(path)} explains nothing that an overlay could show.", "Draw it as a sheet.")
    paths = [out / name for names in named for name in names]
    for path in paths:
        if paths.count(path) > 1:
            raise UsageError(f"Several files would be drawn as {shown_path(path)}.", "Draw them into several folders.")
        if path.exists() and not overwrite:
            raise UsageError(f"{shown_path(path)} is there already.",
                             "Choose another folder with --out, or --overwrite.")
    drawn = [{f"{stem}.html": html_page(group, drawing.look).encode()} if html else drawing.files(group, stem)
             for stem, group in groups]
    write_together({out / name: content for one in drawn for name, content in one.items()})
    for path in paths:
        print_result(Text.assemble(("wrote ", "dim"), shown_path(path)))
    for note in () if html else without_a_font(text for one in explanations for text in one.texts):
        print_note(note)


def _read(path: Path, given: "Picture | None") -> "Explanation":
    """Raises UsageError where it cannot be read, is no explanation, or is of another picture than is given."""
    import json

    from mmx.results import Explanation

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read ({error.strerror}).", "Check the path.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown_path(path)} is not JSON.", "Give a file that 'mmx explain' wrote.") from error
    try:
        found = Explanation.from_dict(document, [] if given is None or given.image is None else [given.image])
    except UsageError as error:
        raise UsageError(f"{shown_path(path)}: {error.message}", error.hint) from error
    if given is not None and given.sha256 != found.picture.sha256:
        raise UsageError(f"{shown_path(path)} is of another picture than {shown_path(given.source)}.",
                         "Give the picture that was explained.")
    return found
