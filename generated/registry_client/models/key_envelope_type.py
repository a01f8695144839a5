from typing import Literal

KeyEnvelopeType = Literal["json"]

KEY_ENVELOPE_TYPE_VALUES: set[KeyEnvelopeType] = {
    "json",
}


def check_key_envelope_type(value: str) -> KeyEnvelopeType:
    if value in KEY_ENVELOPE_TYPE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {KEY_ENVELOPE_TYPE_VALUES!r}")
