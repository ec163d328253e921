"""An error that another process had is told here as what it was there."""

import json
from types import SimpleNamespace

import pytest
import torch

from lth.errors import InputError, MendableError
from lth.study.engine.engine import OutOfMemoryError, RemoteFaultError
from lth.study.engine.message import error_of, message_of
from lth.study.record.load import LostResultError
from lth.tracking.client import StoreError
from lth.tracking.run import LostRunError
from lth.training.train import TrainingDivergedError


def there_and_back(error: Exception) -> Exception | None:
    message = json.loads(json.dumps(message_of(error, "/logs/dense.log")))
    return error_of(message, lambda run_id, sought: LostResultError(run(run_id), sought))


def run(run_id: str) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(run_id=run_id, run_name="dense"), data=SimpleNamespace(tags={"kind": "imp"})
    )


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (StoreError("does not answer"), StoreError),
        (LostRunError("was taken over"), LostRunError),
        (InputError("lr is odd"), InputError),
        (TrainingDivergedError("NaN by step 5"), MendableError),
        (OSError(28, "No space left"), MendableError),
        (MemoryError("of 8 GB"), OutOfMemoryError),
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemoryError),
        (RuntimeError("[enforce fail] can't allocate memory: 8 GB"), OutOfMemoryError),
        (RuntimeError("a fault"), RemoteFaultError),
        (ZeroDivisionError("by zero"), RemoteFaultError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_comes_back_as_one_of_its_kind_with_its_words(error, kind):
    found = there_and_back(error)
    assert type(found) is kind
    assert str(error.args[-1]) in str(found)


def test_a_result_that_is_gone_comes_back_with_its_run_and_place():
    found = there_and_back(LostResultError(run("run-9"), "/there"))
    assert isinstance(found, LostResultError)
    assert (found.run_id, found.sought) == ("run-9", "/there")


def test_no_password_is_told():
    assert "secret" not in str(there_and_back(RuntimeError("http://lab:secret@127.0.0.1/api")))


def test_a_result_is_no_error():
    assert error_of({"run": "run-1"}, lambda *_: None) is None
