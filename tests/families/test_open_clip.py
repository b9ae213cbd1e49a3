"""open_clip's own format: the same logits, maps and relevance as its towers written a second time, or a refusal."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from dense_oracle import dense_fused, dense_mean, dense_walk
from family_checks import assert_every_method_is_there, close, picture
from open_clip_towers import OpenClip, Text
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny.kit import draw_weights
from tiny.open_clip import open_clip
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Normalize, Resize, ToTensor
from transformers import CLIPModel, PreTrainedTokenizerFast, SiglipModel

import mmx
from mmx.checkpoints import openclip
from mmx.errors import CheckpointError, UsageError
from mmx.model import Model
from mmx.schedule import Site

TEXTS = ("red", "a red circle", "zebra")
CONFIG, WEIGHTS = openclip.CONFIG, openclip.WEIGHTS[0]
# The classes of transformers take their softmax in float32 even in a float64 model.
ROUNDED = 1e-5
EXACT = 1e-6


@pytest.fixture(scope="module")
def clip(tiny_open_clip: Path) -> Model:
    return mmx.load(tiny_open_clip, dtype="float64")


@pytest.fixture
def folder(tiny_open_clip: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_open_clip, tmp_path / "folder"))


def change(folder: Path, part: str, **options: Any) -> None:
    """Options of open_clip_config.json; None takes one out."""
    found = json.loads((folder / CONFIG).read_text())
    given = found
    for name in part.split(".") if part else ():
        given = given[name]
    given.update(options)
    (folder / CONFIG).write_text(json.dumps(found))


def by_hand(network: OpenClip, inputs: dict[str, Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Logits (texts,) of the first picture, and the maps of its tower and of the text tower."""
    image: list[Tensor] = []
    text: list[Tensor] = []
    logits = network.logits(network.visual(inputs["pixel_values"][:1], image), network.text(inputs["input_ids"], text))
    return logits[0], image, text


def test_it_is_the_model_of_open_clip(clip: Model) -> None:
    assert isinstance(clip.network, CLIPModel) and clip.leftovers == () and clip.warnings == ()
    inputs = dict(clip.encode(picture(), text=TEXTS))
    network = open_clip(clip.network.config.text_config.vocab_size).double()
    logits, images, texts = by_hand(network, inputs)
    close(clip.described.run(inputs)["logits"][0], logits.detach(), EXACT)
    relevance, raw = (clip.attribute(inputs, method, start_layer=0, start_layer_text=0)
                      for method in ("relevance", "raw-attention"))
    ends = inputs["input_ids"].argmax(dim=1)
    for number, logit in enumerate(logits):
        own = {Site(f"v{i}", "image", "image"): map_ for i, map_ in enumerate(images)}
        walked = dense_walk([(site,) for site in own], dense_fused(own, logit), {"image": 17})["image", "image"]
        close(relevance["image"][number], walked[0, 1:], ROUNDED)
        gradients = torch.autograd.grad(logit, texts, retain_graph=True)
        fused = {Site(f"t{i}", "text", "text"): (map_[number].detach() * gradient[number]).clamp(min=0).mean(0)
                 for i, (map_, gradient) in enumerate(zip(texts, gradients, strict=True))}
        walked = dense_walk([(site,) for site in fused], fused, {"text": inputs["input_ids"].shape[1]})["text", "text"]
        close(relevance["text"][number], walked[ends[number]], ROUNDED)
        close(raw["image"][number], dense_mean(images[-1])[0, 1:], EXACT)


def test_every_method_explains_it(clip: Model) -> None:
    assert_every_method_is_there(clip, lambda methods: clip.explain_methods(picture(), methods=methods, text=TEXTS))


@pytest.mark.parametrize("custom_text", [False, True])
def test_a_bin_file_of_a_training_run(clip: Model, folder: Path, custom_text: bool) -> None:
    """Saved by older versions, from inside DistributedDataParallel, with the causal mask beside the weights."""
    words = clip.network.config.text_config.vocab_size
    saved = {f"module.{name}": value for name, value in open_clip(words).saved(custom_text).items()}
    (folder / WEIGHTS).unlink()
    torch.save({**saved, "module.attn_mask": torch.zeros(16, 16)}, folder / openclip.WEIGHTS[1])
    twin = mmx.load(folder, dtype="float64")
    assert twin.leftovers == ()
    for name, value in clip.network.state_dict().items():
        assert value.equal(twin.network.state_dict()[name])
    assert twin.info.revision != clip.info.revision


