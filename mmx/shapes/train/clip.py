"""Trains the matcher of pictures and captions of the Shapes world, on the stock `CLIPModel`.

As CLIP is (Radford et al. 2021): each picture must find its caption among those of the batch, and each caption its
picture. Other captions of a batch may be true of a picture as well and do not count against it; a false one is added
for each. That alone is learned slowly from few pictures, so the image tower begins as the classifier's, its patches are
asked as well what lies on them, and both towers' embeddings, by one head, which things they speak of.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, WhitespaceSplit
from tokenizers.trainers import BpeTrainer
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPTokenizer,
    CLIPVisionConfig,
    ViTForImageClassification,
)

from mmx.checkpoints.catalog import WEIGHTS
from mmx.shapes.captions import PHRASES, Caption, draw_captions, false_caption, true_caption
from mmx.shapes.train.loop import seed_everything, train
from mmx.shapes.train.pool import MEAN, STD, Pool, draw_pool, normalized, turned
from mmx.shapes.train.vit import PATCH_PX, SIZE_PX, Batch, PatchProbe, turned_batches
from mmx.shapes.world import CLASSES, Scene, draw_scene

_FIRST_SCENE = 500_000_000
_LONGEST_CAPTION = 32
_MERGES = 44
_EXAM_CAPTIONS = 16
_WORD_END = "</w>"
_NAMES_WEIGHT = 5


def build_tokenizer() -> CLIPTokenizer:
    """Every byte, and pieces of the captions' words: frequent words are one token, others a few."""
    texts = [phrase.format(things=f"{name} and a {name}") for phrase in PHRASES for name in CLASSES]
    alphabet = sorted(ByteLevel.alphabet())
    trained = Tokenizer(BPE(end_of_word_suffix=_WORD_END))
    trained.pre_tokenizer = Sequence([WhitespaceSplit(), ByteLevel(add_prefix_space=False)])
    trained.train_from_iterator(texts, BpeTrainer(
        vocab_size=2 * len(alphabet) + _MERGES, initial_alphabet=alphabet, end_of_word_suffix=_WORD_END,
        show_progress=False))
    merges: list[Any] = [tuple(pair) for pair in json.loads(trained.to_str())["model"]["merges"]][:_MERGES]
    pieces = [*alphabet, *(letter + _WORD_END for letter in alphabet), *map("".join, merges)]
    pieces = [*dict.fromkeys(pieces), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges,
                         model_max_length=_LONGEST_CAPTION)


def build_config(tokenizer: CLIPTokenizer) -> CLIPConfig:
    tower: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 192}
    tokens: dict[str, Any] = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
                              "pad_token_id": tokenizer.eos_token_id}
    text = CLIPTextConfig(
        **tower, num_hidden_layers=2, vocab_size=len(tokenizer), max_position_embeddings=_LONGEST_CAPTION,
        **tokens)
    vision = CLIPVisionConfig(**tower, num_hidden_layers=4, image_size=SIZE_PX, patch_size=PATCH_PX, hidden_act="gelu")
    return CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=64)


@torch.no_grad()
def begin_as_classifier(tower: Any, classifier: Any) -> None:
    """Copies the weights of a ViT, a classifier's `vit`, into a CLIP's `vision_model` of the same size.

    The tower has a normalisation before its first layer, which is made to change little, and its patches have no bias,
    which becomes part of their places.
    """
    given, own = classifier.embeddings, tower.embeddings
    own.class_embedding.copy_(given.cls_token[0, 0])
    own.patch_embedding.weight.copy_(given.patch_embeddings.projection.weight)
    own.position_embedding.weight.copy_(given.position_embeddings[0])
    own.position_embedding.weight[1:] += given.patch_embeddings.projection.bias
    tower.pre_layrnorm.weight.fill_(float(own.position_embedding.weight[1:].std(dim=1).mean()))
    for layer, copied in zip(tower.encoder.layers, classifier.layers, strict=True):
        pairs = [(layer.layer_norm1, copied.layernorm_before), (layer.layer_norm2, copied.layernorm_after),
                 (layer.mlp.fc1, copied.mlp.fc1), (layer.mlp.fc2, copied.mlp.fc2)]
        pairs += [(getattr(layer.self_attn, to), getattr(copied.attention, of)) for to, of in
                  (("q_proj", "q_proj"), ("k_proj", "k_proj"), ("v_proj", "v_proj"), ("out_proj", "o_proj"))]
        for to, of in pairs:
            to.load_state_dict(of.state_dict())
    tower.post_layernorm.load_state_dict(classifier.layernorm.state_dict())


