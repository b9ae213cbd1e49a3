"""What a class itself says whose answers a language model writes behind a prompt with image tokens in it.

Its processor, its eager attention and its gradients, whole matrices in float64, and which patches its own projector
makes a token of.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from dense_oracle import dense_normalize
from family_checks import Inputs, with_maps
from PIL import Image
from torch import Tensor
from torch.overrides import TorchFunctionMode
from transformers import AutoProcessor, PreTrainedModel

from mmx.model import Model

Maps = list[Tensor]
Layers = list[Maps]
"""The maps of each: one, or those of several calls, each (tiles, heads, n, n)."""
SOFTMAX = (torch.nn.functional.softmax, torch.softmax, Tensor.softmax)


def features_of(network: PreTrainedModel, pixels: Inputs) -> Tensor:
    """What stands in the prompt at the image tokens of a sample, (image tokens, width)."""
    found = network.model.get_image_features(**pixels).pooler_output
    return torch.cat([one.flatten(0, -2) for one in found]) if isinstance(found, list | tuple) else found.flatten(0, -2)


@dataclass(frozen=True)
class Written:
    """A small checkpoint, and where things are in its class.

    Attributes:
        checkpoint: its fixture.
        tower, tower_layers: the layers of its vision tower, with {} for a number, and how many are read.
        attention: in such a layer; `text_attention` is all of one of the language model's, of which there are
            `text_layers`.
        class_tokens: before the patches of each tile.
        prompt: what the processor is given where there is no chat template, with {} for the question.
        answer_types: `token_type_ids` at an answer.
        features: what its image tokens are.
        shared_behind: the module behind which tokens are made of parts of patches, where they are: then a patch is in
            the one that has most of it, the last of several that have the same.
        changes: of settings in its JSON files.
        shorter: a question that has an answer.
        order: the processor's number of each of the tower's tokens, where the tower has them in another order.
    """

    checkpoint: str
    tower_layers: int
    tower: str = "model.vision_tower.encoder.layers.{}"
    attention: str = "self_attn"
    text_attention: str = "model.language_model.layers.{}.self_attn"
    text_layers: int = 3
    class_tokens: int = 0
    prompt: str = "{}"
    answer_types: int = 0
    features: Callable[[PreTrainedModel, Inputs], Tensor] = features_of
    shared_behind: str = ""
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    shorter: str = "is it red?"
    order: Callable[[PreTrainedModel, Inputs], Tensor] | None = None

    def as_the_processor_has_them(self, model: Model, inputs: Inputs, patches: Tensor) -> Tensor:
        """What belongs to the tower's patches, (patches, ...)."""
        return patches if self.order is None else patches[self.order(model.network, inputs).argsort()]

    def attentions(self) -> list[str]:
        return [f"{self.tower}.{self.attention}".format(i) for i in range(self.tower_layers)]


def changed(case: Written, folder: Path, copy: Path) -> Path:
    """The folder of a case, or a copy with its changes."""
    if not case.changes:
        return folder
    shutil.copytree(folder, copy)
    for name, changes in case.changes.items():
        settings = json.loads((copy / name).read_text())
        for key, value in changes.items():
            settings[key] = {**settings.get(key, {}), **value} if isinstance(value, Mapping) else value
        (copy / name).write_text(json.dumps(settings))
    return copy


def rendered(case: Written, processor: Any, question: str, pictures: int = 1) -> str:
    if not processor.chat_template:
        return case.prompt.format(question).replace("<image>", "<image>" * pictures)
    asked = [*({"type": "image"} for _ in range(pictures)), {"type": "text", "text": question}]
    return processor.apply_chat_template([{"role": "user", "content": asked}], add_generation_prompt=True)


def encoded(case: Written, model: Model, images: Image.Image | list[Image.Image], question: str) -> Inputs:
    """A prompt, by the class's own processor."""
    processor = AutoProcessor.from_pretrained(model.network.name_or_path)
    several = images if isinstance(images, list) else [images]
    text = rendered(case, processor, question, len(several))
    bos = processor.tokenizer.bos_token
    found = processor(images=several, text=text, return_tensors="pt",
                      add_special_tokens=not (bos and text.startswith(bos)))
    found.pop("labels", None)
    return model.to_model(found)


def of_tokens(inputs: Inputs) -> set[str]:
    return {name for name, value in inputs.items() if value.shape == inputs["input_ids"].shape}


def pixels_of(inputs: Inputs) -> Inputs:
    return {name: value for name, value in inputs.items() if name not in of_tokens(inputs)}


def behind(case: Written, inputs: Inputs, ids: Sequence[int]) -> Inputs:
    """The same with an answer behind the prompt."""
    told = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
            "token_type_ids": torch.full((1, len(ids)), case.answer_types)}
    zeros = torch.zeros(1, len(ids), dtype=torch.long)
    return {name: torch.cat([value, told.get(name, zeros)], 1) if name in of_tokens(inputs) else value
            for name, value in inputs.items()}


def before(inputs: Inputs, count: int) -> Inputs:
    """The first tokens alone."""
    return {name: value[:, :count] if name in of_tokens(inputs) else value for name, value in inputs.items()}


