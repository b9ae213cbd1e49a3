"""From encoded inputs to raw scores: one capture, then every method on it."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmx.capture import capture
from mmx.families.base import Family, Inputs
from mmx.methods.base import Method


def attribute(
    network: nn.Module,
    family: Family,
    inputs: Inputs,
    methods: Sequence[Method],
    target: object = None,
    *,
    ignore_padding: bool = False,
) -> tuple[dict[str, dict[str, Tensor]], Tensor]:
    """Scores of every method, out of one forward and at most one backward.

    Args:
        inputs: what the model's forward takes, batched, on its device and in its dtype.
        target: what is explained, in the family's terms; None is the model's own prediction.
        ignore_padding: whether padded tokens are left out altogether (the reference counts them).

    Returns:
        method name → stream → scores (items, tokens), and the logits.
    """
    schedule = family.schedule(network.config)
    streams = family.readout_streams
    wanted = {site: None for method in methods for site in method.gradient_sites(schedule, streams)}
    captured, samples, logits = capture(
        network, schedule, family.graph_roots,
        forward=lambda: family.logits(network, inputs),
        choose=lambda logits: family.choose(logits, target),
        read=lambda samples: family.readouts(inputs, samples),
        gradient_sites=tuple(wanted), valid=family.valid(inputs), ignore_padding=ignore_padding)
    return {method.name: family.scores(method.rows(captured), inputs, samples) for method in methods}, logits
