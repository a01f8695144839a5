from typing import Literal

EnvelopeType = Literal["json", "pickle"]

ENVELOPE_TYPE_VALUES: set[EnvelopeType] = {
    "json",
    "pickle",
}


def check_envelope_type(value: str) -> EnvelopeType:
    if value in ENVELOPE_TYPE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {ENVELOPE_TYPE_VALUES!r}")
