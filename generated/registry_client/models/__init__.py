"""Contains all the data models used in inputs/outputs"""

from .batch_set_entry import BatchSetEntry
from .batch_set_outcome import BatchSetOutcome
from .batch_set_outcome_outcome import BatchSetOutcomeOutcome
from .batch_set_request import BatchSetRequest
from .batch_set_result import BatchSetResult
from .batch_set_result_status import BatchSetResultStatus
from .capabilities import Capabilities
from .clear_result import ClearResult
from .clear_result_status import ClearResultStatus
from .contains_answer import ContainsAnswer
from .current_entry import CurrentEntry
from .delete_entry_result import DeleteEntryResult
from .delete_entry_result_status import DeleteEntryResultStatus
from .entry import Entry
from .entry_answer import EntryAnswer
from .envelope import Envelope
from .envelope_encoding import EnvelopeEncoding
from .envelope_type import EnvelopeType
from .health import Health
from .health_service import HealthService
from .health_status import HealthStatus
from .item_page import ItemPage
from .key_envelope import KeyEnvelope
from .key_envelope_encoding import KeyEnvelopeEncoding
from .key_envelope_type import KeyEnvelopeType
from .key_page import KeyPage
from .length_answer import LengthAnswer
from .limits import Limits
from .meta import Meta
from .namespace_page import NamespacePage
from .namespace_summary import NamespaceSummary
from .outcome import Outcome
from .problem import Problem
from .problem_context import ProblemContext
from .readiness import Readiness
from .readiness_status import ReadinessStatus
from .set_entry_if_none_match import SetEntryIfNoneMatch
from .set_entry_request import SetEntryRequest
from .set_entry_result import SetEntryResult
from .set_entry_result_status import SetEntryResultStatus
from .stats import Stats
from .stats_namespace_sizes import StatsNamespaceSizes

__all__ = (
    "BatchSetEntry",
    "BatchSetOutcome",
    "BatchSetOutcomeOutcome",
    "BatchSetRequest",
    "BatchSetResult",
    "BatchSetResultStatus",
    "Capabilities",
    "ClearResult",
    "ClearResultStatus",
    "ContainsAnswer",
    "CurrentEntry",
    "DeleteEntryResult",
    "DeleteEntryResultStatus",
    "Entry",
    "EntryAnswer",
    "Envelope",
    "EnvelopeEncoding",
    "EnvelopeType",
    "Health",
    "HealthService",
    "HealthStatus",
    "ItemPage",
    "KeyEnvelope",
    "KeyEnvelopeEncoding",
    "KeyEnvelopeType",
    "KeyPage",
    "LengthAnswer",
    "Limits",
    "Meta",
    "NamespacePage",
    "NamespaceSummary",
    "Outcome",
    "Problem",
    "ProblemContext",
    "Readiness",
    "ReadinessStatus",
    "SetEntryIfNoneMatch",
    "SetEntryRequest",
    "SetEntryResult",
    "SetEntryResultStatus",
    "Stats",
    "StatsNamespaceSizes",
)
