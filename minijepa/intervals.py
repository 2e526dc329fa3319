"""How sure is a measured share: intervals that every chapter and card uses."""

import math

Z95 = 1.959964  # two-sided 95% quantile of the standard normal


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95% Wilson score interval of a success rate.

    Unlike mean +- 2 standard errors it stays inside [0, 1] and is usable at 0 or n successes.
    Source: Wilson, J. Am. Stat. Assoc. 22 (1927). Raises ValueError unless 0 <= successes <= trials, trials > 0.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"wilson: expected 0 <= successes <= trials with trials > 0, got {successes} of {trials}")
    rate, z2 = successes / trials, Z95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z95 / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(successes: int, trials: int) -> dict[str, float]:
    """Return a success rate with its 95% Wilson interval as columns of a table: success, low and high, to three decimals."""
    low, high = wilson(successes, trials)
    return {"success": round(successes / trials, 3), "low": round(low, 3), "high": round(high, 3)}
