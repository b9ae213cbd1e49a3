"""ViLT (Kim et al. 2021): one stream, words, then the picture's own [CLS] and its patches.

The stock class puts the patches into a random order at every forward, in eval mode too; here they stay in the grid's.
For questions it was trained with a sigmoid for each answer; for retrieval, to give the one of some texts that is right
the largest of their logits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from mmx.families.base import Checkpoint, Classes, Family, Matches, Part, Pixels, Read, Text, layers


@contextmanager
def _in_order(network: Any) -> Iterator[None]:
    """`visual_embed` draws patches by `torch.multinomial`; all of them are taken and sorted by their places.

    Where a picture is smaller than its batch, padding is drawn from too: it comes last.
    """
    embeddings = network.vilt.embeddings
    stock = embeddings.visual_embed

    def visual_embed(pixel_values: Any, pixel_mask: Any, max_image_length: int = -1) -> tuple[Any, Any, Any]:
        values, mask, (places, grid) = stock(pixel_values, pixel_mask, max_image_length=-1)
        order = (places[..., 0] * grid[1] + places[..., 1] + (mask[:, 1:] == 0) * grid[0] * grid[1]).argsort(dim=1)
        values[:, 1:] = values[:, 1:].take_along_dim(order.unsqueeze(-1), dim=1)
        mask[:, 1:] = mask[:, 1:].take_along_dim(order, dim=1)
        return values, mask, (places.take_along_dim(order.unsqueeze(-1), dim=1), grid)

    embeddings.visual_embed = visual_embed
    try:
        yield
    finally:
        del embeddings.visual_embed


def _family(architecture: str, score: Classes | Matches, asked: Literal["question", "texts"], model_type: str,
            *published: Checkpoint) -> Family:
    return Family(
        architectures=(architecture,),
        model_type=model_type,
        score=score,
        inputs=(Text(ask=asked), Pixels(takes_mask=True, any_size=True)),
        schedule=lambda config: tuple(
            layers("vilt.encoder.layer.{}.attention.attention.dropout", "joint", config.num_hidden_layers)),
        roots={"joint": "vilt.embeddings"},
        tokens={"joint": (Part("text", "input_ids"), Part("image_cls", 1), Part("image"))},
        reads=(Read("joint"),),
        around=_in_order,
        checkpoints=published,
    )


FAMILY = (
    _family("ViltForQuestionAnswering", Classes(noun="answer", unit="sigmoid"), "question", "vilt",
            Checkpoint("dandelin/vilt-b32-finetuned-vqa", "photographs (VQA v2)", 470, "Apache-2.0",
                       accuracy=(0.713, "the ViLT paper on VQA v2 test-dev"))),
    _family("ViltForImageAndTextRetrieval", Matches(match=0, unit="logit"), "texts", "",
            Checkpoint("dandelin/vilt-b32-finetuned-coco", "photographs (COCO captions)", 446, "Apache-2.0")))
