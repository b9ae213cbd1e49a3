"""SigLIP 2: SigLIP's class by another tokenizer, and NaFlex, whose pictures have grids of their own and padding."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_rollout, dense_walk
from family_checks import (
    assert_every_method_is_there,
    assert_left_alone,
    close,
    picture,
    with_maps,
)
from open_clip_towers import mixed
from torch import Tensor

import mmx
from mmx.errors import CheckpointError, UsageError
from mmx.model import Model
from mmx.perturbation.removal import Removal
from mmx.results import Patches, Words
from mmx.schedule import Site

TEXTS = ("a red", "zebra", "red circles")
# The class takes its softmax in float32 even in a float64 model.
ROUNDED = 1e-5
EXACT = 1e-6
# Width and height, and the grid of at most 16 patches that is the picture's.
GRIDS = {(70, 50): (3, 5), (40, 90): (5, 3), (64, 64): (4, 4), (200, 20): (1, 10)}


@pytest.fixture(scope="module")
def naflex(tiny_siglip2_naflex: Path) -> Model:
    return mmx.load(tiny_siglip2_naflex, dtype="float64")


def by_hand(model: Model, inputs: dict[str, Tensor]) -> tuple[Tensor, dict[Site, Tensor], list[Tensor]]:
    """Logits (texts,) of the first picture, the maps of its tower with the head's, and those of the text tower.

    The picture is its own patches alone, without padding and masks; its position embeddings are resized by PyTorch.
    """
    network = model.network.requires_grad_(True)
    vision = network.vision_model
    rows, columns = inputs["spatial_shapes"][0].tolist()
    try:
        table = vision.embeddings.position_embedding.weight.reshape(3, 3, -1).permute(2, 0, 1)[None]
        places = torch.nn.functional.interpolate(table, (rows, columns), mode="bilinear", antialias=True)[0].flatten(1)
        states = vision.embeddings.patch_embedding(inputs["pixel_values"][0, :rows * columns]) + places.T
        states, maps = states[None], {}
        for number, layer in enumerate(vision.encoder.layers):
            own, normed = layer.self_attn, layer.layer_norm1(states)
            query, key, value = (one(normed).view(1, -1, 2, 8).transpose(1, 2)
                                 for one in (own.q_proj, own.k_proj, own.v_proj))
            map_ = maps[Site(f"v{number}", "image", "image")] = (query @ key.mT / 8 ** 0.5).softmax(-1)
            states = states + own.out_proj((map_ @ value).transpose(1, 2).reshape(1, -1, 16))
            states = states + layer.mlp(layer.layer_norm2(states))
        states, head = vision.post_layernorm(states), vision.head
        pooled: list[Tensor] = []
        seen = mixed(head.attention, head.probe, states, states, None, pooled)
        maps[Site("head", "probe", "image")] = pooled[0]
        image = (seen + head.mlp(head.layernorm(seen)))[0, 0]
        with with_maps(network):
            text = network.text_model(input_ids=inputs["input_ids"], output_attentions=True)
    finally:
        network.requires_grad_(False)
    cosines = torch.stack([one @ image / one.norm() / image.norm() for one in text.pooler_output])
    return cosines * network.logit_scale.exp() + network.logit_bias, maps, list(text.attentions)


@pytest.mark.parametrize("size", GRIDS)
def test_relevance_is_the_dense_calculation_without_padding(naflex: Model, size: tuple[int, int]) -> None:
    inputs = dict(naflex.encode(picture(size), text=TEXTS))
    rows, columns = GRIDS[size]
    count = rows * columns
    assert inputs["pixel_values"].shape == (1, 16, 192)
    assert inputs["pixel_attention_mask"][0].tolist() == [1] * count + [0] * (16 - count)
    logits, images, texts = by_hand(naflex, inputs)
    close(naflex.described.run(inputs)["logits"][0], logits.detach(), ROUNDED)
    found = naflex.attribute(inputs)
    raw, rolled = (naflex.explain(picture(size), text=TEXTS[0], method=method)[0].scores["image"]
                   for method in ("raw-attention", "rollout"))
    schedule, sizes = tuple((site,) for site in images), {"image": count, "probe": 1}
    for number, logit in enumerate(logits):
        walked = dense_walk(schedule, dense_fused(images, logit), sizes)["probe", "image"][0]
        close(found["image"][number, :count], walked, ROUNDED)
        assert not found["image"][number, count:].any()
        gradients = torch.autograd.grad(logit, texts, retain_graph=True)
        fused = {Site(f"t{i}", "text", "text"): (map_[number].detach() * gradient[number]).clamp(min=0).mean(0)
                 for i, (map_, gradient) in enumerate(zip(texts, gradients, strict=True))}
        walked = dense_walk([(site,) for site in fused], fused, {"text": 20})["text", "text"][-1]
        close(found["text"][number], walked, ROUNDED)
    *tower, head = images.values()
    close(torch.tensor(raw), dense_mean(head)[0], ROUNDED)
    close(torch.tensor(rolled), (dense_mean(head) @ dense_rollout(tower))[0], ROUNDED)


def test_each_picture_has_a_grid_of_its_own_and_is_what_it_is_alone(naflex: Model) -> None:
    """Pictures of different grids run together: what pads them has no part in any method."""
    pictures = [picture(size, seed) for seed, size in enumerate(GRIDS)]
    for method in ("relevance", "rollout", "relevance-lrp", "attention-gradcam"):
        for one, found in zip(pictures, naflex.explain(pictures, text=TEXTS, method=method), strict=True):
            rows, columns = GRIDS[one.size]
            assert found.elements["image"] == (Patches(rows, columns, (0, 0, *one.size)),)
            alone = naflex.explain(one, text=TEXTS, method=method)
            for item, twin in zip(found, alone, strict=True):
                assert item.also == pytest.approx(twin.also, abs=1e-5)
                for stream, scores in item.scores.items():
                    assert scores.shape == twin.scores[stream].shape
                    close(torch.tensor(scores), torch.tensor(twin.scores[stream]), ROUNDED)
                assert item.scores["image"].shape == (rows * columns,)


def test_more_padding_changes_nothing(naflex: Model) -> None:
    inputs = dict(naflex.encode(picture(), text=TEXTS))
    wider = {**inputs, "pixel_values": torch.nn.functional.pad(inputs["pixel_values"], (0, 0, 0, 8), value=3.0),
             "pixel_attention_mask": torch.nn.functional.pad(inputs["pixel_attention_mask"], (0, 8))}
    close(naflex.described.run(wider)["logits"], naflex.described.run(inputs)["logits"], EXACT)
    close(naflex.attribute(wider)["image"][:, :15], naflex.attribute(inputs)["image"][:, :15], ROUNDED)


def test_a_patch_is_where_it_is_in_the_picture(naflex: Model) -> None:
    """A bright spot is in the numbers of the patch that the grid has there."""
    dark = np.zeros((50, 70, 3), dtype=np.uint8)
    bright = dark.copy()
    bright[18:30, 44:54] = 255
    apart = [(naflex.encode(one, text="red")["pixel_values"][0, :15]).reshape(3, 5, -1) for one in (dark, bright)]
    changed = (apart[1] - apart[0]).abs().sum(-1)
    assert divmod(int(changed.argmax()), 5) == (1, 3)


def test_a_patch_that_is_removed_is_grey_and_padding_is_none(naflex: Model) -> None:
    inputs, removal = dict(naflex.encode(picture(), text="red")), Removal(naflex.network, naflex.family)
    present = removal.parts(inputs).present
    assert present["image"].tolist() == inputs["pixel_attention_mask"].bool().tolist()
    sizes, sample = {"image": 16, "text": 20}, torch.tensor([0])
    whole = removal.run(removal.reduced(inputs, sample, present, sizes))
    close(whole["logits"], naflex.described.run(inputs)["logits"], EXACT)
    kept = present["image"].clone()
    kept[0, 7] = False
    without = inputs["pixel_values"].clone()
    without[0, 7] = 0
    expected = naflex.described.run({**inputs, "pixel_values": without})["logits"]
    reduced = removal.reduced(inputs, sample, {**present, "image": kept}, sizes)
    close(removal.run(reduced)["logits"], expected, EXACT)
    assert not torch.allclose(expected, naflex.described.run(inputs)["logits"])


def test_capitals_are_small_letters_to_naflex(naflex: Model) -> None:
    [words] = naflex.explain(picture(), text="A Red")[0].elements["text"]
    assert isinstance(words, Words)
    assert [token.piece for token in words.tokens[:3]] == ["a", "\u2581red", "<eos>"]
    assert [token.text for token in words.tokens[:2]] == ["A", " Red"]
    assert len(words) == 20


def test_the_network_is_left_as_it_was_and_every_method_explains_it(naflex: Model) -> None:
    assert_left_alone(naflex, dict(naflex.encode(picture(), text=TEXTS)), naflex.network.vision_model.head.mlp)
    assert "forward" not in vars(naflex.network.vision_model.head.attention)
    assert_every_method_is_there(naflex, lambda methods: naflex.explain_methods(picture(), methods=methods, text=TEXTS))


def test_patches_of_another_size_and_whole_pictures_are_refused(tiny_siglip2_naflex: Path, tiny_siglip2: Path,
                                                                tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"makes whole pictures .1 x 3 x 24 x 24 numbers.; the model takes patch"):
        mmx.load(tiny_siglip2_naflex, processor=tiny_siglip2).load_all()
    folder = Path(shutil.copytree(tiny_siglip2_naflex, tmp_path / "folder"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "patch_size": 4}))
    with pytest.raises(CheckpointError, match="makes patches of 48 numbers; the model takes 192"):
        mmx.load(folder).load_all()
    (folder / "preprocessor_config.json").write_text(json.dumps({**settings, "image_std": [0, 0, 0]}))
    with pytest.raises(CheckpointError, match="not finite"):
        mmx.load(folder).load_all()


@pytest.mark.parametrize(("asked", "message"), [
    ({}, "No text was given"), ({"text": "red", "question": "red?"}, "a question does"),
    ({"text": "b" * 20}, "has 21 tokens; .* takes 20 at most"),
    ({"text": "red", "start_layer": 3}, r"There is no image layer 3; the model has 3 \(0 to 2")])
def test_what_cannot_be_asked_of_it(naflex: Model, asked: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        naflex.explain(picture(), **asked)


def test_of_one_size_it_is_siglip_by_gemmas_tokenizer(tiny_siglip2: Path) -> None:
    """As large as the model's own length, padded behind; what is explained of its class is in test_siglip.py."""
    model = mmx.load(tiny_siglip2, dtype="float64")
    assert model.info.architecture == "SiglipModel" and type(model.tokenizer).__name__ == "GemmaTokenizer"
    inputs = dict(model.encode(picture(), text=TEXTS))
    assert inputs["input_ids"].shape == (3, 20) and (inputs["input_ids"][:, -1] == 0).all()
    with torch.no_grad():
        close(model.described.run(inputs)["logits"], model.network(**inputs).logits_per_image, 1e-12)
    found = model.explain(picture(), text=TEXTS)
    [words] = found[0].elements["text"]
    assert [token.text for token in words.tokens[:2]] == ["a", " red"]
    assert [token.piece for token in words.tokens] == ["a", "\u2581red", "<eos>", *["<pad>"] * 17]
    assert {item.unit for item in found} == {"sigmoid"} and found[0].scores["text"].shape == (20,)
    assert_every_method_is_there(model, lambda methods: model.explain_methods(picture(), methods=methods, text=TEXTS))


def test_capitals_that_the_tokenizer_keeps_are_noted(tiny_siglip2: Path, naflex: Model) -> None:
    """GemmaTokenizer does not know of do_lower_case, which the checkpoint was saved with."""
    kept = mmx.load(tiny_siglip2)
    [item] = kept.explain(picture(), text="A red")
    assert [note for note in item.notes if "small letters alone" in note]
    for model, text in ((kept, "a red"), (naflex, "A red")):
        assert not any("small letters" in note for note in model.explain(picture(), text=text)[0].notes)
