from enum import StrEnum


class EnvelopeType(StrEnum):
    JSON = "json"
    PICKLE = "pickle"

    def __str__(self) -> str:
        return str(self.value)
