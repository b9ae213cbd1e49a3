"""A tiny LXMERT whose family is asked."""

from pathlib import Path

import pytest

import mmx
from mmx.model import Model


@pytest.fixture(scope="module")
def model(tiny_lxmert: Path) -> Model:
    return mmx.load(tiny_lxmert)
