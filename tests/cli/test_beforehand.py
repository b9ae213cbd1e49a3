"""What is wrong with a command line is said before torch is loaded; with --json it is one JSON document as well."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mmx.shapes.coco import write_coco

# Each command line in one process that never loads torch, so that dozens cost what one does.
RUN = """
import contextlib, io, json, sys
from mmx.cli.app import main
for words in json.load(sys.stdin):
    sys.argv, out, err = ["mmx", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    heavy = sorted({"torch", "transformers", "matplotlib", "gradio"} & set(sys.modules))
    print(json.dumps([code, out.getvalue(), err.getvalue(), heavy]))
"""
MISUSED = {
    "explain": "No picture was given.",
    "explain nosuch.png": "nosuch.png does not exist.",
    "explain nosuch.png other.png -q red?": "other.png does not exist.",
    "explain text.png -q red?": "text.png is no picture",
    "explain folder -q red?": "folder is a folder without pictures",
    "explain https://example.org/a/photo.jpg -q red?": "https://example.org/a/photo.jpg is a URL",
    "explain scene.png -m relevance,rolout": "Did you mean 'rollout'?",
    "explain scene.png -m relevance,": "No method named ''.",
    "explain scene.png --device tpu": "No device named 'tpu'.",
    "explain scene.png --dtype float23": "Did you mean 'float32'?",
    "explain scene.png --regions detr": "Give 'grid'",
    "explain scene.png --max-memory lots": "is no size",
    "explain scene.png --batch-size 0": "'--batch-size'",
    "explain scene.png --model nosuch": "No checkpoint named 'nosuch'.",
    "explain scene.png --model ./nosuch": "There is no checkpoint folder ./nosuch.",
    "explain scene.png --model shapes-vit --answers nosuch.txt": "nosuch.txt cannot be read",
    "explain scene.png --model shapes-clip --answers text.png": "no names of answers fit it",
    "explain scene.png --model shapes-vit --features text.png": "takes no regions and no features",
    "explain scene.png -q red? --features nosuch.tsv": "nosuch.tsv does not exist.",
    "explain scene.png --model shapes-vit -q red?": "a question does not fit it. Leave it out; target says what is",
    "explain scene.png --model shapes-lxmert": "No question was given. shapes-lxmert answers questions: add --question",
    "explain scene.png --model shapes-lxmert --text red": "a text does not fit it. Leave it out, and ask a question.",
    "explain scene.png --model shapes-clip --threshold 0.5": "a threshold does not fit it. Leave it out, and give text",
    "explain scene.png --model shapes-clip --query 3 --text a": "a query does not fit it. Leave it out; target says",
    "explain scene.png --model shapes-detr -t circle": "a target does not fit it. Leave it out; threshold, query",
    "explain scene.png --threshold 1.5": "A threshold of 1.5 makes no sense.",
    "explain scene.png --model shapes-lxmert -q red? -q ' '": "The question is empty.",
    "explain --questions good.csv --model shapes-vit": "a question does not fit it.",
    "perturb --model shapes-vit": "this test is about answers to questions",
    "segment --protocol clean --model shapes-vit": "only a detector of classes can be scored by masks. Load one,",
    "explain scene.png --model empty": "empty has no config.json. Is it a folder written by save_pretrained?",
    "explain scene.png --model trainer": "name one of the checkpoints in it, such as trainer/checkpoint-500.",
    "explain scene.png --model adapter": "It is a PEFT adapter of owner/base",
    "explain scene.png --model openclip": "openclip/open_clip_config.json is no config of open_clip's",
    "explain scene.png --model coca": "coca is a model of open_clip with a decoder that writes captions (CoCa), which",
    "explain scene.png --model broken": "broken/config.json cannot be read",
    "explain scene.png --model listed": "listed/config.json is no config of a checkpoint.",
    "explain scene.png --model unknown": "unknown is a GPT2Model, which mmx has no family for.",
    "explain scene.png --model problem": "problem has the problem_type 'multi-label'. Write single_label",
    "explain scene.png --model pointer": "pointer/model.safetensors is a git-lfs pointer",
    "explain scene.png --model weightless": "weightless has no weights",
    "explain scene.png --model shardless": "model-1.safetensors, which is not there",
    "explain scene.png --model unprocessed": "unprocessed has no preprocessor_config.json",
    "explain scene.png --out text.png": "Nothing can be written to text.png",
    "explain --questions nosuch.csv": "nosuch.csv cannot be read",
    "explain --questions x.foo": "x.foo is no known kind of question file.",
    "explain --questions columns.csv": "the column 'question' is missing",
    "explain --questions gone.csv": "gone.png does not exist.",
    "explain --questions urls.csv": "https://example.org/photo.jpg is a URL",
    "explain - -q red?": "stdin is empty.",
    "explain - - -q red?": "- stands for it twice",
    "perturb --data nosuch.json": "nosuch.json cannot be read",
    "perturb --data columns.csv": "the column 'question' is missing",
    "perturb --images folder": "Give --data FILE as well.",
    "perturb --data gone.csv --images nosuch": "--images nosuch is not a folder.",
    "perturb -m all,rolout": "Did you mean 'rollout'?",
    "perturb --modality texts": "Did you mean 'text'?",
    "perturb --steps 1,0": "The steps 1, 0 cannot be run.",
    "perturb --steps some": "is no list of shares",
    "perturb --device tpu": "No device named 'tpu'.",
    "perturb --model nosuch": "No checkpoint named 'nosuch'.",
    "segment --images folder": "--images and --annotations go together.",
    "segment --images nosuch --annotations coco/instances.json": "--images nosuch is not a folder.",
    "segment --images folder --annotations nosuch.json": "nosuch.json cannot be read",
    "segment --images folder --annotations gone.csv": "gone.csv is no file of COCO instances",
    "segment --seed 1": "Give --limit as well.",
    "segment -m rolout": "Did you mean 'rollout'?",
    "segment --model nosuch": "No checkpoint named 'nosuch'.",
    "segment --max-memory lots": "is no size",
    "shapes evaluate -m rolout": "Did you mean 'rollout'?",
    "shapes evaluate --model nosuch": "No checkpoint named 'nosuch'.",
    "draw nosuch.json": "nosuch.json cannot be read",
    "draw gone.csv": "gone.csv is not JSON.",
    "compare nosuch other": "nosuch holds no finished run of mmx perturb.",
    "compare nosuch": "One run has nothing to be compared with.",
    "models check nosuch": "No checkpoint named 'nosuch'.",
    "models check shapes-vit --dtype float23": "Did you mean 'float32'?",
    "models pull nosuch": "No checkpoint named 'nosuch'.",
    "demo --model nosuch": "No checkpoint named 'nosuch'.",
    "demo --device tpu": "No device named 'tpu'.",
}
HAVE_JSON = [line for line in MISUSED if line.split()[0] not in ("draw", "demo")]


def write_checkpoints(place: Path) -> None:
    """Folders that are no checkpoints, each by what lies in it."""
    pointer, vit = "version https://git-lfs.github.com/spec/v1\n", {"architectures": ["ViTForImageClassification"]}
    folders: dict[str, dict[str, object]] = {
        "empty": {}, "trainer": {"checkpoint-500/config.json": vit, "checkpoint-60/config.json": vit},
        "adapter": {"adapter_config.json": {"base_model_name_or_path": "owner/base"}},
        "openclip": {"open_clip_config.json": {}},
        "coca": {"open_clip_config.json": {"model_cfg": {"vision_cfg": {}, "text_cfg": {}, "multimodal_cfg": {}}}},
        "broken": {"config.json": "{"}, "listed": {"config.json": [vit]},
        "unknown": {"config.json": {"architectures": ["GPT2Model"], "model_type": "gpt2"}},
        "problem": {"config.json": {**vit, "problem_type": "multi-label"}},
        "pointer": {"config.json": vit, "model.safetensors": pointer}, "weightless": {"config.json": vit},
        "shardless": {"config.json": vit, "model.safetensors.index.json": {"weight_map": {"a": "model-1.safetensors"}}},
        "unprocessed": {"config.json": vit, "model.safetensors": "anything"}}
    for name, files in folders.items():
        (place / name).mkdir()
        for file, content in files.items():
            path = place / name / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str, list[str]]]:
    """Exit code, stdout, stderr and heavy modules of each line, and of each with --json behind it."""
    place = tmp_path_factory.mktemp("misused")
    (place / "folder").mkdir()
    (place / "text.png").write_text("not a picture")
    Image.new("RGB", (60, 40), "white").save(place / "scene.png")
    (place / "columns.csv").write_text("image,answer\nscene.png,red\n")
    (place / "gone.csv").write_text("image,question,answer\ngone.png,red?,red\n")
    (place / "urls.csv").write_text("image,question\nhttps://example.org/photo.jpg,red?\n")
    (place / "good.csv").write_text("image,question,answer\nscene.png,red?,red\n")
    write_coco(place / "coco", range(1), 64)
    write_checkpoints(place)
    lines = [*MISUSED, *(f"{line} --json" for line in HAVE_JSON)]
    environment = {"PATH": "", "HOME": str(place), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    words = json.dumps([shlex.split(line) for line in lines])
    done = subprocess.run([sys.executable, "-c", RUN], input=words, cwd=place,
                          env=environment, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    return dict(zip(lines, map(json.loads, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize(("line", "message"), MISUSED.items())
def test_it_is_said_before_torch_is_loaded(said: dict[str, tuple[int, str, str, list[str]]], line: str,
                                           message: str) -> None:
    code, out, err, heavy = said[line]
    assert code in (1, 2) and message in err and heavy == []
    assert all(one.startswith("error: ") for one in err.splitlines())
    assert out == "" or " failed; nothing new in " in out


@pytest.mark.parametrize("line", HAVE_JSON)
def test_json_is_one_document_all_the_same(said: dict[str, tuple[int, str, str, list[str]]], line: str) -> None:
    code, out, err, heavy = said[f"{line} --json"]
    assert (code, heavy) == (said[line][0], [])
    document = json.loads(out)
    assert document["schema_version"] == 2
    assert [f"error: {one['error']}" for one in document["failures"]] == err.splitlines()
    assert {"explanations", "skipped"} & set(document) == (
        {"explanations", "skipped"} if line.startswith("explain") else set())
