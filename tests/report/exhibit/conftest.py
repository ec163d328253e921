import pytest
from made_evidence import made_evidence

from lth.report.exhibit import BEYOND, EXHIBITS


@pytest.fixture(scope="session")
def evidence():
    return made_evidence(last=3)


@pytest.fixture(scope="session")
def exhibit():
    by_file = {one.file: one for one in (*EXHIBITS, *BEYOND)}
    return by_file.__getitem__


@pytest.fixture(scope="session")
def records(exhibit):
    """Return an exhibit's numbers as dictionaries."""

    def read(file, evidence):
        table = exhibit(file).numbers(evidence)
        return [dict(zip(table.headings, row, strict=True)) for row in table.rows]

    return read
