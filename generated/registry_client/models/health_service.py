from enum import StrEnum


class HealthService(StrEnum):
    REGISTRY_SERVER = "registry-server"

    def __str__(self) -> str:
        return str(self.value)
