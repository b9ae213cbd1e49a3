"""`mmx compare`: several runs of `mmx perturb` in one table and one figure."""

from pathlib import Path
from typing import Annotated

import typer

from mmx.cli.options import OUTPUT, Debug, JsonFlag, Out


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Finished runs of 'mmx perturb'.")],
    out: Out = Path("mmx-compare"),
    overwrite: Annotated[bool, typer.Option(
        "--overwrite", rich_help_panel=OUTPUT, help="Replace a comparison of other runs.")] = False,
    as_json: JsonFlag = False,
    debug: Debug = False,
) -> None:
    """Put finished runs of 'mmx perturb' into one table and one figure.

    They must be of the same data, protocol and model. Example:

    mmx compare run-a run-b
    """
    from mmx.cli.perturb_tables import print_perturbation
    from mmx.cli.results import result_folder
    from mmx.studies.perturb.compare import compare as compared

    with result_folder(out):
        study = compared(*folders, out=out, overwrite=overwrite)
    print_perturbation(study.to_dict(), out, as_json)
