"""What explaining takes is known before: byte by byte what tensors take when it is done."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensor

import mmx
from mmx.cost import Counting, Speed
from mmx.devices import free_memory
from mmx.errors import MmxError, Notice
from mmx.images import open_picture
from mmx.methods import get_method
from mmx.model import batching
from mmx.model.batching import Group, Job, groups_of
from mmx.model.by_name import outline
from mmx.model.estimate import rehearse
from mmx.model.running import attributions
from mmx.results import Asked

ASKED = {"tiny_lxmert": Asked("what color is the circle?"), "tiny_vit": Asked(targets=(3, 4)),
         "tiny_clip": Asked(texts=("a", "b")), "tiny_detr": Asked(queries=(1, 5)), "tiny_vilt": Asked("red?"),
         "tiny_siglip": Asked(texts=("red",)), "tiny_dinov2": Asked(), "tiny_dinov2_registers": Asked(),
         "tiny_blip": Asked(texts=("red", "blue")), "tiny_qwen3_vl": Asked("red?", answer="red", targets=("all",)),
         "tiny_instructblip": Asked("red?", answer="red", targets=("all",))}


def groups(model: mmx.Model, asked: Asked, count: int = 2, size: tuple[int, int] = (60, 40)) -> list[Group]:
    noise = np.random.default_rng(0)
    pictures = [open_picture(Image.fromarray(noise.integers(256, size=(*size[::-1], 3), dtype=np.uint8)))
                for _ in range(count)]
    return [group for _, group in groups_of(model.parts, [Job(one, asked) for one in pictures])]


@pytest.mark.parametrize("methods", [["relevance"], ["paper"], pytest.param(["all"], marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ASKED)
def test_a_rehearsal_takes_on_paper_what_explaining_takes(request: pytest.FixtureRequest, name: str,
                                                          methods: list[str]) -> None:
    folder = request.getfixturevalue(name)
    model, empty = mmx.load(folder), outline(folder)
    chosen, _ = model.fitting_methods(methods)
    [group], [on_paper] = groups(model, ASKED[name]), groups(empty, ASKED[name])
    group.attributed(chosen, None)  # whatever is kept for the next time is made now
    [group] = groups(model, ASKED[name])
    with Counting() as counted:
        found = group.attributed(chosen, None)
        group.without_picture()
    need = rehearse(on_paper, chosen)
    assert need.bytes == counted.peak > 0
    # By LRP a rehearsal goes into some attentions that a backward leaves out, since nothing flows into them.
    done, reckoned = (sum(one for one, _ in work) for work in (counted.work, need.work))
    assert 0 < done <= reckoned <= (done if methods == ["relevance"] else 1.1 * done)
    assert need.items == len(found.chosen.samples)
    assert rehearse(group, chosen).bytes == need.bytes  # whether the weights are there or not


def test_views_of_which_some_are_padding_can_be_rehearsed(tiny_idefics3: Path) -> None:
    """Which are is found in their numbers."""
    [group] = groups(mmx.load(tiny_idefics3), Asked("red?"), count=1)
    need = rehearse(group, [get_method("relevance")])
    assert need.bytes > 0 and need.items == 1 and need.tokens["image"] == 4 * group.pictures[0].tensors[
        "pixel_values"].shape[1]


def short_of_room(monkeypatch: pytest.MonkeyPatch, most: int, error: Exception, *, in_turns: bool = False) -> list[int]:
    """A device with room for as many samples, with `in_turns` for those whose targets go one by one; what was tried."""
    tried: list[int] = []
    really = batching.attribute

    def attribute(model: object, inputs: dict, *given: object, max_memory: int | None = None, **more: object) -> object:
        if any(isinstance(value, FakeTensor) for value in inputs.values()):
            return really(model, inputs, *given, max_memory=max_memory, **more)
        tried.append(len(next(iter(inputs.values()))))
        if tried[-1] > most or (in_turns and max_memory != 1):
            raise error
        return really(model, inputs, *given, max_memory=max_memory, **more)

    monkeypatch.setattr(batching, "attribute", attribute)
    return tried


NO_ROOM = [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(),
           RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: not enough memory")]


@pytest.mark.parametrize("error", NO_ROOM)
def test_a_device_without_room_gets_smaller_batches(tiny_vit: Path, monkeypatch: pytest.MonkeyPatch,
                                                    error: Exception) -> None:
    model = mmx.load(tiny_vit)
    [group] = groups(model, Asked(), 5)
    expected = model.explain_batch(group.jobs, [get_method("relevance")])
    tried = short_of_room(monkeypatch, 2, error)
    with pytest.warns(Notice, match="smaller batches") as said:
        found = model.explain_batch(group.jobs, [get_method("relevance")])
    assert len(said) == 1 and tried == [5, 2, 3, 1, 2]
    for [one], [other] in zip(found, expected, strict=True):
        np.testing.assert_allclose(one[0].scores["image"], other[0].scores["image"], rtol=1e-4, atol=1e-7)
    model.explain_batch(group.jobs, [get_method("relevance")])
    assert tried[5:] == [2, 1, 2]  # what had no room is not tried again


@pytest.mark.parametrize("error", NO_ROOM)
def test_targets_go_one_by_one_where_one_picture_has_no_room(tiny_detr: Path, monkeypatch: pytest.MonkeyPatch,
                                                             error: Exception) -> None:
    model = mmx.load(tiny_detr)
    [group] = groups(model, Asked(queries=(1, 2, 5)), 1)
    short_of_room(monkeypatch, 1, error, in_turns=True)
    with pytest.warns(Notice, match="one after another"):
        [[found]] = model.explain_batch(group.jobs, [get_method("relevance")])
    assert [item.query for item in found] == [1, 2, 5]


def test_no_room_for_a_single_picture_is_said_with_what_it_takes(tiny_vit: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    model = mmx.load(tiny_vit)
    [group] = groups(model, Asked(), 1)
    need = rehearse(group, [get_method("relevance")], 1, checkpoint=True).bytes
    short_of_room(monkeypatch, 0, NO_ROOM[0])
    with pytest.warns(Notice), pytest.raises(MmxError, match=rf"takes {need / 1e3:.3g} KB of memory on cpu beside"):
        model.explain_batch(group.jobs, [get_method("relevance")])


def test_other_failures_are_no_want_of_memory(tiny_vit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = mmx.load(tiny_vit)
    tried = short_of_room(monkeypatch, 0, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        model.explain_batch(groups(model, Asked(), 2)[0].jobs, [get_method("relevance")])
    assert tried == [2]


@pytest.mark.parametrize("name", ["tiny_vit", "tiny_lxmert", "tiny_clip"])
def test_a_limit_is_kept_by_smaller_batches(request: pytest.FixtureRequest, name: str) -> None:
    model, methods = mmx.load(request.getfixturevalue(name)), [get_method("relevance")]
    [group] = groups(model, ASKED[name], 4)
    expected = model.explain_batch(group.jobs, methods)
    limit = rehearse(group[:2], methods, 1).bytes
    with pytest.warns(Notice, match="smaller batches"):
        found = [(len(part.jobs), one) for _, part, one in attributions(model.parts, group.jobs, methods, limit=limit)]
    assert [jobs for jobs, _ in found] == [2, 2]
    for number, one in enumerate(one for [one] in expected):
        for part, scores in one[0].scores.items():
            rows = found[number // 2][1].scores["relevance"][part]
            row = rows[number % 2 * (len(rows) // 2)].numpy()[:len(scores)]
            np.testing.assert_allclose(row, scores, rtol=1e-4, atol=1e-7)


def test_a_picture_that_needs_more_than_the_limit_is_refused(tiny_vit: Path) -> None:
    model, methods = mmx.load(tiny_vit), [get_method("relevance")]
    [group] = groups(model, Asked(), 1)
    need = rehearse(group, methods, 1, checkpoint=True).bytes
    with pytest.raises(MmxError, match=r"and `max_memory=` allows .*Give a smaller picture, more `max_memory=`"):
        model.explain_batch(group.jobs, methods, max_memory=need - 1)
    with pytest.warns(Notice, match="layers run twice"):
        assert len(model.explain_batch(group.jobs, methods, max_memory=need)) == 1


def test_a_gpu_counts_what_pytorch_holds_and_has_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("mem_get_info", (100, 1000)), ("memory_reserved", 70), ("memory_allocated", 30)):
        monkeypatch.setattr(torch.cuda, name, lambda device, value=value: value)
    assert free_memory("cuda:0") == 140
    assert free_memory("cpu") is None


def test_time_is_that_of_calls_arithmetic_and_bytes() -> None:
    assert Speed(operations=100, bytes=10, call=1).seconds([(200, 30), (0, 5)]) == pytest.approx(1 + 2 + 3 + 1 + 0.5)
