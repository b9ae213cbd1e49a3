"""Small random checkpoints in from_pretrained layout, and where the shared reference data lies."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

try:
    from shape_checks import check_shapes
except ModuleNotFoundError:  # jaxtyping or beartype: shapes in signatures are not looked at then
    def check_shapes(rooms: list[str]) -> None:
        pass

if TYPE_CHECKING:
    from torch import nn

SHARED = Path(__file__).parents[2] / "shared"

# Results and masks_from_relevance look at shapes themselves, as users may give wrong ones.
check_shapes([f"mmx.{room}" for room in (
    "asking", "capture.attention", "capture.choice", "capture.folding", "capture.lrp_rules", "capture.maps",
    "capture.passes", "capture.recording", "elements", "engine", "methods", "metrics", "perturbation", "rules",
    "wiring")])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runslow", action="store_true", help="also run tests that take minutes")
    parser.addoption("--device", default="cuda", help="where tests marked cuda run; cpu tries them without a GPU")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _skip(items, "slow", None if config.getoption("--runslow") else "slow: run with --runslow")
    if any("cuda" in item.keywords for item in items):
        import torch

        there = config.getoption("--device") != "cuda" or torch.cuda.is_available()
        _skip(items, "cuda", None if there else "needs a GPU")


def _skip(items: list[pytest.Item], mark: str, reason: str | None) -> None:
    for item in items:
        if reason is not None and mark in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where tests marked cuda run, or what a test names."""
    return getattr(request, "param", None) or request.config.getoption("--device")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED


@pytest.fixture(scope="session")
def tiny_lxmert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LXMERT with three answers and a tokenizer of its own, its regions a 2x3 grid."""
    import json

    import torch
    from transformers import BertTokenizer, LxmertConfig, LxmertForQuestionAnswering

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-lxmert"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", "what", "color", "is", "the", "circle", "##s", "red"]
    answers = ["red", "blue", "a long answer"]
    torch.manual_seed(0)
    config = LxmertConfig(
        vocab_size=len(pieces), hidden_size=16, num_attention_heads=2, intermediate_size=24, l_layers=2, r_layers=1,
        x_layers=2, visual_feat_dim=12, max_position_embeddings=20, num_qa_labels=len(answers),
        id2label=dict(enumerate(answers)), label2id={answer: i for i, answer in enumerate(answers)},
        initializer_range=0.6)
    LxmertForQuestionAnswering(config).save_pretrained(folder)
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=20).save_pretrained(folder)
    (folder / "regions.json").write_text(json.dumps({"provider": "grid", "rows": 2, "columns": 3}))
    return folder


@pytest.fixture(scope="session")
def tiny_detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DETR with eight queries, three classes, two layers on each side and a processor of its own."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor, ResNetConfig

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-detr"
    torch.manual_seed(2)
    names = {0: "cat", 1: "dog", 2: "red circle"}
    backbone = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic",
                            out_features=["stage2"])
    config = DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, d_model=16,
        encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, num_queries=8, id2label=names, label2id={name: i for i, name in names.items()},
        init_std=0.5)
    network = DetrForObjectDetection(config)
    with torch.no_grad():  # queries that differ, and find different things
        network.model.query_position_embeddings.weight.normal_(0, 3)
        network.class_labels_classifier.weight.normal_(0, 1)
        network.class_labels_classifier.bias.zero_()
    network.save_pretrained(folder)
    DetrImageProcessor(size={"shortest_edge": 24, "longest_edge": 48}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViT with five classes, two of one name, that takes pictures of 24 x 36 pixels in patches of 12."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-vit"
    names = {0: "tabby, tabby cat", 1: "crane", 2: "crane", 3: "red circle", 4: "tiger, tabby"}
    torch.manual_seed(3)
    config = ViTConfig(hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=24,
                       image_size=[24, 36], patch_size=12, id2label=names,
                       label2id={"tabby, tabby cat": 0, "crane": 2, "red circle": 3, "tiger, tabby": 4},
                       initializer_range=0.5)
    ViTForImageClassification(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 24, "width": 36}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random CLIP with letters and a few merges for a vocabulary, that sees the middle 32 x 32 pixels in 4 x 4."""
    import string

    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-clip"
    merges = [("r", "e"), ("re", "d</w>"), ("c", "i"), ("r", "c"), ("l", "e</w>"), ("ci", "rc")]
    pieces = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase), "'", "'</w>",
              *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]
    tower = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24, "initializer_range": 0.5,
             "initializer_factor": 4.0}
    torch.manual_seed(4)
    config = CLIPConfig(
        text_config={**tower, "hidden_size": 16, "vocab_size": len(pieces), "max_position_embeddings": 16,
                     "bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1,
                     "pad_token_id": len(pieces) - 1},
        vision_config={**tower, "hidden_size": 24, "image_size": 32, "patch_size": 8}, projection_dim=8,
        initializer_factor=4.0)
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    CLIPTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges,
                  model_max_length=16).save_pretrained(folder)
    return folder


