"""Fixtures every test may use; the servers among them are in `servers.py`."""

import gc

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


def pytest_sessionfinish() -> None:
    """Collect what the last tests left, here where the foreign warnings pass: later they would not."""
    for _ in range(3):  # what a finaliser lets go of is collected in the next round
        gc.collect()
