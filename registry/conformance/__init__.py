"""The conformance kit: tells the truth about an HTTP server that says it speaks the registry protocol.

Any server, in any language: ``registry conformance URL``, ``python -m registry.conformance URL``, or
``pytest --registry-url URL``. It sends its own raw requests, and uses no client of this library.
``docs/conformance.md`` is its manual. It needs the extra ``conformance``.

========================  ==============================================================================
module                    is
========================  ==============================================================================
`check`                   what a check is, verdicts, and the decorator
`checks`                  the checks, a module for each subject; `sequences` are those that are data
`context`                 what a check has: the protocol's requests, namespaces of its own
`wire`, `contract`        raw requests; every answer is held against ``openapi.yaml``
`session`                 one run: set-up, selection, verdicts
`baseline`                failures that are known, with reasons
`reports`                 terminal, JUnit, JSON, Markdown, HTML
========================  ==============================================================================
"""
