"""Beyond Intuition against whole matrices of stock classes, one run for each step of the integral."""

from typing import Any

import numpy as np
import torch
from eager_runs import HEADS, TEXTS, Eager, Exactly, clip, eager, found, of_clip, of_vit, pictures, vit
from torch import Tensor, nn

STEPS = 20
SHARES = ((np.arange(STEPS) + 0.5) / STEPS).tolist()


def perception(run: Eager, count: int) -> Tensor:
    """(I + A_L) ... (I + A_1), of heads by their shares among the first tokens, which count."""
    relevance = torch.eye(run.maps[0].shape[-1], dtype=torch.float64)
    for map_, gradient in zip(run.maps, run.map_gradients, strict=True):
        shares = torch.stack([(map_[head][:count, :count].T @ gradient[head][:count, :count]).abs().mean()
                              for head in range(HEADS)])
        mixed = sum(share / shares.sum() * map_[head] for head, share in enumerate(shares))
        relevance = relevance + mixed @ relevance
    return relevance


def last_gradient(network: nn.Module, embeddings: nn.Module, share: float, run: Any) -> Tensor:
    """Of the last map, where what the embeddings give is scaled."""
    handle = embeddings.register_forward_hook(lambda _module, _args, output: output * share)
    try:
        with Exactly():
            outputs, score = run()
    finally:
        handle.remove()
    return eager(outputs, score).map_gradients[-1]


def by_hand(run: Eager, gradients: list[Tensor], row: int, count: int | None = None) -> Tensor:
    feedback = (sum(gradients) / STEPS).clamp(min=0).mean(dim=0)
    return (feedback * perception(run, count or len(feedback)))[row]


def classes_by_hand(pixels: Tensor, target: int) -> Tensor:
    run = of_vit({"pixel_values": pixels}, target)
    network: Any = vit().network

    def scored() -> tuple[Any, Tensor]:
        outputs = network(pixels, output_attentions=True, output_hidden_states=True)
        return outputs, outputs.logits[0, target]

    gradients = [last_gradient(network, network.vit.embeddings, share, scored) for share in SHARES]
    return by_hand(run, gradients, 0)[1:]


def test_classes_of_pictures_are_told_by_perception_and_feedback() -> None:
    both, targets = pictures(2), [3, 1]
    together = found(vit(), "beyond-intuition", {"pixel_values": both}, targets)["image"]
    several = found(vit(), "beyond-intuition", {"pixel_values": both[:1]}, [3, 1])["image"]
    want = [classes_by_hand(both[number:number + 1], target) for number, target in ((0, 3), (1, 1), (0, 1))]
    torch.testing.assert_close(torch.stack([*together, several[1]]), torch.stack(want), rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(several[0], together[0], rtol=1e-8, atol=1e-12)
    assert all(one.any() for one in want)


def test_each_tower_goes_from_no_input_by_itself() -> None:
    one = {"pixel_values": pictures(1, 16), "input_ids": TEXTS}
    given = found(clip(), "beyond-intuition", one, None, start_layers={"image": 0, "text": 0}, ignore_padding=True)
    network: Any = clip().network
    scale = float(network.logit_scale.detach().exp())
    for number, ends in enumerate((5, 4)):
        texts = TEXTS[number:number + 1]
        runs = of_clip({"pixel_values": one["pixel_values"], "input_ids": texts})
        for stream, tower, embeddings, inputs, row in (
                ("image", network.vision_model, network.vision_model.pre_layrnorm, one["pixel_values"], 0),
                ("text", network.text_model, network.text_model.embeddings, texts, ends)):

            def scored(stream: str = stream, tower: Any = tower, inputs: Tensor = inputs,
                       texts: Tensor = texts) -> tuple[Any, Tensor]:
                own = tower(inputs, output_attentions=True, output_hidden_states=True)
                image, text = ((own, network.text_model(texts)) if stream == "image"
                               else (network.vision_model(one["pixel_values"]), own))
                seen, read = (nn.functional.normalize(projection(each.pooler_output), dim=-1)[0]
                              for projection, each in ((network.visual_projection, image),
                                                       (network.text_projection, text)))
                return own, seen @ read

            gradients = [last_gradient(network, embeddings, share, scored) for share in SHARES]
            want = scale * by_hand(runs[stream], gradients, row, None if stream == "image" else ends + 1)
            want = want[1:] if stream == "image" else torch.where(torch.arange(len(want)) > ends, 0, want)
            torch.testing.assert_close(given[stream][number], want, rtol=1e-7, atol=1e-10)
