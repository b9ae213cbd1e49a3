"""How much runs through a model at once: by model and device, not by what is free, since digits depend on it."""

import torch
from torch import nn

from mmx.devices import quarter_of_gpu

_CPU_BYTES = 2 * 2**30
_CPU_VALUES = 800_000  # of the widest activation: a CPU grows slower where its caches are full
_MOST_TOKENS = 65536  # more gains nothing
_MOST_SAMPLES = 64  # a killed run loses as many
_USUAL_SAMPLE = 128  # words and regions
_KEPT_FOR_BACKWARD = 6  # copies of every activation: its function's own, gradient, LRP relevance
_KEPT_FORWARD = 8  # of the widest activation


def tokens_at_once(network: nn.Module, max_memory: int | None = None) -> int:
    """Words and regions that one forward without gradients takes at most."""
    widest = max(max(module.in_features, module.out_features) for module in _linears(network))
    allowed = _memory(network, max_memory) // (_KEPT_FORWARD * widest * _bytes_each(network))
    useful = _MOST_TOKENS if _device(network).type == "cuda" else _CPU_VALUES // widest
    return max(1, min(allowed, useful))


def samples_at_once(network: nn.Module, max_memory: int | None = None) -> int:
    """Samples that one capture, with gradients and LRP, takes at most."""
    each = _USUAL_SAMPLE * sum(module.out_features for module in _linears(network)) * _bytes_each(network)
    return max(1, min(_memory(network, max_memory) // (_KEPT_FOR_BACKWARD * each), _MOST_SAMPLES))


def _memory(network: nn.Module, max_memory: int | None) -> int:
    """Bytes that activations may take: by default a quarter of a GPU, 2 GiB elsewhere."""
    if max_memory is not None:
        return max_memory
    return quarter_of_gpu(_device(network)) or _CPU_BYTES


def _linears(network: nn.Module) -> list[nn.Linear]:
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


def _bytes_each(network: nn.Module) -> int:
    return next(network.parameters()).element_size()


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
