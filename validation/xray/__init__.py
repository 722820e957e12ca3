"""X-ray CT against exact line integrals, theory, real data and known truth."""

from validation.xray import analytic, ct_numbers, noise, positivity, tooth

__all__ = ["analytic", "ct_numbers", "noise", "positivity", "tooth"]
