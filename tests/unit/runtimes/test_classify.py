"""Codes from statuses, headers and wordings."""

import pytest

from wf_cli.contract.failure import CODES
from wf_cli.runtimes import classify


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("You've hit your usage limit. It resets on 12/20/2026.", "usage_limit"),
        ("You exceeded your current quota, please check your plan and billing details", "usage_limit"),
        ("Your credit balance is too low to access the API", "usage_limit"),
        ("Rate limit reached for gpt-5.2 in organization org-1 on tokens per min", "rate_limited"),
        ("429 Too Many Requests", "rate_limited"),
        ("Incorrect API key provided: sk-...", "auth"),
        ("Not logged in. Run `cursor-agent login`", "auth"),
        ("Authentication required", "auth"),
        ("ProviderModelNotFoundError: Model not found: scripted/nope.", "model_not_found"),
        ("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"),
        ("Cannot use this model: gpt-9. Available models: auto", "model_not_found"),
        ("Workspace Trust Required", "policy_denied"),
        ("read ECONNRESET", "network"),
        ("Unable to connect. Is the computer able to access the url?", "network"),
        ("Overloaded", "network"),
        ("request timed out", "network"),
        ("TypeError: undefined is not a function", None),
        ("", None),
    ],
)
def test_wordings_of_providers_and_agents(message: str, code: str | None) -> None:
    assert classify.by_wording(message) == code
    assert code is None or code in CODES


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "auth"),
        (403, "auth"),
        (402, "usage_limit"),
        (429, "rate_limited"),
        (503, "network"),
        (400, None),
        (None, None),
    ],
)
def test_statuses(status: int | None, code: str | None) -> None:
    assert classify.by_status(status) == code


NOW = 1_795_336_000_000  # 2026-11-22T08:26:40Z


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "12"}, 12.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 08:27:40 GMT"}, 60.0),
        ({"retry-after": "Sun, 22 Nov 2020 08:27:40 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "99999999999999999999"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert classify.retry_after(headers, NOW) == seconds
