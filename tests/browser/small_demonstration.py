"""Pellucid's command line with a small digital head: python -m tests.browser.small_demonstration demo …."""

from tests.patients import block

from pellucid import anatomy
from pellucid.cli import main

if __name__ == "__main__":
    anatomy.brain = lambda: block(0.5)
    main()
