"""Contains all the data models used in inputs/outputs"""

from .batch_delete_entry import BatchDeleteEntry
from .batch_delete_outcome import BatchDeleteOutcome
from .batch_delete_outcome_outcome import BatchDeleteOutcomeOutcome
from .batch_delete_request import BatchDeleteRequest
from .batch_delete_result import BatchDeleteResult
from .batch_delete_result_status import BatchDeleteResultStatus
from .batch_get_entry import BatchGetEntry
from .batch_get_outcome import BatchGetOutcome
from .batch_get_outcome_outcome import BatchGetOutcomeOutcome
from .batch_get_request import BatchGetRequest
from .batch_get_result import BatchGetResult
from .batch_set_entry import BatchSetEntry
from .batch_set_outcome import BatchSetOutcome
from .batch_set_outcome_outcome import BatchSetOutcomeOutcome
from .batch_set_request import BatchSetRequest
from .batch_set_result import BatchSetResult
from .batch_set_result_status import BatchSetResultStatus
from .capabilities import Capabilities
from .change import Change
from .change_op import ChangeOp
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
from .set_entry_request import SetEntryRequest
from .set_entry_result import SetEntryResult
from .set_entry_result_status import SetEntryResultStatus
from .stats import Stats
from .stats_namespace_sizes import StatsNamespaceSizes
from .watch_answer import WatchAnswer
from .watch_many_answer import WatchManyAnswer
from .watch_request import WatchRequest
from .watch_request_cursors import WatchRequestCursors
from .watched_namespace import WatchedNamespace
from .watched_namespace_gone import WatchedNamespaceGone

__all__ = (
    "BatchDeleteEntry",
    "BatchDeleteOutcome",
    "BatchDeleteOutcomeOutcome",
    "BatchDeleteRequest",
    "BatchDeleteResult",
    "BatchDeleteResultStatus",
    "BatchGetEntry",
    "BatchGetOutcome",
    "BatchGetOutcomeOutcome",
    "BatchGetRequest",
    "BatchGetResult",
    "BatchSetEntry",
    "BatchSetOutcome",
    "BatchSetOutcomeOutcome",
    "BatchSetRequest",
    "BatchSetResult",
    "BatchSetResultStatus",
    "Capabilities",
    "Change",
    "ChangeOp",
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
    "SetEntryRequest",
    "SetEntryResult",
    "SetEntryResultStatus",
    "Stats",
    "StatsNamespaceSizes",
    "WatchAnswer",
    "WatchedNamespace",
    "WatchedNamespaceGone",
    "WatchManyAnswer",
    "WatchRequest",
    "WatchRequestCursors",
)
