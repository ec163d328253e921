"""The audit fails for a known vulnerability, and says where none could be looked up."""

import json
import subprocess

import audit
import pytest

SAFE = {"name": "numpy", "version": "2.0.0", "vulns": []}
UNKNOWN = {"name": "lth", "skip_reason": "not found on PyPI"}
VULNERABLE = {"name": "pillow", "version": "10.0", "vulns": [{"id": "CVE-1", "fix_versions": ["10.1"]}]}


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ([SAFE, UNKNOWN], 0, "audit: 0 of 1 packages vulnerable, 1 not known"),
        ([SAFE, VULNERABLE], 1, "pillow 10.0: CVE-1, mended in 10.1"),
        (None, 0, "could not be done (ConnectionError: no network)"),
    ],
)
def test_an_audit_ends_with_what_it_found(monkeypatch, capsys, answer, status, said):
    output = "" if answer is None else json.dumps({"dependencies": answer})
    done = subprocess.CompletedProcess([], 1, output, "Traceback\nConnectionError: no network\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    assert audit.main() == status
    assert said in capsys.readouterr().out
