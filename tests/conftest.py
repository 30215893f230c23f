"""Fixtures every test may use; the servers among them are in `servers.py`."""

import gc
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("contract.kafka_cases")

pytest_plugins = ["servers", "stores"]


FOREIGN = (
    # kafka-python 3.0 reads its schemas so while it is imported,
    "ignore:(read|open)_text is deprecated:DeprecationWarning",
    # and leaves a socket whose connection was refused to the garbage collector.
    r"ignore:unclosed <socket\.socket .*proto=6, laddr=\('0\.0\.0\.0':ResourceWarning",
)
"""Warnings are errors, but for those of other houses that we cannot mend."""


def pytest_configure(config: pytest.Config) -> None:
    """Let the foreign warnings pass."""
    for each in FOREIGN:
        config.addinivalue_line("filterwarnings", each)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """kafka-python also leaves sockets of brokers that went away; where it is used, and nowhere else, they may go."""
    for item in items:
        if "kafka" in item.path.name:
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.fixture(autouse=True)
def _its_sockets_go_with_the_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Collected while its warnings still pass, so that they meet no other test."""
    yield
    if "kafka" in request.node.path.name:
        gc.collect()


def pytest_sessionfinish() -> None:
    """Collect what the last tests left, here where the foreign warnings pass: later they would not."""
    for _ in range(3):  # what a finaliser lets go of is collected in the next round
        gc.collect()
