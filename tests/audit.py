"""Look the installed packages up among known vulnerabilities; part of `make check`.

Ends with status 1 if there is one. Without a network, or where the package index knows of no vulnerabilities,
it says so: that is no reason not to test.
"""

from __future__ import annotations

import json
import subprocess
import sys

_OPTIONS = ("--local", "--skip-editable", "--progress-spinner=off", "--timeout=10", "--format=json")


def main() -> int:
    """Audit the environment of this interpreter, and print what was found."""
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *_OPTIONS], capture_output=True, text=True, check=False, timeout=600
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        reason = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        sys.stdout.write(f"audit: could not be done ({reason[:200]})\n")
        return 0
    known = [package for package in packages if "vulns" in package]
    vulnerable = [package for package in known if package["vulns"]]
    for package in vulnerable:
        for found in package["vulns"]:
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            sys.stdout.write(f"{package['name']} {package['version']}: {found['id']}, mended in {mended}\n")
    unknown = len(packages) - len(known)
    sys.stdout.write(f"audit: {len(vulnerable)} of {len(known)} packages vulnerable, {unknown} not known\n")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
