"""mmx: why did this vision-language transformer answer that?

`mmx.load(name)` gives a model with `.explain(image, question=...)` and `.attribute(inputs, method=...)`.
"""

from typing import TYPE_CHECKING, Any

from mmx.version import __version__

if TYPE_CHECKING:
    from mmx.elements.providers.frcnn import load_region_detector
    from mmx.model import Model, load
    from mmx.show import Explanation, side_by_side
    from mmx.studies.exam.study import evaluate
    from mmx.studies.masks import masks_from_relevance
    from mmx.studies.perturb.compare import compare
    from mmx.studies.perturb.study import perturb
    from mmx.studies.segment.study import segment

__all__ = ["Explanation", "Model", "__version__", "compare", "evaluate", "load", "load_region_detector",
           "masks_from_relevance", "perturb", "segment", "side_by_side"]

_HOMES = {"load": "mmx.model", "Model": "mmx.model", "Explanation": "mmx.show", "side_by_side": "mmx.show",
          "load_region_detector": "mmx.elements.providers.frcnn", "masks_from_relevance": "mmx.studies.masks",
          "perturb": "mmx.studies.perturb.study", "segment": "mmx.studies.segment.study",
          "evaluate": "mmx.studies.exam.study", "compare": "mmx.studies.perturb.compare"}


if not TYPE_CHECKING:  # to a type checker any name would be there
    def __getattr__(name: str) -> Any:
        """Imports torch only when something that needs it is asked for."""
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'mmx' has no attribute '{name}'")
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
