"""One process at a time may begin the task of a key, among all that share a tracking store.

A tracking store has no locks, but what one process has written, every other reads from then on. So each process
first says what it claims and then looks who else does; of two that claim the same at least the second to speak
sees the other (Lamport's bakery, 1974).

Who would open a run asks by that run itself, which says so until it is begun, and is deleted where that is
refused (`ask`). What has no run of its own is claimed in one that is deleted but for the moments between a
claim and its end, so that no list shows it (`Leases`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from lth.tracking.client import LAST_WORDS_SECONDS, PatientClient, within
from lth.tracking.process import described, is_alive, is_own, ownership

CLAIMED = "lth.claimed"  # the key
_STATE = "lth.claim"
_ASKED, _HELD = "asked", "held"
_NONCE = "lth.claim_nonce"  # another each time that a process asks
_ASKS = "mlflow.lth.asks"  # on a run: whether it only asks for its task
ASKING, BEGUN = {_ASKS: "true"}, {_ASKS: "false"}
_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_LONGEST_REST = 0.4  # seconds that one which was refused rests


def asks(run: Run) -> bool:
    """Say whether a run only asks for its task: it holds nothing, and may be gone at any moment."""
    return bool(run.data.tags.get(_ASKS) == ASKING[_ASKS])


def ask(
    run_id: str, look: Callable[[], Sequence[Run]], is_taken: Callable[[Run], bool], *, anew: bool = False
) -> tuple[bool, list[Run]]:
    """Say whether a run that asks for a task may begin it, once that is certain, and which others there are.

    Of those that ask at once, the first by the id of its run goes on, unless another had asked and looked
    before. So it waits for those of its first look alone: they saw it and withdraw, or did not and begin. Who
    asks later sees it.

    What a process did before it ended is certain only from a look that began after it was seen to have ended:
    between a look and that, it may have begun the task and finished it.

    Args:
        run_id: Of the run that asks.
        look: Returns all runs of the task, those that only ask, too.
        is_taken: Says of a run that does not only ask whether nobody else may begin the task.
        anew: Whether the task is done whatever there is, but for what is begun while this asks.
    """
    first: set[str] | None = None
    gone = set[str]()  # runs of processes that had ended before the present look
    pause = _PAUSE_SECONDS
    while True:
        others = [run for run in look() if run.info.run_id != run_id]
        heeded = [run for run in others if not anew or (first is not None and run.info.run_id in first)]
        if any(not asks(run) and is_taken(run) for run in heeded):
            return False, others
        rivals = {str(run.info.run_id) for run in others if asks(run) and _is_rival(run)}
        first = rivals if first is None else first
        rivals &= first
        if not rivals:
            ended = {str(run.info.run_id) for run in others if is_alive(run.data.tags) is False}
            if ended <= gone:
                return True, others
            gone |= ended
            continue
        if min(rivals) < run_id:
            return False, others
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def rest() -> None:
    """Wait for a moment, at random: all that were refused would else ask again at once."""
    time.sleep(_LONGEST_REST * secrets.randbelow(1000) / 1000)


class Leases:
    """The claims of this process in one experiment.

    Args:
        client: Of the tracking store.
        experiment_id: The experiment.
        search: Returns its active runs that match a filter.
    """

    def __init__(self, client: PatientClient, experiment_id: str, search: Callable[[str], list[Run]]) -> None:
        self._client, self._experiment_id, self._search = client, experiment_id, search
        self._run_id: str | None = None

    @contextmanager
    def leased(self, key: str) -> Iterator[bool]:
        """Claim a key while the block lasts; False where another living process claims it."""
        run_id = self._ask(key)
        try:
            granted = self._is_granted(key, run_id)
            if granted:
                yield True
        except BaseException:
            with self._client.in_a_hurry():  # else it ends with this process
                within(LAST_WORDS_SECONDS, lambda: self._client.delete_run(run_id))
            raise
        self._client.delete_run(run_id)
        if not granted:
            rest()
            yield False

    def _ask(self, key: str) -> str:
        tags = {**ownership(), CLAIMED: key, _STATE: _ASKED, _NONCE: secrets.token_hex(8)}
        if self._run_id is not None and self._restore(self._run_id, tags):
            return self._run_id
        name = f"claim of {described(tags)}"
        self._run_id = self._client.create_run(self._experiment_id, tags=tags, run_name=name)
        return self._run_id

    def _restore(self, run_id: str, tags: Mapping[str, str]) -> bool:
        """Use the run once more; False if that is not possible."""
        try:
            self._client.restore_run(run_id)  # until the next line it claims what it did before
            self._client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
        except MlflowException:  # removed by `mlflow gc`, or just now taken for that of a dead process
            return False
        return True

    def _is_granted(self, key: str, run_id: str) -> bool:
        """Hold the key unless another does, or asked for it before and comes first by the id of its run.

        Who asks after this process has looked sees its claim and waits or withdraws; so only those of the first
        look are waited for, and not the same ones when they ask again: else of many no one would ever see none.
        """
        rivals = self._rivals(key)
        first = {_asking(run) for run in rivals}
        while rivals:
            time.sleep(_PAUSE_SECONDS)
            if any(run.data.tags.get(_STATE) == _HELD or run.info.run_id < run_id for run in rivals):
                return False
            # The others will see this claim and withdraw, or saw none and hold the key.
            rivals = [run for run in self._rivals(key) if _asking(run) in first]
        self._client.set_tag(run_id, _STATE, _HELD)
        return True

    def _rivals(self, key: str) -> list[Run]:
        claims = self._search(f"tags.`{CLAIMED}` = '{key}' AND attributes.status = 'RUNNING'")
        return [run for run in claims if _is_rival(run)]


def _is_rival(run: Run) -> bool:
    return bool(is_alive(run.data.tags)) and not is_own(run.data.tags)


def _asking(run: Run) -> tuple[str, str]:
    """Return what tells one asking for a key from all others, of the same process too."""
    return run.info.run_id, run.data.tags.get(_NONCE, "")
