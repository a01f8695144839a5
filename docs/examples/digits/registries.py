"""The registries that publisher and workers share: namespaces, and what they hold."""

from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry


class Losses(FunctionalRegistry, logic_namespace="demo.losses"):
    """``loss(probabilities, labels) -> float``."""


class Models(TypeRegistry, logic_namespace="demo.models"):
    """Classifiers with ``fit(x, y)`` and ``predict_proba(x)``."""


class Grid(SchemeRegistry, logic_namespace="demo.grid"):
    """The points to try: ``{"model": name, "parameters": {...}}``."""


class Results(SchemeRegistry, logic_namespace="demo.results"):
    """What came of each point."""


class Claims(SchemeRegistry, logic_namespace="demo.claims"):
    """Which worker tries which point."""
