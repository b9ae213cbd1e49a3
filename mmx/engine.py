"""From encoded inputs to raw scores: one capture, then every method on it."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmx.capture import capture
from mmx.families.base import Family, Inputs
from mmx.methods.base import Method, Need
from mmx.schedule import Site


def attribute(
    network: nn.Module,
    family: Family,
    inputs: Inputs,
    methods: Sequence[Method],
    target: object = None,
    *,
    ignore_padding: bool = False,
    seeds: Sequence[int] | None = None,
) -> tuple[dict[str, dict[str, Tensor]], Tensor]:
    """Scores of every method, out of one forward, at most one backward and at most one LRP pass.

    Args:
        inputs: what the model's forward takes, batched, on its device and in its dtype.
        target: what is explained, in the family's terms; None is the model's own prediction.
        seeds: a number for each sample that the random control is drawn from; its place in the batch by default.
        ignore_padding: whether padded tokens are left out altogether (the reference counts them).

    Returns:
        method name → stream → scores (items, tokens), and the logits.
    """
    schedule = family.schedule(network.config)
    streams = family.readout_streams

    def wanted(need: Need) -> tuple[Site, ...]:
        return tuple(dict.fromkeys(site for method in methods for site in method.sites(need, schedule, streams)))

    captured, samples, logits = capture(
        network, schedule, family.graph_roots,
        forward=lambda: family.logits(network, inputs),
        choose=lambda logits: family.choose(logits, target),
        read=lambda samples: family.readouts(inputs, samples),
        gradient_sites=wanted("gradient"), lrp_sites=wanted("lrp"),
        conserve_in_linear=family.conserve_in_linear, rollout_normalizes=family.rollout_normalizes,
        seeds=range(len(next(iter(inputs.values())))) if seeds is None else seeds,
        valid=family.valid(inputs), ignore_padding=ignore_padding)
    return {method.name: family.scores(method.rows(captured), inputs, samples) for method in methods}, logits
