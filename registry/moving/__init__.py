"""Moving entries between servers: a file of JSON Lines, and what is done with it.

>>> from registry.moving import export_entries, import_entries  # doctest: +SKIP
>>> export_entries("losses.jsonl", ["research.losses"], server="http://old:8001")  # doctest: +SKIP
>>> import_entries("losses.jsonl", server="http://new:8001", dry_run=True)  # doctest: +SKIP

Envelopes travel as they are; none is decoded.
"""

from registry.moving.exporting import Exported, export_entries
from registry.moving.importing import Action, Imported, Planned, import_entries

__all__ = ["Action", "Exported", "Imported", "Planned", "export_entries", "import_entries"]
