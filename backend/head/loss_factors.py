"""Factors on the losses' weights, as people write them."""

from collections.abc import Collection

from ..errors import RequestError

MOST = 1e6


def loss_factors(text: str, known: Collection[str]) -> dict[str, float]:
    """Weights' names and their factors from words such as "rgb=0.5 mask=2", apart by spaces or commas.

    Raises:
        RequestError: a name that is not known, or a factor that is no number from 0 on.
    """
    factors = {}
    for word in text.replace(",", " ").split():
        name, _, number = word.partition("=")
        try:
            factors[name] = float(number)
        except ValueError:
            factors[name] = -1.0
        # What is no number at all (nan) is not within the range either.
        if name not in known or not 0 <= factors[name] <= MOST:
            raise RequestError(
                f"The weights must be words such as rgb=0.5 with one of {', '.join(known)} and a number from 0 on, not "
                f"{word!r}."
            )
    return factors
