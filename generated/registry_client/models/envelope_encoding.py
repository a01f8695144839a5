from typing import Literal

EnvelopeEncoding = Literal["base64", "json"]

ENVELOPE_ENCODING_VALUES: set[EnvelopeEncoding] = {
    "base64",
    "json",
}


def check_envelope_encoding(value: str) -> EnvelopeEncoding:
    if value in ENVELOPE_ENCODING_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {ENVELOPE_ENCODING_VALUES!r}")
