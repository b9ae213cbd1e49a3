"""How far from 1 the rows of an attention map may sum up, in each dtype, before the map is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

import mmx
from mmx.errors import CaptureError

# What rounding may do to a sum of some hundred numbers is let pass, with room; three to ten times what is allowed
# is not.
LET_PASS = {"float64": 1e-6, "float32": 1e-5, "float16": 5e-3, "bfloat16": 2e-2}
REFUSED = {"float64": 1e-4, "float32": 1e-3, "float16": 6e-2, "bfloat16": 2e-1}


def look(folder: Path, dtype: str, excess: float, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Raw attention of an LXMERT, which makes its maps itself, whose rows sum to 1 + excess."""
    model = mmx.load(folder, dtype=dtype)
    softmax = torch.nn.functional.softmax
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda *given, **named: softmax(*given, **named) * (1 + excess))
    return model.attribute(model.small_inputs(), method="raw-attention", target=0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("dtype", REFUSED)
def test_rows_that_do_not_sum_to_one_are_refused(tiny_lxmert: Path, monkeypatch: pytest.MonkeyPatch, dtype: str,
                                                 sign: int) -> None:
    with pytest.raises(CaptureError, match=r"of lxmert\.encoder\.layer\.0\.\S+ do not sum to 1"):
        look(tiny_lxmert, dtype, sign * REFUSED[dtype], monkeypatch)


@pytest.mark.parametrize("dtype", LET_PASS)
def test_rows_that_sum_to_one_but_for_rounding_are_let_pass(tiny_lxmert: Path, monkeypatch: pytest.MonkeyPatch,
                                                            dtype: str) -> None:
    assert look(tiny_lxmert, dtype, LET_PASS[dtype], monkeypatch)["image"].isfinite().all()
