from enum import StrEnum


class ClearResultStatus(StrEnum):
    CLEARED = "cleared"

    def __str__(self) -> str:
        return str(self.value)
