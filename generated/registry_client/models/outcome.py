from typing import Literal

Outcome = Literal["created", "replaced", "unchanged"]

OUTCOME_VALUES: set[Outcome] = {
    "created",
    "replaced",
    "unchanged",
}


def check_outcome(value: str) -> Outcome:
    if value in OUTCOME_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {OUTCOME_VALUES!r}")
