"""Reads of a tensor by the host are found without a GPU."""

import torch

from mmx.bench.syncs import host_syncs
from mmx.capture import Places


def test_a_read_by_the_host_is_found_where_it_is() -> None:
    samples = torch.tensor([0, 0, 1])
    found = host_syncs(lambda: Places(samples))
    [(place, what)] = found
    assert place.startswith("mmx/capture/choice.py:") and place.endswith(" in __init__") and what == "tolist"


def test_what_stays_on_the_device_is_none() -> None:
    samples = torch.tensor([0, 0, 1])
    assert not host_syncs(lambda: samples + samples[samples])
