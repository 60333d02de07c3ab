"""``who-are-you``, ``models``, ``set-model``, ``update-model``."""

from __future__ import annotations

from wf_cli.agents import model_guard, models
from wf_cli.cli.frame import output
from wf_cli.cli.frame.arguments import Spec, parse
from wf_cli.cli.frame.contract_call import Call, ContractCommand

_MODEL = Spec(required=("model",), by_position=True)
_SET_USAGE = "wf set-model <id>"
_UPDATE_USAGE = "wf update-model <id>"


def _who_are_you(call: Call) -> int:
    now = call.session()
    output.say(f"model: {now.model}", f"capabilities: {', '.join(now.capabilities) or 'none'}")
    return 0


def _models(call: Call) -> int:
    now = call.session()
    action = "update-model" if now.is_set and not now.locked else "set-model"
    state = " (locked)" if now.locked else ""
    output.say(f"current model: {now.model}{state}", "", "models:")
    rows = [(name, ", ".join(capabilities)) for name, capabilities in models.ENABLED.items()]
    output.say(*output.columns(rows), "", f"choose one with: wf {action} <id>")
    return 0


def _set_model(call: Call) -> int:
    model = parse(_MODEL, call.words, _SET_USAGE).word("model")
    with call.project.lock("session"):
        now = model_guard.choose(call.session(), model, call.project.clock, lock=False)
    output.say(f"model: {now.model} ({', '.join(now.capabilities)})")
    return 0


def _update_model(call: Call) -> int:
    model = parse(_MODEL, call.words, _UPDATE_USAGE).word("model")
    with call.project.lock("session"):
        call.guard("update-model")  # A second time, because another process may have locked the session.
        now = model_guard.choose(call.session(), model, call.project.clock, lock=True)
    output.say(f"model: {now.model} ({', '.join(now.capabilities)}), locked")
    return 0


COMMANDS = {
    "who-are-you": ContractCommand(_who_are_you, ("wf who-are-you",), "Shows the declared model and what it may do."),
    "models": ContractCommand(
        _models, ("wf models",), "Lists the models that can be declared, with their capabilities."
    ),
    "set-model": ContractCommand(
        _set_model,
        (_SET_USAGE,),
        "Declares the model that works in this checkout and unlocks the session. The ids: wf models.",
        guarded=True,
    ),
    "update-model": ContractCommand(
        _update_model,
        (_UPDATE_USAGE,),
        "Changes the declared model once and locks the session; only set-model unlocks it.",
        guarded=True,
    ),
}
