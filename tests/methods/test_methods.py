"""Each method on captures made by hand, against the same method as dense matrices."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from defined_methods import methods_of_maps
from dense_oracle import Matrices, dense_fuse, dense_row_normalize, dense_start, dense_walk
from torch import Tensor

from mmx.capture import AttentionMap, Capture, Readout
from mmx.methods import get_method
from mmx.reference import Reference
from mmx.schedule import Schedule, Site, sites_of

SIZES = {"text": 4, "image": 5, "query": 3}
ITEMS = 2


def within(stream: str, number: int, reaches_target: bool = True) -> Site:
    return Site(f"{stream}.{number}", stream, stream, reaches_target=reaches_target)


T0, T1, T2, T3 = (within("text", i) for i in range(4))
V0, V1, V2 = within("image", 0), within("image", 1), within("image", 2, reaches_target=False)
TV0, VT0 = Site("cross.0", "text", "image"), Site("cross.0", "image", "text", call=1)
TV1, VT1 = Site("cross.1", "text", "image"), Site("cross.1", "image", "text", call=1, reaches_target=False)
LXMERT: Schedule = ((T0,), (T1,), (V0,), (TV0, VT0), (T2, V1), (TV1, VT1), (T3, V2))

Q0, Q1 = within("query", 0), within("query", 1)
QV0, QV1 = Site("across.0", "query", "image"), Site("across.1", "query", "image")
DETR: Schedule = ((V0,), (V1,), (Q0,), (QV0,), (Q1,), (QV1,))

READOUTS = (Readout("text", torch.tensor([0, 2])), Readout("image", torch.tensor([3, 1])))


def made_capture(schedule: Schedule, readouts: tuple[Readout, ...], seed: int = 0) -> Capture:
    """Random softmax maps with signed gradients; the last token of the last item is padding in each stream."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {site: (ITEMS, 3, SIZES[site.rows], SIZES[site.cols]) for site in sites_of(schedule)}
    attention = {site: torch.randn(shape, generator=generator, dtype=torch.float64).softmax(-1)
                 for site, shape in shapes.items()}
    gradient = {site: torch.randn(shape, generator=generator, dtype=torch.float64)
                for site, shape in shapes.items() if site.reaches_target}
    lrp = {site: torch.randn(attention[site].shape, generator=generator, dtype=torch.float64) for site in gradient}
    streams = {site.rows for site in shapes}
    return Capture(schedule, readouts, {stream: size for stream, size in SIZES.items() if stream in streams},
                   {stream: torch.arange(SIZES[stream]) < torch.tensor([[SIZES[stream]], [SIZES[stream] - 1]])
                    for stream in streams},
                   maps_of(attention, gradient, lrp), seeds=[7, 8])


def maps_of(attention: dict[Site, Tensor], gradient: dict[Site, Tensor],
            lrp: dict[Site, Tensor]) -> dict[Site, AttentionMap]:
    return {site: AttentionMap.of(values, gradient.get(site), lrp.get(site)) for site, values in attention.items()}


def attention_of(capture: Capture) -> dict[Site, Tensor]:
    return {site: map_.attention for site, map_ in capture.maps.items()}


def gradient_of(capture: Capture) -> dict[Site, Tensor]:
    return {site: map_.gradient for site, map_ in capture.maps.items() if map_.has_gradient}


def lrp_of(capture: Capture) -> dict[Site, Tensor]:
    return {site: map_.relevance for site, map_ in capture.maps.items() if map_.has_relevance}


CAPTURES = {"lxmert": made_capture(LXMERT, READOUTS),
            "detr": made_capture(DETR, (Readout("query", torch.tensor([2, 1])),))}

OF_MAPS = [method.name for method in methods_of_maps()]


def check(method: str, capture: Capture, dense: Callable[[int], Matrices]) -> None:
    """Rows of `method` against the matrices that `dense` makes of one item."""
    found = get_method(method).rows(capture)
    assert set(found) == {(readout.stream, cols) for readout in capture.readouts for cols in capture.sizes}
    for item in range(ITEMS):
        want = dense(item)
        for readout in capture.readouts:
            for cols in capture.sizes:
                torch.testing.assert_close(found[readout.stream, cols][item],
                                           want[readout.stream, cols][readout.index[item]], atol=1e-12, rtol=0)


