"""The shapes in signatures are checked while tests run, and at no other time."""

import subprocess
import sys

import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation
from torch import Tensor

from mmx.capture import Chosen, Readout
from mmx.capture.lrp_rules import linear_rule
from mmx.methods.rollout import _through
from mmx.rules import SelfRelevance, fuse_heads

MAPS, ROWS = torch.rand(2, 4, 3, 5), torch.rand(2, 1, 3)


def test_right_shapes_pass() -> None:
    assert fuse_heads(MAPS, MAPS).shape == (2, 3, 5)
    assert SelfRelevance(3).deviation_rows(ROWS).shape == ROWS.shape


@pytest.mark.parametrize("gradient", [MAPS.mT, MAPS[:, 0], MAPS.long(), MAPS[:, :1]])
def test_what_does_not_fit_another_argument_is_refused(gradient: Tensor) -> None:
    with pytest.raises(BeartypeCallHintParamViolation, match="gradient"):
        fuse_heads(MAPS, gradient)


def test_so_is_what_does_not_fit_the_object() -> None:
    with pytest.raises(BeartypeCallHintParamViolation, match="rows"):
        SelfRelevance(4).deviation_rows(ROWS)


def test_so_is_a_field_of_a_dataclass() -> None:
    with pytest.raises(BeartypeCallHintParamViolation, match="samples"):
        Chosen(scores=torch.rand(2), samples=torch.arange(3))
    with pytest.raises(BeartypeCallHintParamViolation, match="index"):
        Readout("text", index=torch.rand(2))


def test_so_is_a_matrix_the_wrong_way_round() -> None:
    with pytest.raises(BeartypeCallHintParamViolation, match="weight"):
        linear_rule(torch.rand(2, 3), torch.rand(2, 3), torch.rand(2, 5), torch.rand(5, 3))


def test_so_is_what_a_module_that_imports_no_torch_is_given() -> None:
    with pytest.raises(BeartypeCallHintParamViolation, match="row"):
        _through(ROWS[0, 0], [])


def test_a_user_pays_nothing_for_it() -> None:
    code = "import sys, mmx.rules, mmx.engine; assert not {'jaxtyping', 'beartype'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
