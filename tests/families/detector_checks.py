"""What detectors' tests ask of a class's own eager forward."""

from family_checks import Inputs, own_forward
from torch import Tensor

from mmx.model import Model
from mmx.schedule import Site, sites_of


def stock(model: Model, inputs: Inputs) -> tuple[Tensor, dict[Site, Tensor]]:
    """Logits and maps of the class's own eager forward, in the graph."""
    found = own_forward(model, inputs)
    maps = found.attentions if "attentions" in found else [*found.encoder_attentions, *(
        map_ for both in zip(found.decoder_attentions, found.cross_attentions, strict=True) for map_ in both)]
    return found.logits, dict(zip(sites_of(model.family.schedule(model.network.config)), maps, strict=True))


def sizes_of(maps: dict[Site, Tensor]) -> dict[str, int]:
    return {stream: size for site, map_ in maps.items()
            for stream, size in ((site.rows, map_.shape[2]), (site.cols, map_.shape[3]))}


def read(maps: dict[Site, Tensor], matrices: dict[tuple[str, str], Tensor], query: int, queries: int) -> Tensor:
    """The query's row over the picture; of one stream, its token stands among the last, after [CLS] and patches."""
    if ("query", "image") in matrices:
        return matrices["query", "image"][query]
    return matrices["image", "image"][query - queries][1:-queries]
