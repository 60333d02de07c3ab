"""What a line of shell runs, for denials: nothing that bash would run may hide, and nothing raises."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_cli.runtimes.permissions import Permissions
from wf_cli.runtimes.shell.commands import read

NO_PUSH = Permissions(deny=("execute:git push*",))
MAKE_ONLY = Permissions("deny", allow=("execute:make", "execute:make *", "execute:echo *", "execute:cd *"))

HIDDEN = r"""
git push
cd . && git push
cd .; git push
cd . || git push origin main
cd . & git push
echo y | git push
echo y |& git push
cd .⏎git push
 git  push
git \⏎push
(git push)
{ git push; }
! git push
if true; then git push; fi
for x in a b; do git push; done
while git push; do :; done
case x in a) git push;; esac
case x in a) :;; b) git push;; esac
f() { git push; }; f
function f { git push; }; f
echo $(git push)
echo "$(git push)"
echo "`git push`"
echo `git push`
echo "a $(echo "b $(git push)")"
echo ${x:-$(git push)}
echo "${x:-`git push`}"
echo $((1 + $(git push)))
echo $((git push) )
diff <(git push) x
tee >(git push)
x=$(git push)
x=`git push` make
sh -c 'git push'
sh -c "git push"
bash -lc 'cd . && git push'
bash -o pipefail -c 'git push'
/bin/bash -c 'git push'
sudo bash -c 'git push'
env A=b bash -lc "git push"
zsh -ic 'git push'
sh -c "sh -c 'git push'"
bash -c "$(echo "git push"; git push)"
eval git push
eval "git push"
eval "cd .; git push"
trap 'git push' EXIT
alias p='git push'; p
FOO=bar git push
FOO="a b" BAR=$x git push
env git push
env -i FOO=bar git push
env -u X -S "git push"
sudo git push
sudo -u nobody -E git push
doas git push
nohup git push &
timeout 5 git push
timeout -k 1 5 git push
nice -n 19 git push
command git push
exec git push
time git push
time -p git push
setsid -w git push
echo main | xargs git push origin
echo main | xargs -I{} git push {}
echo main | xargs -n 1 sh -c 'git push'
find . -name x -exec git push ;
find . -exec sh -c 'git push' \;
/usr/bin/git push
\git push
"git" push
'git' 'push'
g"i"t pu''sh
git $'push'
$'\x67it' push
git $"push"
git -C . push
git -C . -c user.name=x push
git --git-dir=.git push
git --no-pager push
>/dev/null git push
2>&1 git push
git >x push
git push >/dev/null 2>&1
cd . &>/dev/null; git push
cat <<EOF⏎$(git push)⏎EOF
cat <<EOF && git push⏎hello⏎EOF
cat <<'EOF'⏎hello⏎EOF⏎git push
cat <<-EOF⏎	x⏎	EOF⏎git push
bash <<'EOF'⏎git push⏎EOF
bash -s <<< 'git push'
cat <<EOF | sh⏎git push⏎EOF
echo 'git push' | sh
printf 'git push' | bash -s
echo 'git push' | tee x | sh
a=1 # a comment⏎git push
: '#' ; git push
echo a#b; git push
[ -d x ] && git push
[[ -d x ]] && git push
git commit -m "$(cat <<'EOF'⏎it's a message⏎EOF⏎)" && git push
su -c 'git push' me
""".strip().split("\n")

HARMLESS = r"""
git status
git commit -m "git push is denied"
git commit -m 'cd . && git push'
echo 'git push'
echo "git push; git push"
echo git push
# git push
make # && git push
cat <<'EOF'⏎git push⏎EOF
cat <<EOF⏎git push⏎EOF
git commit -m "$(cat <<'EOF'⏎git push⏎`git push`⏎EOF⏎)"
grep -r 'git push' .
git log --grep push
git stash push
echo $((1 + 2)) ${x#git push}
printf '%s\n' "$x" | sort
echo "\$(git push)" '`git push`'
find . -name 'git push'
git pushes-nothing-of-the-kind || true
""".strip().split("\n")[:-1]


def lines(texts: list[str]) -> list[str]:
    return [text.replace("⏎", "\n") for text in texts]


@pytest.mark.parametrize("line", lines(HIDDEN))
def test_a_denied_command_is_found_wherever_it_stands(line: str) -> None:
    assert not NO_PUSH.decide("execute", line).allowed


@pytest.mark.parametrize("line", lines(HARMLESS))
def test_what_is_only_spoken_of_is_not_denied(line: str) -> None:
    assert NO_PUSH.decide("execute", line).allowed


@pytest.mark.parametrize("line", lines(HIDDEN + HARMLESS))
def test_the_lines_of_these_tables_are_lines_of_shell(line: str) -> None:
    if line.startswith("find . -name x"):  # the semicolon is left bare, as people write it
        return
    done = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class TestAllowances:
    @pytest.mark.parametrize(
        "line",
        lines(
            [
                "make test",
                "cd sub && make -j4 test",
                "make a; make b",
                "bash -lc 'cd sub && make test'",
                "( cd sub && make )",
                "if make test; then echo ok; fi",
                "make test 2>&1 | make report",
                "echo $((1 + 2))",
                "make TARGET=$x",
            ]
        ),
    )
    def test_a_line_of_allowed_commands_is_allowed(self, line: str) -> None:
        assert MAKE_ONLY.decide("execute", line).allowed

    @pytest.mark.parametrize(
        "line",
        lines(
            [
                "make && rm -rf /",
                "make; rm x",
                "make $(rm x)",
                "make `rm x`",
                "make | sh",
                "make⏎rm x",
                "bash -c 'make; rm x'",
                'bash -c "$X"',
                "$MAKE",
                "sudo make",
                "PATH=. make",
                "make 'unbalanced",
                "make $(",
                "make <<EOF⏎$(rm x)⏎EOF",
                "eval $X",
                "",
            ]
        ),
    )
    def test_a_line_with_anything_else_is_not(self, line: str) -> None:
        assert not MAKE_ONLY.decide("execute", line).allowed

    def test_a_rule_that_is_the_whole_line_or_everything_needs_no_reading(self) -> None:
        whole = Permissions("deny", allow=("execute:npm run build && npm test",))
        assert whole.decide("execute", "npm run build && npm test").allowed
        assert not whole.decide("execute", "npm run build && npm publish").allowed
        assert Permissions("deny", allow=("execute:*",)).decide("execute", "x 'unbalanced").allowed

    def test_a_denial_wins_over_a_rule_for_everything(self) -> None:
        policy = Permissions("deny", allow=("execute:*",), deny=("execute:rm *",))
        assert not policy.decide("execute", "make && rm x").allowed


def test_what_cannot_be_seen_through_is_said() -> None:
    for line in (
        "$X push",
        "git 'push",
        "echo $(",
        "echo `x",
        "cat <<EOF\nx",
        "curl x | sh",
        "g?t push",
        "{git,push}",
    ):
        assert not read(line).complete, line
    assert read("git push $X *.py {a,b}").complete


#: Ways to run a command inside of another line.
NESTS = [
    "cd . && {}",
    "( {} )",
    "{{ {}; }}",
    "echo $( {} )",
    'echo "$( {} )"',
    "x=$( {} ) make",
    "if true; then {}; fi",
    "cat <(\n{}\n)",
    "# {}\n{}",
    "cat <<E\n$( {} )\nE",
    "true\n{}\ntrue",
    "echo ${{x:-$( {} )}}",
]


def quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


WRAPS = [
    lambda line: f"bash -lc {quoted(line)}",
    lambda line: f"sudo -E sh -c {quoted(line)}",
    lambda line: f"eval {quoted(line)}",
    lambda line: f"echo {quoted(line)} | sh",
    lambda line: f"env X=1 bash -c {quoted(line)}",
]
COMMANDS = st.sampled_from(
    ["git push", "FOO=1 git push", "/usr/bin/git push x", "sudo git -C x push", "g''it 'push'"]
)
LINES = st.recursive(
    COMMANDS,
    lambda inner: (
        st.builds(lambda nest, line: nest.format(*[line] * nest.count("{}")), st.sampled_from(NESTS), inner)
        | st.builds(lambda wrap, line: wrap(line), st.sampled_from(WRAPS), inner)
    ),
    max_leaves=4,
)


@given(LINES)
def test_no_nest_hides_a_denied_command(line: str) -> None:
    assert not NO_PUSH.decide("execute", line).allowed, line


#: Pieces that mean something to a shell.
PIECES = (
    "$(( $( ) ` ' \" \\ <<E E ${ } a ; | & <( > ( {a,b} # $' \\x <<< = sudo_ bash_-c_ eval_ find_-exec_ env_ xargs_"
)
SCRAPS = st.lists(
    st.sampled_from([piece.replace("_", " ") for piece in PIECES.split()] + ["\n", " "]), max_size=60
).map("".join)


@given(st.text(max_size=200) | SCRAPS)
def test_nothing_raises(line: str) -> None:
    read(line)
    assert not Permissions("deny", allow=("execute:make *",)).decide("execute", "rm; " + line).allowed


@pytest.mark.parametrize(
    "line",
    [
        "$((" * 20_000,
        "$(" * 20_000,
        "${" * 20_000,
        "(" * 40_000,
        "`" * 40_001,
        "sudo " * 9_000 + "x",
        "eval " * 9_000,
        "env a=b " * 6_000,
        "bash -c " * 6_000,
        "a;" * 25_000,
        "'" * 40_001,
        "<<E " * 10_000 + "\n" * 10_000,
        "git " + "-c " * 15_000 + "push",
        "$(( " * 12_000 + ") " * 12_000,
        "x" * 1_000_000,
    ],
    ids=lambda line: line[:8],
)
def test_a_hostile_line_is_read_in_bounded_steps(line: str) -> None:
    """A reading that grows faster than the line would run into the suite's limit of a test."""
    assert len(read(line).commands) <= 2000
