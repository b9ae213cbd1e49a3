"""AttnLRP: relevance of the answer handed down to the embeddings of tokens, by rules made for transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmx.errors import UndefinedError
from mmx.methods._further import has_embeddings
from mmx.methods.base import Method, Rows

if TYPE_CHECKING:
    from mmx.capture import Capture


def attn_lrp(capture: Capture) -> Rows:
    return at_embeddings(capture, "attn-lrp")


def at_embeddings(capture: Capture, rule_set: str) -> Rows:
    """Relevance of each token's embedding, of every stream whose embeddings are known."""
    if not capture.relevances[rule_set]:
        raise UndefinedError("The embeddings of tokens are not known.")
    return {(readout.stream, stream): row for readout in capture.readouts
            for stream, row in capture.relevances[rule_set].items()}


METHOD = Method(
    name="attn-lrp",
    summary="Embedding times gradient, norms, activations and products handing on what LRP says; may be negative.",
    source="Achtibat et al. 2024 (arXiv 2402.05602), eq. 8, 9 and propositions 3.1, 3.3, 3.4; LRP without its epsilon",
    needs=("attn-lrp",),
    rows=attn_lrp,
    signed=True,
    why_not=has_embeddings,
)
