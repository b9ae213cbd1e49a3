"""`mmx compare`: several runs of `mmx perturb` in one table and one figure."""

from pathlib import Path
from typing import Annotated

import typer

from mmx.cli.listing import JsonFlag
from mmx.cli.options import Debug, Out


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Finished runs of 'mmx perturb'.")],
    out: Out = Path("mmx-compare"),
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Put finished runs of 'mmx perturb' into one table and one figure.

    They must be of the same data, protocol and model. Example:

    mmx compare run-a run-b
    """
    import json

    from mmx.cli.perturb_curves import draw_curves
    from mmx.cli.perturb_tables import print_perturbation
    from mmx.cli.results import result_folder
    from mmx.errors import UsageError
    from mmx.render.files import write_atomically
    from mmx.studies.perturb.comparison import Finished, compared

    distinct = list({folder.resolve(): folder for folder in folders}.values())
    if len(distinct) < 2:
        raise UsageError("One run has nothing to be compared with.", "Give two folders or more.")
    summary = compared([Finished.read(folder) for folder in distinct])
    with result_folder(out):
        draw_curves(out / "curves.png", summary)
        write_atomically(out / "summary.json", (json.dumps(summary, indent=2, allow_nan=False) + "\n").encode())
    print_perturbation(summary, out, as_json)
