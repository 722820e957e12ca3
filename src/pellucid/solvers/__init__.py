"""Iterative algorithms, one per file: generators that yield a `State` per iteration.

They take operators and functionals, know no modality, no file and no progress bar; `last` joins one to a
`Progress`, which is also how it is cancelled.
"""
