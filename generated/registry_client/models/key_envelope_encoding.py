from enum import StrEnum


class KeyEnvelopeEncoding(StrEnum):
    JSON = "json"

    def __str__(self) -> str:
        return str(self.value)
