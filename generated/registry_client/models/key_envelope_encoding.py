from typing import Literal

KeyEnvelopeEncoding = Literal["json"]

KEY_ENVELOPE_ENCODING_VALUES: set[KeyEnvelopeEncoding] = {
    "json",
}


def check_key_envelope_encoding(value: str) -> KeyEnvelopeEncoding:
    if value in KEY_ENVELOPE_ENCODING_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {KEY_ENVELOPE_ENCODING_VALUES!r}")