def test_texts_that_end_at_their_end_token_are_metaclips(folder: Path) -> None:
    """As of ViT-H-14-worldwide: here the token is in the middle of the vocabulary, and of a text."""
    change(folder, "model_cfg.text_cfg", pool_type="eos", eos_id=55)
    model = mmx.load(folder, dtype="float64")
    assert model.info.architecture == "MetaClip2Model" and model.leftovers == ()
    inputs = dict(model.encode(picture(), text=["a red circle"]))
    assert inputs["input_ids"].tolist()[0].index(55) == 2
    network = open_clip(model.network.config.text_config.vocab_size).double()
    network.text.end = 55
    logits, *_ = by_hand(network, inputs)
    found = model.described.run(inputs)
    close(found["logits"][0], logits.detach(), EXACT)
    assert found["ends"].tolist() == [2]


@pytest.mark.parametrize(("quick", "text", "expected"), [
    (True, {}, ("quick_gelu", "quick_gelu")), (False, {}, ("gelu", "gelu")),
    (False, {"act_kwargs": {"approximate": "tanh"}}, ("gelu", "gelu_pytorch_tanh"))])
def test_activations_are_those_of_the_config(folder: Path, quick: bool, text: dict, expected: tuple[str, str]) -> None:
    change(folder, "model_cfg", quick_gelu=quick)
    change(folder, "model_cfg.text_cfg", **text)
    config = mmx.load(folder).network.config
    assert (config.vision_config.hidden_act, config.text_config.hidden_act) == expected


def test_pictures_are_prepared_as_open_clip_does(clip: Model) -> None:
    """Up to what resizing numbers and resizing bytes differ by."""
    photo = picture((90, 50)).resize((180, 100), Image.Resampling.BICUBIC)
    expected = Compose([Resize(32, InterpolationMode.BICUBIC), CenterCrop(32), ToTensor(),
                        Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])])(photo)
    found = clip.encode(photo, text="red")["pixel_values"][0]
    assert found.shape == (3, 32, 32)
    assert (found - expected).abs().max() < 2 / 255 / 0.2
    [patches] = clip.explain(photo, text="red").elements["image"]
    assert (patches.rows, patches.columns) == (4, 4)
    assert patches.box_xyxy_px == pytest.approx((40, 0, 140, 100), abs=180 / 57)


def test_a_squashed_picture_is_seen_whole(folder: Path) -> None:
    change(folder, "preprocess_cfg", resize_mode="squash", interpolation="bilinear")
    model = mmx.load(folder)
    [patches] = model.explain(picture((90, 50)), text="red").elements["image"]
    assert (patches.rows, patches.columns, patches.box_xyxy_px) == (4, 4, (0, 0, 90, 50))
    assert model.processor.resample == Image.Resampling.BILINEAR


def test_what_open_clip_takes_where_nothing_is_said(folder: Path) -> None:
    change(folder, "", preprocess_cfg={})
    processor = mmx.load(folder).processor
    assert processor.image_mean == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert processor.image_std == pytest.approx([0.26862954, 0.26130258, 0.27577711])
    assert processor.resample == Image.Resampling.BICUBIC


def test_a_way_of_resizing_that_no_processor_has(folder: Path, tiny_clip: Path) -> None:
    change(folder, "preprocess_cfg", resize_mode="longest")
    with pytest.raises(CheckpointError, match="resize_mode 'longest' at 32 x 32 pixels") as told:
        mmx.load(folder).load_all()
    assert "`processor=`" in (told.value.hint or "")
    assert len(mmx.load(folder, processor=tiny_clip).explain(picture(), text="red")) == 1


@pytest.mark.parametrize(("part", "options", "why"), [
    ("model_cfg", {"multimodal_cfg": {}}, r"a decoder that writes captions \(CoCa\)"),
    ("model_cfg.vision_cfg", {"layers": [3, 4, 6, 3]}, "a ResNet for an image tower"),
    ("model_cfg.vision_cfg", {"timm_model_name": "eva02_base_patch16_clip_224"}, "the image tower 'eva02_base"),
    ("model_cfg.vision_cfg", {"timm_model_name": "vit_base_patch16_siglip_gap_224"}, "the image tower 'vit_base_patch"),
    ("model_cfg.text_cfg", {"hf_model_name": "roberta-base"}, "the text tower 'roberta-base'"),
    ("model_cfg.vision_cfg", {"attentional_pool": True}, "'attentional_pool' True in its vision_cfg"),
    ("model_cfg.vision_cfg", {"pool_type": "avg"}, "'pool_type' 'avg' in its vision_cfg"),
    ("model_cfg.text_cfg", {"no_causal_mask": True}, "'no_causal_mask' True in its text_cfg"),
    ("model_cfg.text_cfg", {"something_new": 3}, "'something_new' 3 in its text_cfg"),
    ("model_cfg.text_cfg", {"tokenizer_kwargs": {"strip_sep_token": True}}, "'strip_sep_token' True in its tokenizer"),
    ("model_cfg.text_cfg", {"tokenizer_kwargs": {"clean": "soap"}}, "'clean' 'soap' in its tokenizer_kwargs"),
    ("model_cfg", {"audio_cfg": {}}, "'audio_cfg' {} in its model_cfg"),
    ("model_cfg", {"init_logit_bias": -10}, "a bias in the score of a CLIP")])
