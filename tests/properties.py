"""How many random examples a property is tested with."""

import os


def examples(count: int) -> int:
    """`count` where all tests run (`make test-all`), a third of it otherwise."""
    return count if os.environ.get("PELLUCID_TESTS") == "all" else count // 3
