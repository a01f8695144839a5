from enum import StrEnum


class DeleteEntryResultStatus(StrEnum):
    DELETED = "deleted"

    def __str__(self) -> str:
        return str(self.value)