def fused_of(capture: Capture, item: int,
             weigh: Callable[[Capture], dict[Site, Tensor]] = attention_of) -> dict[Site, Tensor]:
    return {site: dense_fuse(weigh(capture)[site][item], gradient[item])
            for site, gradient in gradient_of(capture).items()}


@pytest.mark.parametrize("family", CAPTURES)
@pytest.mark.parametrize(("method", "rules"), [
    ("relevance", {}), ("relevance-no-norm", {"normalize": False}),
    ("ablation-no-self-in-10", {"self_in_cross": False}),
])
def test_relevance_and_its_variants_walk_the_equations(family: str, method: str, rules: dict[str, bool]) -> None:
    capture = CAPTURES[family]
    check(method, capture, lambda item: dense_walk(capture.schedule, fused_of(capture, item), capture.sizes, **rules))


@pytest.mark.parametrize("method", OF_MAPS)
def test_a_readout_without_the_identity_is_that_of_r_minus_i(method: str) -> None:
    """Of what starts from R = I; nothing else changes."""
    weights = torch.zeros(ITEMS, SIZES["text"], dtype=torch.float64)
    weights[0, 1], weights[1, 0], weights[1, 2] = 1, 0.25, 0.75
    plain = Readout("text", torch.tensor([1, 2]), weights)
    whole, less = (get_method(method).rows(made_capture(LXMERT, (one, READOUTS[1])))
                   for one in (plain, replace(plain, omits_identity=True)))
    begins = method in ("relevance", "relevance-no-norm", "relevance-lrp", "relevance-lrp-no-norm",
                        "ablation-no-self-in-10", "transformer-attribution")
    assert whole.keys() == less.keys()
    for key, rows in whole.items():
        expected = rows - weights if begins and key == ("text", "text") else rows
        torch.testing.assert_close(less[key], expected, atol=1e-14, rtol=0)


@pytest.mark.parametrize("family", CAPTURES)
@pytest.mark.parametrize(("method", "rules"), [("relevance-lrp", {}), ("relevance-lrp-no-norm", {"normalize": False})])
def test_relevance_with_lrp_walks_the_same_equations(family: str, method: str, rules: dict[str, bool]) -> None:
    capture = CAPTURES[family]
    check(method, capture,
          lambda item: dense_walk(capture.schedule, fused_of(capture, item, lrp_of), capture.sizes, **rules))


@pytest.mark.parametrize(("name", "reference_name"), [("relevance", "ours_no_lrp"), ("relevance-lrp", "ours_with_lrp")])
def test_undefined_layers_are_dropped_under_the_references_names_alone(name: str, reference_name: str) -> None:
    """DETR's query 1 has no relevance to itself in its only self-attention, which leaves 0/0 in eq. 8."""
    made = made_capture(((V0,), (Q0,), (QV0,)), (Readout("query", torch.tensor([2, 1])),))
    gradient = {site: values.abs() for site, values in gradient_of(made).items()}
    gradient[Q0][:, :, 1] = 0
    traits = Reference(drops_undefined_layers=True)
    maps = maps_of(attention_of(made), gradient, attention_of(made))
    capture = replace(made, maps=maps, reference=traits)
    sound, dropped = (get_method(one).rows(capture)["query", "image"] for one in (name, reference_name))
    assert (sound > 0).all()
    # The last item's token 2 is padding, its token 1 counts: the layer is dropped for both.
    assert not dropped.any()
    elsewhere = get_method(reference_name).rows(replace(capture, reference=Reference()))["query", "image"]
    assert torch.equal(elsewhere, sound)


def replacing_walk(schedule: Schedule, fused: dict[Site, Tensor], sizes: dict[str, int]) -> Matrices:
    """Eq. 6, 7, 10, 11 with = for +=, and no N; eq. 11 is there only between streams that attend to each other."""
    relevance = dense_start(sizes)
    pairs = {(site.rows, site.cols) for site in sites_of(schedule)}
    for step in schedule:
        old = dict(relevance)
        for site in step:
            s, q = site.rows, site.cols
            if site not in fused:
                continue
            if s == q:
                relevance |= {(s, y): fused[site] @ old[s, y] for y in sizes}
            else:
                relevance[s, q] = old[s, s].T @ fused[site] @ old[q, q]
                if (q, s) in pairs:
                    relevance[s, s] = fused[site] @ old[q, s]
    return relevance


