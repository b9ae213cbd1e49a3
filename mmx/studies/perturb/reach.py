"""Which methods say something of all that is removed."""

from collections.abc import Sequence

from mmx.engine import attribute
from mmx.errors import UsageError
from mmx.methods import Method, left_out_notes, with_samples
from mmx.studies.models import Model
from mmx.studies.reporting import Reporter


def reaching_methods(model: Model, methods: Sequence[Method], modalities: Sequence[str],
                     reporter: Reporter) -> tuple[tuple[Method, ...], dict[str, str]]:
    """Those that score every modality, found by running them on noise, and why each of the others does not, with notes.

    A method that reads one stream's attention alone does not reach what another stream has read (BLIP's answer sees
    the picture through the question).

    Raises:
        UsageError: none does.
    """
    scores = attribute(model.described, model.small_inputs(), with_samples(methods, 1), model.asking.any_target).scores
    missing = {name: " and ".join(modality for modality in modalities if modality not in by_part)
               for name, by_part in scores.items()}
    left_out = {name: f"no scores of the {what} on {model.info.name}" for name, what in missing.items() if what}
    if len(left_out) == len(methods):
        name, reason = next(iter(left_out.items()))
        raise UsageError(f"{name} gives {reason}.", "Remove something else, or ask for another method.")
    for note in left_out_notes(left_out):
        reporter.line("note", note)
    return tuple(method for method in methods if method.name not in left_out), left_out
