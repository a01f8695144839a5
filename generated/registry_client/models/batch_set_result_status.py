from enum import StrEnum


class BatchSetResultStatus(StrEnum):
    PARTIAL = "partial"
    SUCCESS = "success"

    def __str__(self) -> str:
        return str(self.value)