@pytest.mark.parametrize("family", CAPTURES)
def test_without_aggregation_every_update_replaces(family: str) -> None:
    capture = CAPTURES[family]
    check("ablation-no-aggregation", capture,
          lambda item: replacing_walk(capture.schedule, fused_of(capture, item), dict(capture.sizes)))


def test_without_aggregation_lxmert_loses_a_modality() -> None:
    """As in the reference: zero image relevance for an even number of cross layers, zero text for an odd one."""
    even, odd = CAPTURES["lxmert"], made_capture(((T0,), (V0,), (TV0, VT0), (T1, V1)), READOUTS)
    method = get_method("ablation-no-aggregation")
    assert not method.rows(even)["text", "image"].any()
    assert method.rows(even)["text", "text"].any()
    assert not method.rows(odd)["text", "text"].any()
    assert method.rows(odd)["text", "image"].any()


LAST_MAPS = {"lxmert": {("text", "text"): T3, ("text", "image"): TV1, ("image", "image"): V2, ("image", "text"): VT1},
             "detr": {("query", "query"): Q1, ("query", "image"): QV1}}


@pytest.mark.parametrize("family", CAPTURES)
def test_raw_attention_is_the_head_mean_of_the_last_map(family: str) -> None:
    capture = CAPTURES[family]

    def dense(item: int) -> Matrices:
        return {pair: sum(head / 3 for head in capture.maps[site].attention[item])
                for pair, site in LAST_MAPS[family].items()}

    check("raw-attention", capture, dense)


def test_partial_lrp_is_the_head_mean_of_the_last_maps_relevance() -> None:
    capture = CAPTURES["detr"]

    def dense(item: int) -> Matrices:
        return {pair: sum(head / 3 for head in capture.maps[site].relevance[item])
                for pair, site in LAST_MAPS["detr"].items()}

    check("partial-lrp", capture, dense)


def test_transformer_attribution_multiplies_one_stream_and_takes_the_last_cross_map() -> None:
    capture = CAPTURES["detr"]

    def dense(item: int) -> Matrices:
        fused = fused_of(capture, item, lrp_of)
        identity = torch.eye(SIZES["query"], dtype=torch.float64)
        return {("query", "query"): (identity + fused[Q1]) @ (identity + fused[Q0]), ("query", "image"): fused[QV1]}

    check("transformer-attribution", capture, dense)


@pytest.mark.parametrize("family", CAPTURES)
def test_attention_gradcam_weighs_heads_by_the_mean_gradient_over_counted_tokens(family: str) -> None:
    capture = CAPTURES[family]

    def dense(item: int) -> Matrices:
        maps = {}
        for (rows, cols), site in LAST_MAPS[family].items():
            attention = capture.maps[site].attention[item]
            if not capture.maps[site].has_gradient:
                maps[rows, cols] = torch.zeros_like(attention[0])
                continue
            entries = int(capture.valid[rows][item].sum()) * int(capture.valid[cols][item].sum())
            weights = [float(capture.maps[site].gradient[item, head].sum()) / entries for head in range(3)]
            mean = sum(weight * head for weight, head in zip(weights, attention, strict=True)) / 3
            maps[rows, cols] = torch.where(mean > 0, mean, 0.0)
        return maps

    check("attention-gradcam", capture, dense)


# Per pair of streams: own layers before the last cross map, that map, and the other stream's layers before it.
ROLLED = {"lxmert": {("text", "image"): ((T0, T1, T2), TV1, (V0, V1)), ("image", "text"): ((V0, V1), VT1, (T0, T1, T2)),
                     ("text", "text"): ((T0, T1, T2, T3),), ("image", "image"): ((V0, V1, V2),)},
          "detr": {("query", "image"): ((Q0, Q1), QV1, (V0, V1)), ("query", "query"): ((Q0, Q1),)}}


@pytest.mark.parametrize("family", CAPTURES)
def test_rollout_multiplies_normalised_layers_and_stops_before_the_last_cross_map(family: str) -> None:
    capture = CAPTURES[family]

    def dense(item: int) -> Matrices:
        def rolled(sites: tuple[Site, ...]) -> Tensor:
            product = torch.eye(SIZES[sites[0].rows], dtype=torch.float64)
            for site in sites:
                layer = capture.maps[site].attention[item].mean(dim=0) + torch.eye(len(product))
                product = dense_row_normalize(layer) @ product
            return product

        def across(own: tuple[Site, ...], site: Site, other: tuple[Site, ...]) -> Tensor:
            return rolled(own).T @ capture.maps[site].attention[item].mean(dim=0) @ rolled(other)

        return {pair: rolled(*parts) if len(parts) == 1 else across(*parts) for pair, parts in ROLLED[family].items()}

    check("rollout", capture, dense)


