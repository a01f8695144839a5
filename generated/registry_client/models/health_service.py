from typing import Literal

HealthService = Literal["registry-server"]

HEALTH_SERVICE_VALUES: set[HealthService] = {
    "registry-server",
}


def check_health_service(value: str) -> HealthService:
    if value in HEALTH_SERVICE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {HEALTH_SERVICE_VALUES!r}")
