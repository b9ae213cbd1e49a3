"""Fixtures of all tests: small random checkpoints (tests/tiny), and where the shared reference data lies."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import make_tiny, tiny_names

try:
    from shape_checks import check_shapes
except ModuleNotFoundError:  # jaxtyping or beartype: shapes in signatures are not looked at then
    def check_shapes(rooms: list[str]) -> None:
        pass

SHARED = Path(__file__).parents[2] / "shared"

# Results and masks_from_relevance look at shapes themselves, as users may give wrong ones.
check_shapes([f"mmx.{room}" for room in (
    "asking", "capture.attention", "capture.choice", "capture.folding", "capture.lrp_rules", "capture.maps",
    "capture.matrices", "capture.passes", "capture.recording", "capture.windows", "elements", "engine", "methods",
    "metrics", "perturbation", "rules", "wiring")])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runslow", action="store_true", help="also run tests that take minutes")
    parser.addoption("--device", default="cuda", help="where tests marked cuda run; cpu tries them without a GPU")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    _skip(items, "slow", None if config.getoption("--runslow") else "slow: run with --runslow")
    if any("cuda" in item.keywords for item in items):
        import torch

        there = config.getoption("--device") != "cuda" or torch.cuda.is_available()
        _skip(items, "cuda", None if there else "needs a GPU")


def _skip(items: list[pytest.Item], mark: str, reason: str | None) -> None:
    for item in items:
        if reason is not None and mark in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def few_further_passes() -> None:
    """Methods that run the model again do it twice, where a test does not say how often."""
    from mmx.methods import all_methods  # not before shapes are looked at

    for method in all_methods():
        if method.samples:
            object.__setattr__(method, "samples", 2)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where tests marked cuda run, or what a test names."""
    return getattr(request, "param", None) or request.config.getoption("--device")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the repository; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared")
    return SHARED


def _tiny(name: str) -> Callable[[pytest.TempPathFactory], Path]:
    @pytest.fixture(scope="session", name=name)
    def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return make_tiny(name, tmp_path_factory.mktemp("checkpoints"))

    return made


globals().update({name: _tiny(name) for name in tiny_names()})
