"""PET: projectors, scatter, activity, recovery, positivity and uptake values."""

from validation.nuclear import activity, positivity, projection, recovery, scatter

__all__ = ["activity", "positivity", "projection", "recovery", "scatter"]