@contextmanager
def hooked(network: PreTrainedModel, names: Sequence[str], hook: Callable) -> Iterator[None]:
    handles = [network.get_submodule(name).register_forward_hook(hook) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class Softmaxes(TorchFunctionMode):
    """Keeps what each softmax of 4 axes gives until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._found: Maps = []

    def __torch_function__(self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func in SOFTMAX and output.dim() == 4:
            self._found.append(output)
        return output

    def taken(self) -> Maps:
        return list(self._found)

    def forget(self) -> None:
        self._found.clear()


def maps_of(network: PreTrainedModel, names: Sequence[str], run: Callable[[], Tensor]) -> tuple[Tensor, Layers]:
    """What runs, and the maps that the attentions of these names make meanwhile, in the class's own eager forward."""
    found: dict[str, Maps] = {}
    network.requires_grad_(True)
    try:
        with ExitStack() as stack:
            stack.enter_context(with_maps(network))
            softmaxes = stack.enter_context(Softmaxes())
            for name in names:
                before = network.get_submodule(name).register_forward_pre_hook(lambda *_: softmaxes.forget())
                stack.callback(before.remove)
                stack.enter_context(hooked(network, [name], lambda *_, name=name: found.update(
                    {name: softmaxes.taken()})))
            output = run()
    finally:
        network.requires_grad_(False)
    return output, [found[name] for name in names]


def seen(case: Written, model: Model, inputs: Inputs) -> tuple[Tensor, Maps, Layers]:
    """Logits (tokens, vocabulary), the language model's maps and the tower's."""
    names = [*case.attentions(), *(case.text_attention.format(i) for i in range(case.text_layers))]
    logits, maps = maps_of(model.network, names, lambda: model.network(**inputs).logits[0])
    return logits, [one for [one] in maps[case.tower_layers:]], maps[:case.tower_layers]


def fused(layers: Layers, score: Tensor) -> Maps:
    """Eq. 5: positive parts of gradient · map, mean over heads; all of a layer as one block matrix."""
    gradients = iter(torch.autograd.grad(score, [map_ for maps in layers for map_ in maps], retain_graph=True))
    found = [[(map_.detach() * next(gradients)).clamp(min=0).mean(dim=1).double() for map_ in maps] for maps in layers]
    return [torch.block_diag(*(tile for one in several for tile in one)) for several in found]


def added_up(matrices: Maps) -> Tensor:
    """Eq. 6, from the identity on."""
    relevance = torch.eye(len(matrices[0]), dtype=torch.float64)
    for matrix in matrices:
        relevance = relevance + matrix @ relevance
    return relevance


def parts_of_tokens(case: Written, model: Model, inputs: Inputs) -> Tensor:
    """1 where an image token is made of a tower's token, (image tokens, tower's tokens): where its gradient says so."""
    kept: list[Tensor] = []

    def start(_module: Any, _inputs: Any, output: Any) -> None:
        kept.append((output[0] if isinstance(output, tuple) else output).requires_grad_())

    with hooked(model.network, [case.shared_behind or case.tower.format(case.tower_layers - 1)], start):
        features = case.features(model.network, pixels_of(inputs))
    weights = torch.randn(features.shape[1], generator=torch.Generator().manual_seed(0), dtype=features.dtype)
    [found] = kept
    share = torch.stack([torch.autograd.grad(one, found, retain_graph=True)[0].abs().sum(-1).flatten()
                         for one in features @ weights])
    if case.shared_behind:
        most = len(share) - 1 - share.flip(0).argmax(dim=0)
        share = share * (torch.arange(len(share))[:, None] == most)
    return (share > 0).double()


def by_hand(case: Written, model: Model, inputs: Inputs, pick: Callable[[Tensor], Tensor], places: Sequence[int],
            parts: Tensor) -> dict[str, dict[str, Tensor]]:
    """By level, "text" and "image" of the sum of the rows at `places`, for a score that `pick` takes of the logits."""
    logits, text, tower = seen(case, model, inputs)
    score = pick(logits)
    row = added_up(fused([[one] for one in text], score))[list(places)].sum(dim=0)
    is_image = inputs["input_ids"][0] == model.network.config.image_token_id
    image, relevance = row[is_image], added_up(fused(tower, score))
    shares = parts / parts.sum(dim=1, keepdim=True).clamp(min=1)
    real = torch.arange(parts.shape[1]) % tower[0][0].shape[-1] >= case.class_tokens
    carried = {"tower": relevance, "tower-normalized": dense_normalize(relevance)}
    found = {"tokens": image, **{level: case.as_the_processor_has_them(model, inputs, (image @ shares @ one)[real])
                                 for level, one in carried.items()}}
    return {level: {"text": row[~is_image], "image": one} for level, one in found.items()}


def lit(case: Written, model: Model, dark: Inputs, bright: Inputs) -> tuple[Tensor, Tensor]:
    """How much the tower's patches and the image tokens change, while no patch looks at another."""
    changes: list[tuple[Tensor, Tensor]] = []
    for inputs in (dark, bright):
        last: list[Tensor] = []

        def blind(_module: Any, _inputs: Any, output: Any) -> Any:
            return (torch.zeros_like(output[0]), *output[1:]) if isinstance(output, tuple) else torch.zeros_like(output)

        def keep(_module: Any, _inputs: Any, output: Any, last: list[Tensor] = last) -> None:
            last.append(output[0] if isinstance(output, tuple) else output)

        with hooked(model.network, case.attentions(), blind), \
                hooked(model.network, [case.tower.format(case.tower_layers - 1)], keep):
            features = case.features(model.network, pixels_of(inputs))
        changes.append((last[0][..., case.class_tokens:, :].flatten(0, -2), features))
    (patches, tokens), (bright_patches, bright_tokens) = changes
    changed = (bright_patches - patches).abs().sum(dim=-1)
    return case.as_the_processor_has_them(model, dark, changed), (bright_tokens - tokens).abs().sum(dim=-1)


