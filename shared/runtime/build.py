"""The build id: a hash of our sources, so that a log says which code decided."""

import hashlib
import os
from functools import cache
from pathlib import Path


@cache
def build_id() -> str:
    """Return 12 hexadecimal digits over our `.py` and `.pxd` files; QUOTEMESH_BUILD wins."""
    given = os.environ.get("QUOTEMESH_BUILD")
    if given:
        return given
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for folder in ("services", "shared"):
        for path in sorted((root / folder).rglob("*.p[yx]*")):
            if path.suffix in (".py", ".pxd"):
                digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
