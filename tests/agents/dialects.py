"""The APIs of providers in the form of OpenAI's chat completions, in which the scripted model chooses its turns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: Names under which agents offer their shell.
SHELLS = ("Bash", "run_shell_command", "shell_command", "exec_command", "shell", "bash", "local_shell")


def shell_call(schemas: dict[str, Any], command: str) -> tuple[str, dict[str, Any]]:
    """The call of whatever shell tool the agent offers, with ``command``."""
    name = next((shell for shell in SHELLS if shell in schemas), "bash")
    known = schemas.get(name, {}).get("properties") or {}
    if name == "exec_command":
        call: dict[str, Any] = {"cmd": command, "yield_time_ms": 30_000}
    elif (known.get("command") or {}).get("type") == "array":
        call = {"command": ["bash", "-c", command]}
    else:
        call = {"command": command}
    more = {"description": "as told", "is_background": False, "timeout": 600_000, "timeout_ms": 600_000}
    return name, {**{key: value for key, value in more.items() if key in known}, **call}


def tool_schemas(body: dict[str, Any]) -> dict[str, Any]:
    """The tools that a request offers, by name, with the schemas of their arguments."""
    found = {}
    for tool in body.get("tools") or []:
        for declared in tool.get("functionDeclarations") or [tool]:
            function = declared.get("function") or declared
            keys = ("input_schema", "parameters", "parametersJsonSchema")
            schema = next((function[key] for key in keys if function.get(key)), {})
            found[function.get("name") or declared.get("type") or "?"] = schema
    return found


def text_of(value: Any) -> str:
    """The text in the content of a message, whatever form it has."""
    if isinstance(value, list):
        return "\n".join(text_of(part) for part in value)
    if isinstance(value, dict):
        return text_of(value.get("text") or value.get("content") or "")
    return value if isinstance(value, str) else ""


def from_anthropic(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Anthropic Messages. What the agent adds to a person's words in reminders is left out."""
    yield {"role": "system", "content": text_of(body.get("system"))}
    for message in body.get("messages") or []:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        results = [part for part in parts if part.get("type") == "tool_result"]
        for part in results:
            yield {"role": "tool", "content": text_of(part.get("content"))}
        said = text_of([part for part in parts if part.get("type") == "text"])
        said = re.sub(r"(?s)<system-reminder>.*?</system-reminder>\s*", "", said)
        if message.get("role") == "assistant":
            yield {"role": "assistant", "content": said}
        elif said.strip() and not results:
            yield {"role": "user", "content": said}


def from_responses(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """OpenAI Responses. One run of the model's items is one message of it."""
    yield {"role": "system", "content": body.get("instructions") or ""}
    begins = True
    for item in body.get("input") or []:
        kind, said = item.get("type") or "message", text_of(item.get("content"))
        if kind == "message" and item.get("role") == "assistant":
            yield {"role": "assistant", "content": said}
            begins = False
        elif kind == "message":
            context = said.lstrip().startswith(("<environment_context>", "<user_instructions>", "# AGENTS.md"))
            yield {"role": "user" if item.get("role") == "user" and not context else "system", "content": said}
            begins = True
        elif kind.endswith("_call"):
            if begins:
                yield {"role": "assistant", "content": ""}
            begins = False
        elif kind.endswith("_call_output"):
            yield {"role": "tool", "content": text_of(item.get("output"))}
            begins = True


def from_gemini(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Gemini's generateContent."""
    yield {"role": "system", "content": text_of((body.get("systemInstruction") or {}).get("parts"))}
    for content in body.get("contents") or []:
        parts = content.get("parts") or []
        results = [part["functionResponse"] for part in parts if "functionResponse" in part]
        for result in results:
            yield {"role": "tool", "content": json.dumps(result.get("response"))}
        said = "\n".join(part["text"] for part in parts if part.get("text") and not part.get("thought"))
        if content.get("role") == "model":
            yield {"role": "assistant", "content": said}
        elif said.strip() and not results:
            yield {"role": "user", "content": said}


def anthropic_message(answer: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": answer["text"]}] if answer["text"] else []
    for call in answer["tool_calls"]:
        arguments = json.loads(call["function"]["arguments"])
        content.append({"type": "tool_use", "id": call["id"], "name": call["function"]["name"], "input": arguments})
    return {
        "id": head["id"],
        "type": "message",
        "role": "assistant",
        "model": head["model"],
        "content": content,
        "stop_reason": "tool_use" if answer["tool_calls"] else "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": answer["usage"]["prompt_tokens"],
            "output_tokens": answer["usage"]["completion_tokens"],
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
        },
    }


def anthropic_events(answer: dict[str, Any], head: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of a stream; each is named by its type."""
    whole = anthropic_message(answer, head)
    yield {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    for index, part in enumerate(whole["content"]):
        if part["type"] == "text":
            empty, delta = {**part, "text": ""}, {"type": "text_delta", "text": part["text"]}
        else:
            empty = {**part, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(part["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    told = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": told, "usage": whole["usage"]}
    yield {"type": "message_stop"}


def _response_items(answer: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer["text"]:
        content = [{"type": "output_text", "text": answer["text"], "annotations": []}]
        items.append(
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
        )
    for call in answer["tool_calls"]:
        named = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
        items.append({"type": "function_call", "id": "fc_1", "call_id": call["id"], "status": "completed", **named})
    return items


def response(answer: dict[str, Any], head: dict[str, Any], *, done: bool = True) -> dict[str, Any]:
    used = answer["usage"]
    usage = {
        "input_tokens": used["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": used["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": used["total_tokens"],
    }
    return {
        "id": head["id"],
        "object": "response",
        "status": "completed" if done else "in_progress",
        "model": head["model"],
        "output": _response_items(answer) if done else [],
        "error": None,
        "usage": usage if done else None,
    }


def response_events(answer: dict[str, Any], head: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": response(answer, head, done=False)}
    for index, item in enumerate(_response_items(answer)):
        yield {"type": "response.output_item.added", "output_index": index, "item": item}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    yield {"type": "response.completed", "response": response(answer, head)}


def gemini_answer(answer: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": answer["text"]}] if answer["text"] else []
    for call in answer["tool_calls"]:
        arguments = json.loads(call["function"]["arguments"])
        parts.append({"functionCall": {"name": call["function"]["name"], "args": arguments}})
    used = answer["usage"]
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, "finishReason": "STOP"}],
        "modelVersion": head["model"],
        "usageMetadata": {
            "promptTokenCount": used["prompt_tokens"],
            "candidatesTokenCount": used["completion_tokens"],
            "totalTokenCount": used["total_tokens"],
        },
    }


def error_body(api: str, status: int, message: str) -> dict[str, Any]:
    """A refusal in the words of the API that was asked."""
    if api == "anthropic":
        kinds = {
            401: "authentication_error",
            404: "not_found_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}
    if api == "gemini":
        words = {401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
        return {"error": {"code": status, "message": message, "status": words.get(status, "INTERNAL")}}
    codes = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
    code = "insufficient_quota" if "quota" in message else codes.get(status, "server_error")
    return {"error": {"message": message, "type": code, "param": None, "code": code}}
