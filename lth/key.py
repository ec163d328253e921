"""Content keys: a name for a result made of everything that determines it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

# A change of the algorithms that changes results under the same parameters must raise this.
ALGORITHM_VERSION = 1


def content_key(content: Mapping[str, object]) -> str:
    """Return the SHA-256 of `content` as canonical JSON, 64 hexadecimal digits.

    Raises:
        TypeError: If `content` holds something that JSON cannot write.
        ValueError: If it holds a NaN or an infinity.
    """
    text = json.dumps(
        {"algorithm_version": ALGORITHM_VERSION, **content},
        sort_keys=True,
        separators=(",", ":"),
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()
