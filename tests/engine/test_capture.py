"""What is captured of an unmodified LXMERT is what it computes, and the model is left as it was."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from defined_methods import methods_on
from lxmert_samples import Batches, hook_count, told
from torch import Tensor, nn

import mmx
from mmx.asking.base import Asking
from mmx.asking.classes import ClassesAsked
from mmx.capture import Capture, Chosen, Outputs
from mmx.engine import Described, attribute
from mmx.errors import CaptureError, CheckpointError
from mmx.families.lxmert import FAMILY
from mmx.methods import Method, Rows, get_method, with_samples
from mmx.model import Model
from mmx.schedule import Schedule, Site, sites_of

Inputs = dict[str, Tensor]
EVERY = with_samples(methods_on("LxmertForQuestionAnswering"), 4)
SHARING = [method for method in EVERY if method.shares_passes]
WITHOUT_LRP = [method for method in SHARING if not {"lrp", "attn-lrp", "cp-lrp"}.intersection(method.needs)]


def captured(model: Model, inputs: Inputs, target: object = None, described: Described | None = None) -> Capture:
    """What a method that asks for all attention and gradients is given."""
    seen: list[Capture] = []

    def look(capture: Capture) -> Rows:
        seen.append(capture)
        return get_method("raw-attention").rows(capture)

    spy = Method("spy", "Looks.", "here", ("attention", "gradient"), look)
    attribute(described or model.described, inputs, [spy], target)
    return seen[0]


@contextmanager
def hooked(module: nn.Module, hook: Callable) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def plain_logits(model: Model, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        return model.network(**inputs).question_answering_score


def changed(model: Model, inputs: Inputs, site: Site, change: Callable[[Tensor], Tensor]) -> Tensor:
    """The logits when the map of one site is changed in the forward."""
    calls = iter(range(9))

    def hook(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor | None:
        return change(output) if next(calls) == site.call else None

    with hooked(model.network.get_submodule(site.module), hook):
        return plain_logits(model, inputs)


def test_every_site_has_a_map_of_its_streams_whose_rows_sum_to_one(model: Model, batches: Batches) -> None:
    found = captured(model, batches.alone(0))
    assert found.sizes == {"text": 8, "image": 3}
    assert list(found.maps) == list(sites_of(found.schedule))
    for site, map_ in found.maps.items():
        attention = map_.attention
        assert attention.shape == (1, 2, found.sizes[site.rows], found.sizes[site.cols])
        torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]), atol=1e-12, rtol=0)
        assert not attention.requires_grad
    assert {stream: mask.tolist() for stream, mask in found.valid.items()} == {"text": [[True] * 8],
                                                                               "image": [[True] * 3]}


def test_the_two_directions_of_a_shared_module_are_told_apart(model: Model, batches: Batches) -> None:
    """With as many regions as tokens, only the order of the calls tells which is which."""
    inputs = batches.alone(0)
    inputs |= {"visual_feats": torch.randn(1, 8, 12).double(), "visual_pos": torch.rand(1, 8, 4).double(),
               "visual_attention_mask": torch.tensor([[1] * 7 + [0]])}
    found = captured(model, inputs)
    for site in sites_of(found.schedule):
        assert (found.maps[site].attention[..., -1] == 0).all() == (site.cols == "image"), site


def test_only_sites_without_a_path_to_the_answer_lack_a_gradient(model: Model, batches: Batches) -> None:
    found = captured(model, batches.alone(0))
    reached = {site: map_ for site, map_ in found.maps.items() if map_.has_gradient}
    assert set(reached) == {site for site in sites_of(found.schedule) if site.reaches_target}
    assert all(map_.gradient.shape == map_.attention.shape for map_ in reached.values())


def test_the_captured_forward_gives_the_plain_logits_bit_for_bit(model: Model, batches: Batches) -> None:
    for inputs in (batches.alone(0), batches.together([0, 1, 2])):
        for methods in (EVERY, [get_method("rollout")]):
            outputs = attribute(model.described, inputs, methods).outputs
            assert torch.equal(outputs["logits"], plain_logits(model, inputs))
            assert not outputs["logits"].requires_grad


def test_gradients_are_the_change_of_the_score_with_the_map(model: Model, batches: Batches) -> None:
    """Central differences along a random direction, for every map, one at a time."""
    inputs, step = batches.alone(0), 1e-5
    found = captured(model, inputs, target=2)
    for site in sites_of(found.schedule):
        direction = torch.randn(found.maps[site].shape, generator=torch.Generator().manual_seed(1)).double()
        ahead, behind = (changed(model, inputs, site, lambda a, sign=sign, way=direction: a + sign * step * way)[0, 2]
                         for sign in (1, -1))
        map_ = found.maps[site]
        slope = (map_.gradient * direction).sum() if map_.has_gradient else torch.tensor(0.0).double()
        torch.testing.assert_close(slope, (ahead - behind) / (2 * step), atol=1e-7, rtol=1e-5)


def test_a_map_matters_to_the_logits_exactly_where_its_site_says_so(model: Model, batches: Batches) -> None:
    inputs = batches.alone(0)
    plain = plain_logits(model, inputs)
    without_head_0 = torch.tensor([0.0, 1.0]).double()[:, None, None]
    for site in sites_of(FAMILY.schedule(model.network.config)):
        logits = changed(model, inputs, site, lambda found: found * without_head_0)
        assert torch.equal(logits, plain) != site.reaches_target, site


def state_of(network: nn.Module) -> tuple:
    return (hook_count(network), torch.is_grad_enabled(), [module.training for module in network.modules()],
            [parameter.requires_grad for parameter in network.parameters()],
            [parameter.grad is None for parameter in network.parameters()])


@pytest.fixture
def odd_state(model: Model):
    """Training mode here and there, and parameters that want gradients: a model in the middle of its training."""
    model.network.train()
    model.network.lxmert.pooler.eval()
    model.network.requires_grad_(True)
    yield
    model.network.eval().requires_grad_(False)


@pytest.mark.usefixtures("odd_state")
@pytest.mark.parametrize("grad_enabled", [True, False])
def test_the_model_is_left_as_it_was(model: Model, batches: Batches, grad_enabled: bool) -> None:
    inputs = batches.alone(0)
    with torch.set_grad_enabled(grad_enabled):
        before = state_of(model.network)
        found = attribute(model.described, inputs, EVERY)
        assert state_of(model.network) == before
    assert all(before[4])
    model.network.eval()
    assert torch.equal(found.outputs["logits"], plain_logits(model, inputs))
    model.network.requires_grad_(False)
    torch.testing.assert_close(found.scores, attribute(model.described, inputs, EVERY).scores, atol=1e-12, rtol=0)


@pytest.mark.usefixtures("odd_state")
@pytest.mark.parametrize("place", ["lxmert.encoder.layer.1", "lxmert.pooler"])
@pytest.mark.parametrize("grad_enabled", [True, False])
def test_the_model_is_left_as_it_was_when_its_forward_fails(model: Model, batches: Batches, place: str,
                                                            grad_enabled: bool) -> None:
    def fail(*_: object) -> None:
        raise ArithmeticError("in the forward")

    with hooked(model.network.get_submodule(place), fail), torch.set_grad_enabled(grad_enabled):
        before = state_of(model.network)
        with pytest.raises(ArithmeticError, match="in the forward"):
            attribute(model.described, batches.alone(0), EVERY)
        assert state_of(model.network) == before


@pytest.mark.usefixtures("odd_state")
def test_the_model_is_left_as_it_was_when_a_module_is_missing(model: Model, batches: Batches) -> None:
    before = state_of(model.network)
    with pytest.raises(CaptureError):
        captured(model, batches.alone(0), described=scheduled(model, (
            *FAMILY.schedule(model.network.config), (Site("lxmert.nowhere", "text", "text"),))))
    assert state_of(model.network) == before


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_scores_are_the_same_where_the_caller_has_switched_gradients_off(
        model: Model, batches: Batches, mode: Callable) -> None:
    inputs = batches.together([0, 1])
    want = attribute(model.described, inputs, EVERY).scores
    with mode():
        found = attribute(model.described, {name: value.clone() for name, value in inputs.items()}, EVERY).scores
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
        assert not torch.is_grad_enabled()
    for method, scores in want.items():
        for stream, values in scores.items():
            assert torch.equal(found[method][stream], values)


def scheduled(model: Model, schedule: Schedule) -> Described:
    return told(model, schedule=lambda config: schedule)


def swapped(model: Model, old: Site, new: Site) -> Described:
    return scheduled(model, tuple(tuple(new if site == old else site for site in step)
                                  for step in FAMILY.schedule(model.network.config)))


def site_at(model: Model, index: int) -> Site:
    return sites_of(FAMILY.schedule(model.network.config))[index]


def refusal(model: Model, inputs: Inputs, described: Described | None = None) -> str:
    with pytest.raises(CaptureError) as caught:
        captured(model, inputs, described=described)
    return str(caught.value)


def test_a_module_that_is_not_there_is_named(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    described = swapped(model, first, replace(first, module="lxmert.encoder.layer.7.attention"))
    assert "LxmertForQuestionAnswering has no module lxmert.encoder.layer.7.attention" in refusal(
        model, batches.alone(0), described)


def test_a_module_is_found_by_any_of_its_names(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    described = swapped(model, first, replace(first, module=f"lxmert.encoder.layer.7.attention|{first.module}"))
    found = captured(model, batches.alone(0), described=described)
    assert torch.equal(next(iter(found.maps.values())).attention,
                       captured(model, batches.alone(0)).maps[first].attention)


def test_a_module_that_has_none_of_its_names_is_named_by_all(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    described = swapped(model, first, replace(first, module="lxmert.new|lxmert.old"))
    assert "has no module lxmert.new or lxmert.old." in refusal(model, batches.alone(0), described)


def test_a_root_of_the_graph_that_is_not_there_is_named(model: Model, batches: Batches) -> None:
    assert "no module lxmert.roots" in refusal(model, batches.alone(0), told(model, roots={"text": "lxmert.roots"}))


def test_an_argument_that_a_root_is_not_given_by_name_is_named(model: Model, batches: Batches) -> None:
    message = refusal(model, batches.alone(0), told(model, roots={**FAMILY.roots, "text": "lxmert.encoder:lang_feats"}))
    assert "lxmert.encoder was not given lang_feats by name, so the graph cannot start there" in message


def test_a_map_that_should_reach_the_target_and_does_not_is_named(model: Model, batches: Batches) -> None:
    last = site_at(model, -3)
    assert not last.reaches_target
    message = refusal(model, batches.alone(0), swapped(model, last, replace(last, reaches_target=True)))
    assert f"No gradient reaches the attention map of {last.module} (call 2)" in message


def test_a_graph_that_starts_behind_a_map_is_an_error_that_names_it(model: Model, batches: Batches) -> None:
    late = told(model, roots={**FAMILY.roots, "text": "lxmert.encoder.layer.0.output"})
    with pytest.raises(CaptureError, match=r"lxmert\.encoder\.layer\.0\.attention"):
        captured(model, batches.alone(0), described=late)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_what_makes_outputs_not_finite_is_said_to(model: Model, batches: Batches, factor: float) -> None:
    site = site_at(model, 1)
    with hooked(model.network.get_submodule(site.module), lambda _module, _inputs, output: output * factor), \
            pytest.raises(CheckpointError, match="The outputs of LxmertForQuestionAnswering are not finite"):
        captured(model, batches.alone(0))


def test_a_map_whose_rows_do_not_sum_to_one_is_named(model: Model, batches: Batches) -> None:
    site = site_at(model, 1)
    with hooked(model.network.get_submodule(site.module), lambda _module, _inputs, output: output * 0.5):
        message = refusal(model, batches.alone(0))
    assert f"The rows of the attention map of {site.module} do not sum to 1" in message


def test_a_call_that_did_not_happen_is_named(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    message = refusal(model, batches.alone(0), swapped(model, first, replace(first, call=1)))
    assert f"No attention map came out of {first.module} (call 2)" in message


def test_a_module_that_gives_no_map_is_named(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    module = first.module.replace("self.dropout", "self.query")
    message = refusal(model, batches.alone(0), swapped(model, first, replace(first, module=module)))
    assert f"{module} gives a map of 3 dimensions" in message


def test_a_map_between_other_streams_than_it_says_is_named(model: Model, batches: Batches) -> None:
    first = site_at(model, 0)
    second = site_at(model, 1)
    message = refusal(model, batches.alone(0), swapped(model, second, replace(second, rows="image", cols="image")))
    assert "tokens where others have" in message
    assert "lxmert.encoder." in message
    assert first.module not in message


class Counter:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.backwards, self._grad = 0, torch.autograd.grad
        monkeypatch.setattr(torch.autograd, "grad", self)

    def __call__(self, *args: object, **options: object) -> tuple:
        self.backwards += 1
        return self._grad(*args, **options)


def rows_of(model: Model, inputs: Inputs, methods: Sequence[Method], target: object = None) -> dict:
    return attribute(model.described, inputs, methods, target, ignore_padding=True).scores


def test_several_targets_of_a_sample_equal_one_at_a_time(model: Model, batches: Batches) -> None:
    inputs = batches.alone(0)
    together = rows_of(model, inputs, EVERY, [2, 0, 1, 0])
    for row, target in enumerate([2, 0, 1, 0]):
        for method, scores in rows_of(model, inputs, EVERY, target).items():
            for stream, values in scores.items():
                torch.testing.assert_close(together[method][stream][row], values[0], atol=1e-12, rtol=0)


@pytest.mark.parametrize(("max_memory", "backwards"), [(None, 1), (1, 4)])
def test_targets_that_do_not_fit_into_memory_take_several_backwards(
        model: Model, batches: Batches, monkeypatch: pytest.MonkeyPatch, max_memory: int | None,
        backwards: int) -> None:
    inputs, targets, methods = batches.alone(0), [2, 0, 1, 0], [get_method("relevance"), get_method("rollout")]
    counter = Counter(monkeypatch)
    found = attribute(model.described, inputs, methods, targets, max_memory=max_memory).scores
    assert counter.backwards == backwards
    whole = attribute(model.described, inputs, methods, targets, max_memory=2**40).scores
    torch.testing.assert_close(found, whole, atol=1e-12, rtol=0)


def test_some_samples_may_have_more_targets_than_others(model: Model, batches: Batches) -> None:
    samples, targets = torch.tensor([1, 0, 1, 1]), torch.tensor([2, 0, 0, 1])

    class Several(ClassesAsked):
        def choose(self, outputs: Outputs, target: object) -> Chosen:
            return Chosen.by(lambda found: found["logits"][samples, targets], outputs, samples, targets=targets)

    asking: Asking = Several(model.family.score, model.asking.subject)
    described, inputs = replace(model.described, asking=asking), batches.together([0, 1])
    together = attribute(described, inputs, EVERY, ignore_padding=True).scores
    chunked = attribute(described, inputs, EVERY, ignore_padding=True, max_memory=1).scores
    torch.testing.assert_close(chunked, together, atol=1e-12, rtol=0)
    for row, (sample, target) in enumerate(zip(samples.tolist(), targets.tolist(), strict=True)):
        alone = rows_of(model, inputs, EVERY, target)
        for method, scores in alone.items():
            for stream, values in scores.items():
                torch.testing.assert_close(together[method][stream][row], values[sample], atol=1e-12, rtol=0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_models_give_finite_float32_scores(tiny_lxmert, model: Model, batches: Batches,
                                                          dtype: str) -> None:
    half = mmx.load(tiny_lxmert, dtype=dtype)
    inputs = {name: value.to(half.network.dtype) if value.is_floating_point() else value
              for name, value in batches.together([0, 1]).items()}
    for scores in rows_of(half, inputs, EVERY, 0).values():
        for values in scores.values():
            assert values.dtype == torch.float32
            assert values.isfinite().all()


@pytest.mark.parametrize(("methods", "target", "backwards"), [
    (WITHOUT_LRP, None, 1), (WITHOUT_LRP, [0, 2, 1], 1), ([get_method("relevance")], 1, 1), (SHARING, None, 4),
    ([method for method in SHARING if not method.knows_target], None, 0),
])
def test_all_methods_share_one_forward_and_one_backward_of_each_kind(
        model: Model, batches: Batches, monkeypatch: pytest.MonkeyPatch, methods: Sequence[Method], target: object,
        backwards: int) -> None:
    counter, in_graph = Counter(monkeypatch), []
    with hooked(model.network, lambda _module, _inputs, output: in_graph.append(
            output.question_answering_score.requires_grad)):
        scores = rows_of(model, batches.alone(0), methods, target)
    assert len(scores) == len(methods) > 0
    assert in_graph == [backwards > 0]
    assert counter.backwards == backwards
