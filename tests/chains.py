"""Which tests run one after the other in one process, when several processes run tests."""

import re

from xdist.scheduler import LoadFileScheduling

# Two browsers that draw at a time without a graphics card make each other several times slower; files that compile
# the same loops would each compile them when run at the same time.
_CHAINS = re.compile(r"tests/(browser|operators|functionals|solvers|validation|modalities/\w+)/")
_COMPILING = ("operators", "functionals", "solvers", "validation")


class Chains(LoadFileScheduling):
    """Files stay whole; those that would be in each other's way are one chain."""

    def _split_scope(self, nodeid):
        found = _CHAINS.match(nodeid)
        if found is None:
            return super()._split_scope(nodeid)
        return "compiling" if found[1] in _COMPILING else found[1]
