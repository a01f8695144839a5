from tests.unit.registries.conftest import define, define_shared, home, memory_server

__all__ = ["define", "define_shared", "home", "memory_server"]