def test_what_is_no_class_of_transformers_is_refused(folder: Path, part: str, options: dict, why: str) -> None:
    change(folder, part, **options)
    with pytest.raises(UsageError, match=f"is a model of open_clip with {why}.*, which mmx has no family for"):
        mmx.load(folder)


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda folder: (folder / CONFIG).write_text("{}"), rf"{CONFIG} is no config of open_clip's: KeyError 'model_cfg'"),
    (lambda folder: (folder / CONFIG).write_text("["), rf"{CONFIG} cannot be read"),
    (lambda folder: (folder / WEIGHTS).unlink(), rf"has no weights \({WEIGHTS} or {openclip.WEIGHTS[1]}\)"),
    (lambda folder: save_file({"a": torch.zeros(1)}, folder / WEIGHTS), "lacks 94 weights that CLIPModel needs"),
    (lambda folder: change(folder, "model_cfg.text_cfg", context_length=9), "has 1 in another shape"),
    (lambda folder: (folder / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1"), "git-lfs pointer")])
def test_a_broken_folder_is_told(folder: Path, spoil: Callable[[Path], object], message: str) -> None:
    spoil(folder)
    with pytest.raises(CheckpointError, match=message):
        mmx.load(folder)


def test_without_a_tokenizer_it_is_that_of_openai(folder: Path, tiny_clip: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be had, the line names it and the ways out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for path in [*folder.glob("token*"), *folder.glob("vocab*")]:
        path.unlink()
    with pytest.raises(CheckpointError, match="openai/clip-vit-large-patch14 is not in the local cache"):
        mmx.load(folder).load_all()
    assert len(mmx.load(folder, processor=tiny_clip).explain(picture(), text="red")) == 1


def test_the_config_of_timm_beside_it_is_not_taken_for_one(folder: Path, tiny_clip: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"architecture": "vit_base_patch16_clip_224", "num_classes": 0}))
    assert mmx.load(folder).info.architecture == "CLIPModel"
    for file, layers in (("config.json", 2), ("model.safetensors", 3)):  # its own weights beside it are taken
        shutil.copy(tiny_clip / file, folder)
        assert mmx.load(folder).network.config.vision_config.num_hidden_layers == layers


def test_halves_in_the_file_are_read_as_float32(folder: Path, clip: Model) -> None:
    found = {name: value.half() for name, value in load_file(folder / WEIGHTS).items()}
    save_file(found, folder / WEIGHTS)
    loaded = mmx.load(folder).network
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    close(loaded.text_projection.weight, clip.network.text_projection.weight, 1e-3)


@pytest.mark.parametrize(("how", "pieces"), [
    (None, ["a</w>", "red</w>", "'</w>"]), ("lower", ["a</w>", "red</w>", "'</w>"]),
    ("canonicalize", ["a</w>", "red</w>"])])
def test_texts_are_cleaned_as_the_config_says(folder: Path, how: str | None, pieces: list[str]) -> None:
    """CLIP's own tokenizer makes small letters anyway."""
    change(folder, "model_cfg.text_cfg", **({"tokenizer_kwargs": {"clean": how}} if how else {}))
    [words] = mmx.load(folder).explain(picture(), text=" A  Red'")[0].elements["text"]
    assert [token.piece for token in words.tokens[1:-1]] == pieces


class TestSiglip:
    """timm's own image tower beside a text tower of open_clip's."""

    LENGTH = 10

    @pytest.fixture
    def made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, OpenClip]:
        timm = pytest.importorskip("timm")
        monkeypatch.setitem(openclip._WIDTH_LAYERS_HEADS_MLP, "tiny", (24, 2, 3, 96))
        words = ["<pad>", "</s>", "<unk>", "a", "red", "circle", "zebra", "##s"]
        trunk = timm.create_model("vit_base_patch16_siglip_224", img_size=24, patch_size=8, embed_dim=24, depth=2,
                                  num_heads=3, num_classes=0)
        network = OpenClip(trunk, Text(16, 2, 4, len(words), self.LENGTH, 24, torch.nn.GELU(), of_siglip=True), True)
        draw_weights(network, seed=42)
        saved = {name.replace("visual.", "visual.trunk."): value for name, value in network.saved(True).items()}
        save_file(saved, tmp_path / WEIGHTS)
        text = {"context_length": self.LENGTH, "vocab_size": len(words), "width": 16, "heads": 4, "layers": 2,
                "hf_tokenizer_name": "timm/ViT-B-16-SigLIP", "tokenizer_kwargs": {"clean": "canonicalize"},
                "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
        vision = {"image_size": 24, "timm_model_name": "vit_tiny_patch8_siglip_24", "timm_model_pretrained": False,
                  "timm_pool": "map", "timm_proj": "none"}
        (tmp_path / CONFIG).write_text(json.dumps({
            "model_cfg": {"embed_dim": 24, "init_logit_bias": -10, "custom_text": True, "vision_cfg": vision,
                          "text_cfg": text},
            "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic",
                               "resize_mode": "squash"}}))
        tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
                                ).save_pretrained(tmp_path)
        return tmp_path, network.double().eval()

    def test_it_is_the_model_of_open_clip(self, made: tuple[Path, OpenClip]) -> None:
        folder, network = made
        model = mmx.load(folder, dtype="float64")
        assert isinstance(model.network, SiglipModel) and model.leftovers == ()
        inputs = dict(model.encode(picture(), text=["a red circle", "zebra"]))
        assert inputs["input_ids"].shape == (2, self.LENGTH)
        with torch.no_grad():
            logits = network.logits(network.visual(inputs["pixel_values"]), network.text(inputs["input_ids"], []))
        close(model.described.run(inputs)["logits"], logits, EXACT)
        assert_every_method_is_there(model, lambda methods: model.explain_methods(picture(), methods=methods,
                                                                                  text=["a red circle", "zebra"]))

    def test_texts_lose_capitals_and_punctuation_first(self, made: tuple[Path, OpenClip]) -> None:
        model = mmx.load(made[0])
        [words] = model.explain(picture(), text=" A  red, Circle_zebra! ")[0].elements["text"]
        assert [token.piece for token in words.tokens[:5]] == ["a", "red", "circle", "zebra", "</s>"]
        assert [token.text for token in words.tokens[:4]] == ["A", "red", "Circle", "zebra"]
        change(made[0], "model_cfg.text_cfg", tokenizer_kwargs={})
        [words] = mmx.load(made[0]).explain(picture(), text="A red")[0].elements["text"]
        assert [token.piece for token in words.tokens[:3]] == ["<unk>", "red", "</s>"]

    def test_no_other_tokenizer_is_taken_for_its_own(self, made: tuple[Path, OpenClip]) -> None:
        change(made[0], "model_cfg.text_cfg", hf_tokenizer_name="")
        for path in made[0].glob("token*"):
            path.unlink()
        with pytest.raises(CheckpointError, match=r"has no tokenizer, and its open_clip_config.json names none"):
            mmx.load(made[0]).load_all()

    @pytest.mark.parametrize(("option", "value", "why"), [
        ("pool_type", "argmax", "'pool_type' 'argmax' in its text_cfg"),
        ("no_causal_mask", False, "'no_causal_mask' False in its text_cfg"),
        ("proj_bias", None, "'proj_bias' None in its text_cfg")])
    def test_another_text_tower_is_refused(self, made: tuple[Path, OpenClip], option: str, value: object,
                                           why: str) -> None:
        change(made[0], "model_cfg.text_cfg", **{option: value})
        with pytest.raises(UsageError, match=why):
            mmx.load(made[0])


