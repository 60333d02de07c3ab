"""The package ``acp``, for agents of the tests: its models are built on first use.

It describes the protocol in 280 pydantic models. Their validators take most of a second to build, and a turn needs a
dozen of them. Pydantic can build a validator on its first use instead (``defer_build``), and the models' docstrings,
which it reads from the source, only serve JSON schemas.
"""

from __future__ import annotations

from typing import Any

import pydantic


def import_library() -> None:
    """Import ``acp`` with models that are built on first use.

    A library that does not take its configuration this way is imported as it is, only more slowly.
    """
    configuration = pydantic.ConfigDict

    def deferred(**settings: Any) -> pydantic.ConfigDict:
        found = configuration(**settings)
        return {**found, "defer_build": True, "use_attribute_docstrings": False}

    # The library's classes ask for their configuration by this name, while they are defined and never again.
    pydantic.ConfigDict = deferred  # type: ignore[misc, assignment]
    try:
        import acp  # noqa: F401
    finally:
        pydantic.ConfigDict = configuration  # type: ignore[misc]
