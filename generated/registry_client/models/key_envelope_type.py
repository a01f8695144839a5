from enum import StrEnum


class KeyEnvelopeType(StrEnum):
    JSON = "json"

    def __str__(self) -> str:
        return str(self.value)
