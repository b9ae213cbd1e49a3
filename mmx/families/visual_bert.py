"""VisualBERT (Li et al. 2019): one stream of text tokens followed by regions.

The answer is read at text position (mask sum - 2), the last word before [SEP], in `transformers` as in the original.
Regions carry no boxes; token type 0 marks them, as in the original code (`transformers` would default to 1).
"""

from mmx.families.base import Checkpoint, Classes, Family, Names, Part, Read, Regions, Text, layers
from mmx.reference import LXMERT_STEPS, Reference

_BERT = "google-bert/bert-base-uncased"
_ANSWERS = Names("MMF's 3129 answers", "https://dl.fbaipublicfiles.com/pythia/data/answers_vqa.txt",
                 "answers_vqa.txt", 3129)

FAMILY = Family(
    architectures=("VisualBertForQuestionAnswering",),
    model_type="visual_bert",
    score=Classes(noun="answer"),
    inputs=(Text(), Regions("visual_embeds", "visual_attention_mask", "visual_embedding_dim",
                            constants={"visual_token_type_ids": 0})),
    schedule=lambda config: tuple(
        layers("visual_bert.encoder.layer.{}.attention.self.dropout", "joint", config.num_hidden_layers)),
    roots={"joint": "visual_bert.embeddings"},
    tokens={"joint": (Part("text", "input_ids"), Part("image"))},
    reads=(Read("joint", lambda inputs, outputs: inputs["attention_mask"].sum(dim=1) - 2, omits_itself=True),),
    completed=lambda inputs: {"attention_mask": inputs["input_ids"].new_ones(inputs["input_ids"].shape), **inputs},
    reference=Reference(
        rollout_normalizes=False, padded_words_count=False, unmasks_regions=True, takes_one_more=True,
        steps={"text": LXMERT_STEPS, "image": (0, 0.5, 0.75, 0.95, 0.96, 0.97, 0.98, 0.99, 1)}),
    checkpoints=(
        Checkpoint("shapes-visual-bert"),
        Checkpoint("uclanlp/visualbert-vqa", "photographs (VQA v2)", 455, "none given",
                   needs=("unc-nlp/frcnn-vg-finetuned", _BERT), tokenizer=_BERT, names=_ANSWERS,
                   accuracy=(0.708, "the VisualBERT paper on VQA v2 test-dev"))),
)
