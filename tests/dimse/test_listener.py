"""A listener ends as soon as it is told to."""

import time

from tests.dimse.conftest import listening


def test_without_partners_it_closes_at_once(archive):
    began = time.monotonic()
    for _ in range(6):
        with listening(archive):
            time.sleep(0.01)
    # Looking every half second whether to end, as the loops of socket servers do, takes three seconds.
    assert time.monotonic() - began < 1.5
