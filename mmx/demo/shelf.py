"""The checkpoints that the page uses: each loaded once, the ones not used for longest dropped as memory fills."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from torch import nn

from mmx.errors import UsageError
from mmx.model import Model, load

MOST_BYTES = 4 * 2**30
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


class Shelf:
    """Opens what is in `names`, and hub ids where they are allowed; nothing else, whatever it is asked for.

    `processors`: by name, the checkpoint whose image processor is used in the place of its own.
    """

    def __init__(self, names: Sequence[str], device: str = "auto", *, allow_hub: bool = False,
                 processors: Mapping[str, str] | None = None, most_bytes: int = MOST_BYTES) -> None:
        self.names, self.allow_hub, self._processors = tuple(names), allow_hub, processors or {}
        self._device, self._most_bytes = device, most_bytes
        self._loaded: OrderedDict[str, Model] = OrderedDict()
        self._lock = Lock()

    def get(self, name: str) -> Model:
        self._check(name)
        with self._lock:
            if name not in self._loaded:
                model = load(name, self._device, processor=self._processors.get(name))
                model.load_all()
                self._loaded[name] = model
                self._make_room()
            self._loaded.move_to_end(name)
            return self._loaded[name]

    @property
    def loaded(self) -> list[str]:
        """The one that was used last comes last."""
        return list(self._loaded)

    def _check(self, name: str) -> None:
        if name in self.names:
            return
        # A hub id that is a folder here as well would be opened as the folder.
        if not self.allow_hub or not isinstance(name, str) or not _HUB_ID.fullmatch(name) or Path(name).exists():
            more = ", or type a hub id, owner/name" if self.allow_hub else ""
            raise UsageError(f"The page has no checkpoint named '{str(name)[:100]}'.",
                             f"Choose one from the list{more}.")

    def _make_room(self) -> None:
        while len(self._loaded) > 1 and sum(map(_size, self._loaded.values())) > self._most_bytes:
            self._loaded.popitem(last=False)


def _size(model: Model) -> int:
    """Bytes of the weights, those of a region detector included."""
    beside = [one for encoder in model.encoders for held in vars(encoder).values()
              for one in getattr(held, "__dict__", {}).values()]
    networks = [model.network, *(one for one in beside if isinstance(one, nn.Module))]
    return sum(weight.nbytes for network in networks for weight in (*network.parameters(), *network.buffers()))
