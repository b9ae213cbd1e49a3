"""Rules against the paper's equations as dense matrices (tests/dense_oracle.py), in float64."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from dense_oracle import dense_fuse, dense_row_normalize, dense_start, dense_walk
from torch import Tensor

from mmx.capture import AttentionMap, Folded, Readout, Shares
from mmx.rules import Relevance, fuse_heads, propagate, row_normalize
from mmx.schedule import Link, Schedule, Site, from_layers, links_of, made_of, reached, sites_of

SIZES = {"text": 4, "image": 5, "query": 3}
Fused = dict[Site, Tensor]


def schedule_of(*steps: str) -> Schedule:
    """Steps as "text<image image<text": sites with rows before `<` and cols after."""
    return tuple(tuple(Site(f"step{i}.{pair}", *pair.split("<")) for pair in step.split())
                 for i, step in enumerate(steps))


def random_schedule(seed: int) -> Schedule:
    generator = torch.Generator().manual_seed(seed)
    pairs = [f"{rows}<{cols}" for rows in SIZES for cols in SIZES]
    picks = [torch.randperm(len(pairs), generator=generator)[:1 + i % 4].tolist() for i in range(7)]
    return schedule_of(*(" ".join(pairs[i] for i in pick) for pick in picks))


LXMERT = schedule_of("text<text", "text<text", "image<image", "text<image image<text", "text<text image<image",
                     "text<image image<text", "text<text image<image")
DETR = schedule_of("image<image", "image<image", "image<image", *("query<query", "query<image") * 3)
THREE = schedule_of("text<text", "image<image", "text<image image<text", "query<text", "query<query text<text",
                    "query<image image<query", "query<image", "text<query", "image<image")
SELF_AND_CROSS_IN_ONE_STEP = schedule_of("text<text", "text<text text<image image<text", "image<image text<image",
                                         "text<text image<text text<image")
CROSS_FIRST = schedule_of("text<image", "text<image image<text", "text<text")
SCHEDULES = {"lxmert": LXMERT, "detr": DETR, "three streams": THREE, "mixed step": SELF_AND_CROSS_IN_ONE_STEP,
             "cross first": CROSS_FIRST, **{f"random {seed}": random_schedule(seed) for seed in range(6)}}


def walked(schedule: Schedule, fused: Fused, sizes: dict[str, int], **options: Any) -> Relevance:
    """`propagate` of whole matrices, each as an attention map of a single head."""
    return propagate(schedule, {site: Folded(AttentionMap.of(values[:, None]), lambda block: block.attention[:, 0],
                                             keep=False) for site, values in fused.items()}, sizes, **options)


def random_fused(schedule: Schedule, batch: int = 2, seed: int = 0, zero_rows: bool = True) -> Fused:
    """Non-negative maps; by default token 1 of each stream never attends within it, so that R - I has a zero row."""
    generator = torch.Generator().manual_seed(seed)
    fused = {}
    for site in sites_of(schedule):
        fused[site] = torch.rand(batch, SIZES[site.rows], SIZES[site.cols], generator=generator, dtype=torch.float64)
        fused[site] = (fused[site] - 0.3).clamp(min=0) * 0.3
        if zero_rows and site.is_self:
            fused[site][:, 1] = 0
    return fused


def matrix(state: Relevance, rows: str, cols: str, batch: int) -> Tensor:
    """All of R[rows, cols], read row by row, (batch, rows, cols)."""
    return torch.stack([state.rows(Readout(rows, torch.full((batch,), index)), torch.float64)[cols]
                        for index in range(SIZES[rows])], dim=1)


@pytest.mark.parametrize("self_in_cross", [True, False], ids=["eq 10", "no self in eq 10"])
@pytest.mark.parametrize("normalize", [True, False], ids=["normalized", "not normalized"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_every_row_equals_the_dense_equations(name: str, normalize: bool, self_in_cross: bool) -> None:
    schedule = SCHEDULES[name]
    fused = random_fused(schedule)
    state = walked(schedule, fused, SIZES, normalize=normalize, self_in_cross=self_in_cross)
    for sample in range(2):
        one = {site: values[sample] for site, values in fused.items()}
        dense = dense_walk(schedule, one, SIZES, normalize=normalize, self_in_cross=self_in_cross)
        for (rows, cols), want in dense.items():
            torch.testing.assert_close(matrix(state, rows, cols, 2)[sample], want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", ["detr", "lxmert"])
@pytest.mark.parametrize("padded", [False, True], ids=["all tokens count", "the silent token is padding"])
def test_a_row_that_is_0_over_0_drops_the_whole_addition_where_it_is_asked_for(name: str, padded: bool) -> None:
    """Of the first sample alone: the second has no silent token."""
    schedule = SCHEDULES[name]
    silent, loud = random_fused(schedule), random_fused(schedule, zero_rows=False, seed=3)
    fused = {site: torch.stack([silent[site][0], loud[site][1]]) for site in silent}
    valid = {stream: (torch.arange(size) != 1).expand(2, -1) if padded else torch.ones(2, size, dtype=torch.bool)
             for stream, size in SIZES.items()}
    state = walked(schedule, fused, SIZES, drop_undefined=valid)
    for sample in range(2):
        dense = dense_walk(schedule, {site: values[sample] for site, values in fused.items()}, SIZES,
                           undefined_drops={stream: mask[sample] for stream, mask in valid.items()})
        for (rows, cols), want in dense.items():
            torch.testing.assert_close(matrix(state, rows, cols, 2)[sample], want, atol=1e-12, rtol=0)


INTO = torch.tensor([[0, 0, 1, 2, -1]])
MERGE = Link("query", "image", lambda _network, _inputs: INTO)
MERGE_AGAIN = Link("text", "query", lambda _network, _inputs: torch.tensor([[3, 0, 3]]))
LINKED = {
    "a link": (*schedule_of("image<image", "image<image"), MERGE, *schedule_of("query<query", "query<query")),
    "what attended before": (*schedule_of("text<text", "image<text text<image", "image<image"), MERGE,
                             *schedule_of("query<query")),
    "a link at once": (MERGE, *schedule_of("query<query")),
    "a link after a link": (*schedule_of("image<image"), MERGE, *schedule_of("query<query"), MERGE_AGAIN,
                            *schedule_of("text<text", "text<text"))}


def dense_shares(into: Tensor, rows: int) -> Tensor:
    """Row by row, an equal part of one for each token that it is made of."""
    matrix = torch.zeros(rows, len(into), dtype=torch.float64)
    for row in range(rows):
        parts = [token for token, one in enumerate(into.tolist()) if one == row]
        for token in parts:
            matrix[row, token] = 1 / len(parts)
    return matrix


def shares(schedule: Schedule) -> dict[Link, Shares]:
    return {link: Shares(link.into(None, {}), SIZES[link.rows], torch.float64) for link in links_of(schedule)}


def test_the_matrix_of_a_link_is_the_dense_one() -> None:
    for into, rows in ((torch.tensor([[0, 0, 1, 2, -1], [3, -1, 0, 3, 3]]), 4), (INTO, 3)):
        found, want = Shares(into, rows, torch.float64), torch.stack([dense_shares(one, rows) for one in into])
        left, right = torch.randn(2, 6, rows).double(), torch.randn(2, 5, 6).double()
        assert found.shape == want.shape
        torch.testing.assert_close(found.dense(), want, atol=1e-15, rtol=0)
        torch.testing.assert_close(found.sums(), want.sum(dim=-1), atol=1e-15, rtol=0)
        torch.testing.assert_close(found.rows_times(left), left @ want, atol=1e-14, rtol=0)
        torch.testing.assert_close(found.times(right), want @ right, atol=1e-14, rtol=0)
        index = torch.tensor([2, 0])
        torch.testing.assert_close(found.rows_at(index), want.expand(2, -1, -1)[range(2), index], atol=1e-15, rtol=0)


@pytest.mark.parametrize("name", LINKED)
def test_relevance_over_links_is_that_of_whole_matrices(name: str) -> None:
    schedule = LINKED[name]
    fused = random_fused(schedule)
    state = walked(schedule, fused, SIZES, links=shares(schedule))
    dense = [dense_walk(schedule, {site: values[sample] for site, values in fused.items()}, SIZES,
                        links={link: dense_shares(link.into(None, {})[0], SIZES[link.rows])
                               for link in links_of(schedule)}) for sample in range(2)]
    last = links_of(schedule)[-1].rows
    for index in range(SIZES[last]):
        found = state.rows(Readout(last, torch.full((2,), index)), torch.float64)
        assert found.keys() == SIZES.keys()
        for cols, rows in found.items():
            want = torch.stack([one[last, cols][index] for one in dense])
            torch.testing.assert_close(rows, want, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", LINKED)
def test_a_readout_may_leave_out_what_each_token_has_of_itself(name: str) -> None:
    """R, without what it is where no token attends to any."""
    schedule, weights = LINKED[name], torch.rand(4, dtype=torch.float64)
    last, fused = links_of(schedule)[-1].rows, random_fused(schedule)
    readout = Readout(last, torch.zeros(2, dtype=torch.long), weights[:SIZES[last]])
    whole, alone = (walked(schedule, maps, SIZES, links=shares(schedule)).rows(readout, torch.float64)
                    for maps in (fused, {}))
    found = walked(schedule, fused, SIZES, links=shares(schedule)).rows(replace(readout, omits_identity=True),
                                                                       torch.float64)
    for cols, rows in found.items():
        torch.testing.assert_close(rows, whole[cols] - alone[cols].expand_as(rows), atol=1e-12, rtol=0)


def test_what_attends_to_merged_tokens_goes_on_to_what_they_are_made_of() -> None:
    schedule = (*schedule_of("image<image"), MERGE, *schedule_of("query<query", "text<query"))
    fused = random_fused(schedule)
    dense = [dense_walk(schedule, {site: values[sample] for site, values in fused.items()}, SIZES,
                        links={MERGE: dense_shares(INTO[0], 3)}) for sample in range(2)]
    found = walked(schedule, fused, SIZES, links=shares(schedule)).rows(Readout("text", torch.tensor([2, 0])),
                                                                        torch.float64)
    for sample, index in enumerate((2, 0)):
        merged = dense[sample]["text", "query"][index]
        torch.testing.assert_close(found["query"][sample], merged, atol=1e-12, rtol=0)
        torch.testing.assert_close(found["image"][sample], merged @ dense_shares(INTO[0], 3) @
                                   dense[sample]["image", "image"], atol=1e-12, rtol=0)


def test_what_a_stream_reaches_is_what_it_attends_to_and_what_that_is_made_of() -> None:
    assert reached(LINKED["what attended before"], "query") == ("query", "image", "text")
    assert reached(LINKED["a link after a link"], "text") == ("text", "query", "image")
    assert reached(LINKED["a link after a link"], "query") == ("query", "image")
    assert reached(LXMERT, "text") == ("text", "image")
    assert reached(DETR, "image") == ("image",)


def test_what_a_stream_is_made_of_is_over_links_alone() -> None:
    assert made_of(LINKED["a link after a link"], "text") == ("query", "image")
    assert made_of(LINKED["what attended before"], "query") == ("image",)
    assert made_of((*LINKED["a link"], *schedule_of("text<query")), "text") == ()


def test_links_stay_where_layers_are_left_out() -> None:
    schedule = LINKED["a link after a link"]
    assert from_layers(schedule, {"image": 1, "query": -1}) == schedule[1:]


def test_samples_read_rows_of_their_own() -> None:
    fused = random_fused(LXMERT)
    state = walked(LXMERT, fused, SIZES)
    whole = matrix(state, "text", "image", 2)
    found = state.rows(Readout("text", torch.tensor([3, 1])), torch.float64)["image"]
    torch.testing.assert_close(found, torch.stack([whole[0, 3], whole[1, 1]]), atol=1e-15, rtol=0)


@pytest.mark.parametrize("cols", SIZES)
def test_a_readout_by_weights_is_that_mean_of_the_rows(cols: str) -> None:
    fused, weights = random_fused(THREE), torch.tensor([0.5, 0.0, 0.3, 0.2], dtype=torch.float64)
    state = walked(THREE, fused, SIZES)
    found = state.rows(Readout("text", torch.zeros(2, dtype=torch.long), weights), torch.float64)[cols]
    want = sum(weight * row for weight, row in zip(weights, matrix(state, "text", cols, 2).unbind(1), strict=True))
    torch.testing.assert_close(found, want, atol=1e-14, rtol=0)


@pytest.mark.parametrize("fused", [random_fused(LXMERT), {}], ids=["maps", "no maps"])
def test_a_readout_without_the_identity_is_that_row_of_r_minus_i(fused: Fused) -> None:
    """Of each item by weights of its own."""
    weights = torch.tensor([[0.5, 0, 0.5, 0], [0, 0.25, 0, 0.75]], dtype=torch.float64)
    state = walked(LXMERT, fused, SIZES)
    found = state.rows(Readout("text", torch.tensor([2, 3]), weights, omits_identity=True), torch.float64)["text"]
    whole = matrix(state, "text", "text", 2) - torch.eye(SIZES["text"], dtype=torch.float64)
    torch.testing.assert_close(found, (weights.unsqueeze(1) @ whole).squeeze(1), atol=1e-14, rtol=0)


def test_a_readout_takes_the_same_of_a_matrix_as_its_unit_row() -> None:
    matrices = random_fused(LXMERT, batch=2)[LXMERT[0][0]]
    for readout in (Readout("text", torch.tensor([3, 1])),
                    Readout("text", torch.tensor([0, 0]), torch.tensor([0.1, 0.2, 0.3, 0.4]))):
        want = (readout.unit(SIZES["text"], torch.float64) @ matrices).squeeze(1)
        torch.testing.assert_close(readout.take(matrices), want, atol=1e-15, rtol=0)


@pytest.mark.parametrize("fused", [{site: values * 0 for site, values in random_fused(LXMERT).items()}, {}],
                         ids=["zero maps", "no maps"])
def test_without_gradient_relevance_stays_the_identity(fused: Fused) -> None:
    state = walked(LXMERT, fused, SIZES)
    for (rows, cols), want in dense_start(SIZES).items():
        assert torch.equal(matrix(state, rows, cols, 2), want.expand(2, -1, -1))


def test_a_site_that_is_absent_adds_nothing() -> None:
    fused = random_fused(LXMERT)
    absent = LXMERT[-1][1]
    without = walked(LXMERT, {site: values for site, values in fused.items() if site != absent}, SIZES)
    zeroed = walked(LXMERT, {**fused, absent: fused[absent] * 0}, SIZES)
    for rows, cols in dense_start(SIZES):
        torch.testing.assert_close(matrix(without, rows, cols, 2), matrix(zeroed, rows, cols, 2), atol=1e-15, rtol=0)


@pytest.mark.parametrize("name", ["lxmert", "detr", "mixed step"])
def test_a_batch_of_three_equals_three_singles(name: str) -> None:
    schedule = SCHEDULES[name]
    fused = random_fused(schedule, batch=3)
    together = walked(schedule, fused, SIZES)
    for sample in range(3):
        alone = walked(schedule, {site: values[sample:sample + 1] for site, values in fused.items()}, SIZES)
        for rows, cols in dense_start(SIZES):
            torch.testing.assert_close(matrix(together, rows, cols, 3)[sample], matrix(alone, rows, cols, 1)[0],
                                       atol=1e-14, rtol=0)


def test_permuting_the_image_tokens_permutes_the_relevance() -> None:
    fused = random_fused(LXMERT, zero_rows=False)
    order = torch.tensor([3, 0, 4, 1, 2])
    permuted = {site: values[:, order] if site.rows == "image" else values for site, values in fused.items()}
    permuted = {site: values[..., order] if site.cols == "image" else values for site, values in permuted.items()}
    before, after = walked(LXMERT, fused, SIZES), walked(LXMERT, permuted, SIZES)
    torch.testing.assert_close(matrix(after, "text", "image", 2), matrix(before, "text", "image", 2)[..., order],
                               atol=1e-14, rtol=0)
    torch.testing.assert_close(matrix(after, "image", "text", 2), matrix(before, "image", "text", 2)[:, order],
                               atol=1e-14, rtol=0)
    torch.testing.assert_close(matrix(after, "text", "text", 2), matrix(before, "text", "text", 2), atol=1e-14, rtol=0)


@pytest.mark.parametrize(("dtype", "tiny"), [(torch.float64, 1e-20), (torch.float32, 1e-20), (torch.float64, 1e-300)])
def test_tiny_self_relevance_survives_the_normalisation(dtype: torch.dtype, tiny: float) -> None:
    schedule = schedule_of("text<text", "image<image", "text<image")
    (own,), (other,), (cross,) = schedule
    fused = random_fused(schedule, batch=1)
    state = walked(schedule, {own: (fused[own] * tiny).to(dtype), other: (fused[other] * tiny).to(dtype),
                                 cross: fused[cross].to(dtype)}, SIZES)
    left, right = (dense_row_normalize(fused[site][0]) + torch.eye(SIZES[site.rows]) for site in (own, other))
    found = torch.stack([state.rows(Readout("text", torch.tensor([i])), dtype)["image"][0]
                         for i in range(SIZES["text"])])
    torch.testing.assert_close(found.double(), left.T @ fused[cross][0] @ right, atol=1e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relevance_is_finite_where_the_row_sums_have_no_finite_inverse(dtype: torch.dtype) -> None:
    schedule = schedule_of("text<text", "image<image", "text<image")
    (own,), (other,), _ = schedule
    fused = {site: values.to(dtype) for site, values in random_fused(schedule, batch=1).items()}
    smallest = torch.finfo(dtype).smallest_normal / 8
    state = walked(schedule, {**fused, own: fused[own] * smallest, other: fused[other] * smallest}, SIZES)
    for index in range(SIZES["text"]):
        assert state.rows(Readout("text", torch.tensor([index])), dtype)["image"].isfinite().all()


def test_fuse_heads_is_equation_5_entry_by_entry() -> None:
    torch.manual_seed(0)
    attention = torch.rand(2, 3, 4, 5, dtype=torch.float64).softmax(-1)
    gradient = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    before = attention.clone(), gradient.clone()
    found = fuse_heads(attention, gradient)
    for sample in range(2):
        torch.testing.assert_close(found[sample], dense_fuse(attention[sample], gradient[sample]), atol=1e-15, rtol=0)
    assert torch.equal(attention, before[0])
    assert torch.equal(gradient, before[1])


def test_row_normalize_divides_rows_by_their_sums_and_leaves_zero_rows() -> None:
    matrix = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[0.0, 2.0], [5.0, 5.0]]])
    assert torch.equal(row_normalize(matrix), torch.tensor([[[0.25, 0.75], [0, 0]], [[0, 1.0], [0.5, 0.5]]]))