class _Captions:
    """Captions of the scenes of a pool, as token ids, with the things that each names."""

    def __init__(self, numbers: range, tokenizer: CLIPTokenizer, seed: int) -> None:
        self._scenes: list[Scene] = [draw_scene(number) for number in numbers]
        self._tokenizer, self._random = tokenizer, np.random.default_rng(seed)
        self.present = _names([[thing.name for thing in scene.things] for scene in self._scenes])

    def of(self, scenes: Tensor) -> tuple[Tensor, Tensor]:
        """A true caption for each scene, then a false one for each: ids (2 n, tokens), names (2 n, classes) bool."""
        asked = [self._scenes[scene] for scene in scenes.tolist()]
        captions = [draw(scene, self._random) for draw in (true_caption, false_caption) for scene in asked]
        return encode(self._tokenizer, captions), _names([caption.names for caption in captions])


def _names(named: list) -> Tensor:
    found = torch.zeros(len(named), len(CLASSES), dtype=torch.bool)
    for row, names in zip(found, named, strict=True):
        row[[CLASSES.index(name) for name in names]] = True
    return found


def encode(tokenizer: CLIPTokenizer, captions: list[Caption]) -> Tensor:
    return tokenizer([caption.text for caption in captions], padding=True, return_tensors="pt")["input_ids"]


def matching_loss(logits: Tensor, is_false: Tensor) -> Tensor:
    """Of logits (n, m >= n) whose pair i, i is right: each row against those that are false of it, and each column."""
    own = torch.eye(*logits.shape, dtype=torch.bool)
    rivals = logits.masked_fill(~(is_false | own), -torch.inf)
    count = len(logits)
    wanted = torch.arange(count)
    return (nn.functional.cross_entropy(rivals, wanted) + nn.functional.cross_entropy(rivals[:, :count].T, wanted)) / 2


@torch.no_grad()
def _share_right(model: CLIPModel, tokenizer: CLIPTokenizer, pool: Pool, numbers: range) -> float:
    """How often the true caption fits best, out of 16."""
    right = []
    for start, pixels in enumerate(pool.pixels.split(50)):
        captions = [caption for number in numbers[50 * start:50 * start + len(pixels)]
                    for caption in draw_captions(draw_scene(number), number, _EXAM_CAPTIONS)]
        logits = model(pixel_values=normalized(pixels), input_ids=encode(tokenizer, captions)).logits_per_image
        right.append(logits.unflatten(1, (len(pixels), -1)).argmax(2).diagonal() == 0)
    return float(torch.cat(right).float().mean())


def train_clip(folder: Path, *, seed: int = 0, steps: int = 9000, start: Path | None = None, peak_lr: float = 1e-3,
               batch_size: int = 32, scenes: int = 20_000) -> None:
    """Trains the matcher and writes it, with its tokenizer and image processor, as a `from_pretrained` folder.

    `start` is the classifier that its image tower begins as, by default the one that ships.
    """
    seed_everything(seed)
    first = _FIRST_SCENE + 1_000_000 * seed
    numbers, fresh = range(first, first + scenes), range(first + scenes, first + scenes + 500)
    pool, held_out = (draw_pool(part, SIZE_PX, PATCH_PX) for part in (numbers, fresh))
    tokenizer = build_tokenizer()
    captions = _Captions(numbers, tokenizer, seed)
    model = CLIPModel(build_config(tokenizer)).train()
    classifier = ViTForImageClassification.from_pretrained(start or WEIGHTS / "shapes-vit")
    begin_as_classifier(model.vision_model, classifier.vit)
    config: Any = model.config
    probe = PatchProbe(config.vision_config.hidden_size)
    namer = nn.Linear(config.projection_dim, len(CLASSES))

    def named(embedded: Tensor, names: Tensor) -> Tensor:
        return _NAMES_WEIGHT * nn.functional.binary_cross_entropy_with_logits(namer(embedded), names.float())

    def loss_of(batch: Batch) -> Tensor:
        scenes, quarters, mirrored = batch
        pixels = normalized(turned(pool.pixels[scenes], quarters, mirrored))
        seen = model.vision_model(pixel_values=pixels, output_hidden_states=True)
        ids, names = captions.of(scenes)
        present = captions.present[scenes]
        pictures = model.visual_projection(seen.pooler_output)
        texts = model.text_projection(model.text_model(input_ids=ids).pooler_output)
        is_false = (names[None] & ~present[:, None]).any(dim=2)
        logits = model.logit_scale.exp() * nn.functional.normalize(pictures) @ nn.functional.normalize(texts).T
        return (matching_loss(logits, is_false) + named(pictures, present) + named(texts, names)
                + probe.loss(seen.hidden_states[-2][:, 1:], pool, batch))

    train([*model.parameters(), *probe.parameters(), *namer.parameters()], turned_batches(scenes, batch_size, seed),
          loss_of, steps=steps, peak_lr=peak_lr, warmup_frac=0.03,
          evaluate=lambda: f"{_share_right(model, tokenizer, held_out, fresh):.4f} right of {_EXAM_CAPTIONS} captions")
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": SIZE_PX}, crop_size={"height": SIZE_PX, "width": SIZE_PX},
                       image_mean=MEAN, image_std=STD).save_pretrained(folder)
