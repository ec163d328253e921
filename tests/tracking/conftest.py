"""What the tests of tracking share: a store in an experiment of the test's own, and another process."""

from collections.abc import Iterator

import pytest
from processes import Child, waiting_child

from lth.tracking.store import Store


@pytest.fixture
def store(experiment: None) -> Store:
    """Give the test a store in an experiment of its own."""
    return Store()


@pytest.fixture
def child() -> Iterator[Child]:
    """Give the test another process of this machine, alive until the test ends it."""
    with waiting_child() as child:
        yield child
