"""`wf completion` prints a script by which a shell asks `wf` for candidates (`wf_cli.cli.completion.answer`)."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from wf_cli.cli.frame import output
from wf_cli.cli.frame.options import JsonOption, document

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


# The script works with bash 3.2 of macOS, which has no readarray and may have no compopt.
_BASH = r"""# wf completion for bash
_wf() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == ':files' ]]; then
            compopt -o default 2>/dev/null
            return
        fi
        COMPREPLY+=("$line")
    done < <(_WF_COMPLETE=bash "${1/#\~/$HOME}" "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -F _wf wf"""

_ZSH = r"""#compdef wf
# wf completion for zsh
_wf() {
    local -a found
    found=("${(@f)$(_WF_COMPLETE=zsh ${~words[1]} "${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}")
    if [[ $found[1] == ':files' ]]; then
        _files
    elif [[ -n $found[1] ]]; then
        _describe -V 'wf' found
    fi
}
if [[ $funcstack[1] == _wf ]]; then
    _wf "$@"
else
    compdef _wf wf
fi"""

_FISH = r"""# wf completion for fish
function __wf_complete
    set -l words (commandline -opc)
    set -l cursor (commandline -ct)
    set -l found (env _WF_COMPLETE=fish $words "$cursor" 2>/dev/null </dev/null)
    if test "$found[1]" = ':files'
        __fish_complete_path $cursor
    else
        printf '%s\n' $found
    end
end
complete -c wf -f -k -a '(__wf_complete)'"""

SCRIPTS = {Shell.BASH: _BASH, Shell.ZSH: _ZSH, Shell.FISH: _FISH}


@app.command()
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="the shell that you use")],
    as_json: JsonOption = False,
) -> None:
    """Print a script that completes commands, actions, options, and the ids of plans, epics and jobs.

    \b
    source <(wf completion bash)                                in ~/.bashrc
    source <(wf completion zsh)                                 in ~/.zshrc, after compinit
    wf completion fish > ~/.config/fish/completions/wf.fish     once
    """
    if as_json:
        output.print_json(document(shell=shell.value, script=SCRIPTS[shell]))
    else:
        output.say(SCRIPTS[shell])
