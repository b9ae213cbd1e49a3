"""Small random checkpoints in from_pretrained layout, and where the shared reference data lies."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runslow", action="store_true", help="also run tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--runslow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="slow: run with --runslow"))


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