def test_rollout_keeps_the_row_sums_where_the_family_has_it_so() -> None:
    """Without cross-attention that is a power of two, and nothing else."""
    readouts = (Readout("text", torch.tensor([0, 2])),)
    capture = made_capture(((T0,), (T1,), (T2,)), readouts)
    plain, summed = (get_method("rollout").rows(replace(capture, reference=traits))["text", "text"]
                     for traits in (Reference(), Reference(rollout_normalizes=False)))
    torch.testing.assert_close(summed, plain * 2**3, atol=1e-12, rtol=0)


def test_random_is_drawn_from_an_items_seed_and_row_alone_and_gives_padding_nothing() -> None:
    capture = CAPTURES["lxmert"]
    whole = get_method("random").rows(capture)
    turned = get_method("random").rows(replace(
        capture, seeds=capture.seeds[::-1], valid={stream: mask.flip(0) for stream, mask in capture.valid.items()},
        readouts=tuple(replace(readout, index=readout.index.flip(0)) for readout in capture.readouts)))
    other = get_method("random").rows(replace(capture, seeds=[1, 2]))
    for pair, rows in whole.items():
        assert rows.min() >= 0
        assert rows.max() < 1
        assert torch.equal(rows > 0, capture.valid[pair[1]])
        assert torch.equal(rows.flip(0), turned[pair])
        assert not torch.equal(rows, other[pair])
    assert not torch.equal(whole["text", "text"], whole["text", "image"][:, :4])


def test_random_differs_between_the_objects_of_a_picture() -> None:
    capture = CAPTURES["detr"]
    [readout] = capture.readouts
    assert readout.index[0] != readout.index[1]
    valid = {stream: torch.ones_like(mask) for stream, mask in capture.valid.items()}
    drawn = get_method("random").rows(replace(capture, valid=valid, seeds=[7, 7]))
    assert not torch.equal(*drawn["query", "image"])


@pytest.mark.parametrize("method", OF_MAPS)
@pytest.mark.parametrize("family", CAPTURES)
@pytest.mark.parametrize("scale", [1.0, 0.0], ids=["some gradient", "zero gradient"])
def test_every_method_gives_finite_rows_of_every_readout(method: str, family: str, scale: float) -> None:
    capture = CAPTURES[family]
    gradient, lrp = ({site: values * scale for site, values in read(capture).items()} for read in (gradient_of, lrp_of))
    capture = replace(capture, maps=maps_of(attention_of(capture), gradient, lrp))
    rows = get_method(method).rows(capture)
    for readout in capture.readouts:
        for cols, size in capture.sizes.items():
            assert rows[readout.stream, cols].shape == (ITEMS, size)
            assert rows[readout.stream, cols].isfinite().all()


@pytest.mark.parametrize("name", OF_MAPS)
def test_a_method_reads_only_what_it_asks_for(name: str) -> None:
    method = get_method(name)
    for capture in CAPTURES.values():
        streams = [readout.stream for readout in capture.readouts]
        gradient, lrp = ({site: values for site, values in read(capture).items()
                          if site in method.sites(need, capture.schedule, streams)}
                         for need, read in (("gradient", gradient_of), ("lrp", lrp_of)))
        given = replace(capture, maps=maps_of(attention_of(capture), gradient, lrp))
        whole, part = method.rows(capture), method.rows(given)
        assert all(torch.equal(whole[pair], part[pair]) for pair in whole)


def test_methods_that_read_the_last_maps_ask_for_no_other() -> None:
    assert get_method("attention-gradcam").sites("gradient", LXMERT, ["text"]) == (T3, TV1)
    assert get_method("partial-lrp").sites("lrp", LXMERT, ["text"]) == (T3, TV1)
    assert get_method("raw-attention").sites("gradient", LXMERT, ["text"]) == ()
    assert get_method("relevance").sites("gradient", DETR, ["query"]) == sites_of(DETR)
    assert get_method("relevance").sites("lrp", DETR, ["query"]) == ()