def draw_weights(network: "nn.Module", seed: int, gain: float = 2.0) -> None:
    """Every weight anew, those included that are zero at the start: so wide that attention is far from uniform."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in network.parameters():
            noise = torch.randn(weights.shape, generator=generator)
            if weights.dim() > 1:
                weights.copy_(noise * gain / weights[0].numel() ** 0.5)
            else:
                weights.add_(0.2 * noise)


def save_words(folder: Path, words: list[str]) -> int:
    """A BERT tokenizer of these words; how many tokens it knows."""
    from transformers import BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "?", *words]
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=20).save_pretrained(folder)
    return len(pieces)


@pytest.fixture(scope="session")
def tiny_vilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ViLT with three answers that takes pictures of any size, 32 pixels high or wide, in patches of 8."""
    from transformers import ViltConfig, ViltForQuestionAnswering, ViltImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-vilt"
    answers = ["red", "blue", "a long answer"]
    config = ViltConfig(
        vocab_size=save_words(folder, ["what", "color", "is", "the", "circle", "##s", "red"]), hidden_size=16,
        num_hidden_layers=3, num_attention_heads=2, intermediate_size=24, max_position_embeddings=20, image_size=32,
        patch_size=8, id2label=dict(enumerate(answers)), label2id={answer: i for i, answer in enumerate(answers)})
    network = ViltForQuestionAnswering(config)
    draw_weights(network, seed=11)
    network.save_pretrained(folder)
    ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random SigLIP with words for a vocabulary and texts of 10 tokens, that sees 24 x 24 pixels in 3 x 3 patches."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipImageProcessor, SiglipModel

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-siglip"
    words = ["<pad>", "</s>", "<unk>", "a", "red", "blue", "circle", "photo", "of", "zebra"]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
                            model_max_length=10).save_pretrained(folder)
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = SiglipModel(SiglipConfig(
        text_config={**tower, "vocab_size": len(words), "max_position_embeddings": 10, "projection_size": 16,
                     "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1},
        vision_config={**tower, "image_size": 24, "patch_size": 8}))
    draw_weights(network, seed=12)
    with torch.no_grad():
        network.logit_scale.fill_(1.2)
        network.logit_bias.fill_(-0.7)
    network.save_pretrained(folder)
    SiglipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
    return folder


def save_dinov2(folder: Path, config: type, network_class: type, seed: int) -> Path:
    """With a processor whose pictures, 16 pixels out of the middle of 18, are smaller than the config says: 20."""
    from transformers import BitImageProcessor

    names = {0: "cat", 1: "dog", 2: "red circle"}
    network = network_class(config(
        hidden_size=16, num_hidden_layers=3, num_attention_heads=2, mlp_ratio=2, image_size=20, patch_size=4,
        id2label=names, label2id={name: i for i, name in names.items()}))
    draw_weights(network, seed)
    network.save_pretrained(folder)
    BitImageProcessor(size={"shortest_edge": 18}, do_center_crop=True, crop_size={"height": 16, "width": 16}
                      ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DINOv2 with three classes, whose processor crops to 4 x 4 of its 5 x 5 patches."""
    from transformers import Dinov2Config, Dinov2ForImageClassification

    return save_dinov2(tmp_path_factory.mktemp("checkpoints") / "tiny-dinov2", Dinov2Config,
                       Dinov2ForImageClassification, seed=13)


@pytest.fixture(scope="session")
def tiny_dinov2_registers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with four registers."""
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersForImageClassification

    return save_dinov2(tmp_path_factory.mktemp("checkpoints") / "tiny-dinov2-registers", Dinov2WithRegistersConfig,
                       Dinov2WithRegistersForImageClassification, seed=14)


@pytest.fixture(scope="session")
def tiny_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BLIP for retrieval that sees 24 x 24 pixels in 3 x 3 patches."""
    from transformers import BlipConfig, BlipForImageTextRetrieval, BlipImageProcessor

    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-blip"
    count = save_words(folder, ["a", "red", "blue", "circle", "##s", "photo", "of", "zebra"])
    tower = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    network = BlipForImageTextRetrieval(BlipConfig(
        text_config={**tower, "vocab_size": count, "max_position_embeddings": 20, "encoder_hidden_size": 16,
                     "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "sep_token_id": 3},
        vision_config={**tower, "image_size": 24, "patch_size": 8}, image_text_hidden_size=8))
    draw_weights(network, seed=15)
    network.save_pretrained(folder)
    BlipImageProcessor(size={"height": 24, "width": 24}).save_pretrained(folder)
    return folder
