"""Which tests run one after the other in one process, and in which order, when several processes run tests."""

import re

from xdist.scheduler import LoadFileScheduling

# Two browsers that draw at a time without a graphics card make each other several times slower. The demonstration
# scans and reconstructs, with the loops of all modalities.
_BROWSER = re.compile(r"tests/browser/(?!test_demonstration)")
_DEMONSTRATION = "tests/browser/test_demonstration.py"
# These compile the loops that all others use; several that compile them at the same time would all pay for it.
_LOOPS = re.compile(r"tests/(operators|functionals|solvers)/")
# One kind of signal each, with the loops of its own.
_MODALITY = re.compile(r"tests/modalities/\w+/")
_ALL_LOOPS = re.compile(r"tests/(modalities|validation|docs|cli|benchmarks)/")


class Chains(LoadFileScheduling):
    """Files stay whole; those that would be in each other's way are one chain; compiled loops are used at the end."""

    def _split_scope(self, nodeid):
        found = _BROWSER.match(nodeid) or _MODALITY.match(nodeid)
        if found is not None:
            return found[0]
        return "loops" if _LOOPS.match(nodeid) else super()._split_scope(nodeid)

    def _assign_work_unit(self, node):
        # The longest first among those of one turn: that is their order here.
        self.workqueue.move_to_end(min(self.workqueue, key=_turn), last=False)
        super()._assign_work_unit(node)


def _turn(scope):
    if scope == "loops" or _BROWSER.match(scope):
        return 0
    if _MODALITY.match(scope) or scope == _DEMONSTRATION:
        return 2
    return 3 if _ALL_LOOPS.match(scope) else 1
