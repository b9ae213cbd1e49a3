"""LXMERT (Tan & Bansal 2019): a text stream and a stream of regions, joined by cross-attention.

In each cross layer one attention module serves both directions, text←image in its first call.
"""

from collections.abc import Iterator
from typing import Any

from mmx.families.base import Checkpoint, Classes, Family, Names, Read, Regions, Text, layers
from mmx.schedule import Schedule, Site, Step

_ENCODER = "lxmert.encoder"
_SHARED = f"{_ENCODER}.x_layers.{{}}.visual_attention.att"
_ANSWERS = Names(
    "LXMERT's 3129 answers", "https://raw.githubusercontent.com/airsplay/lxmert/master/data/vqa/"
    "trainval_label2ans.json", "trainval_label2ans.json", 3129,
    "e72e568a6303130f5a627db06360605ee3b306366ff463aa5153d782adc12a7d")


def _schedule(config: Any) -> Schedule:
    return (*layers(f"{_ENCODER}.layer.{{}}.attention.self.dropout", "text", config.l_layers),
            *layers(f"{_ENCODER}.r_layers.{{}}.attention.self.dropout", "image", config.r_layers),
            *(step for i in range(config.x_layers) for step in _cross_layer(i, last=i == config.x_layers - 1)))


def _cross_layer(index: int, last: bool) -> Iterator[Step]:
    """The answer is read from text, so nothing reads what the last layer does to the image."""
    shared, own = f"{_SHARED.format(index)}.dropout", f"{_ENCODER}.x_layers.{index}.{{}}_self_att.self.dropout"
    yield Site(shared, "text", "image"), Site(shared, "image", "text", call=1, reaches_target=not last)
    yield Site(own.format("lang"), "text", "text"), Site(own.format("visn"), "image", "image", reaches_target=not last)


FAMILY = Family(
    architectures=("LxmertForQuestionAnswering",),
    model_type="lxmert",
    score=Classes(noun="answer", count="num_qa_labels"),
    inputs=(Text(), Regions("visual_feats", "visual_attention_mask", "visual_feat_dim", boxes="visual_pos")),
    schedule=_schedule,
    roots={"text": "lxmert.embeddings", "image": "lxmert.encoder.visn_fc"},
    reads=(Read("text", omits_itself=True),),
    outputs=lambda found, network, inputs: {"logits": found.question_answering_score},
    # `transformers` fails where there is no region at all. Then text←image attention adds nothing, as in the reference,
    # and no other path leads from regions to the answer.
    without_regions=lambda config: tuple(_SHARED.format(i) for i in range(config.x_layers)),
    checkpoints=(
        Checkpoint("shapes-lxmert", default_for=("question",)),
        Checkpoint("unc-nlp/lxmert-vqa-uncased", "photographs (VQA v2)", 856, "MIT (code)",
                   needs=("unc-nlp/frcnn-vg-finetuned",), default_for=("question",), names=_ANSWERS,
                   accuracy=(0.699, "its authors, local validation split of VQA v2"))),
)