def test_sizes_of_timms_towers(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the names that open_clip knows; what each is made of is timm's."""
    timm = pytest.importorskip("timm")
    made = timm.models.vision_transformer
    monkeypatch.setattr(made, "_create_vision_transformer", lambda name, pretrained, **settings: settings)
    names = timm.list_models("vit_*_siglip_*", exclude_filters="*gap*")
    assert len(names) > 10
    for name in names:
        found, settings = openclip._SIGLIP.fullmatch(name), getattr(made, name)()
        assert found is not None, name
        width = settings["embed_dim"]
        assert openclip._WIDTH_LAYERS_HEADS_MLP[found["size"]] == (
            width, settings["depth"], settings["num_heads"], int(width * settings.get("mlp_ratio", 4))), name
        assert int(found["patch"]) == settings["patch_size"] and settings["global_pool"] == "map"
        assert (settings.get("act_layer") == "gelu_tanh") == bool(openclip._BY_TANH.search(name)), name


def test_weights_of_the_file_are_the_models(tiny_open_clip: Path, clip: Model) -> None:
    """Queries, keys and values are thirds of one matrix."""
    file, loaded = load_file(tiny_open_clip / WEIGHTS), clip.network.state_dict()
    whole = file["visual.transformer.resblocks.1.attn.in_proj_weight"]
    parts = [loaded[f"vision_model.encoder.layers.1.self_attn.{part}_proj.weight"] for part in "qkv"]
    assert torch.cat(parts).equal(whole.double())
    assert loaded["text_projection.weight"].equal(file["text_projection"].T.double())
