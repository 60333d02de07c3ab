"""What the reader of pages notices: a page that says something else than what happens is found."""

from __future__ import annotations

import pytest

from support import pages
from support.pages import Reader


def faults(page: str, reader: Reader) -> list[str]:
    return list(pages.read(page, reader))


@pytest.mark.parametrize(
    "body",
    [
        "$ echo other\nthis",
        "$ echo one; echo two\none",
        "$ echo one\none\ntwo",
        "$ echo silent",
        "$ true\nsomething",
        "$ false",
        "$ echo 'error: no'\nerror: no",
        "$ echo 1; echo 3\n1\n...\n2",
        "$ echo a b\na  b c",
        "$ cat",
        "$ no-such-command",
    ],
)
def test_a_page_that_is_wrong_is_found(reader: Reader, body: str) -> None:
    found = faults(f"```console\n{body}\n```\n", reader)
    assert (found == []) is (body == "$ cat"), "only cat, whose input is empty, does what is shown"


def test_a_page_that_is_right_passes(reader: Reader) -> None:
    page = """
```text title="a.txt"
one
```

<!-- appended -->
```text title="a.txt"
two
```

<!-- differs: 12.5s; Mon Tue -->
<!-- fails: grep three a.txt -->
```console
$ cat a.txt
one
two
$ echo "took   3s since Thu Fri"; pwd
took  12.5s since Mon Tue
/tmp
$ mkdir deep && cd deep
$ pwd
/tmp/deep
$ name=value
$ echo $name; seq 9
value
...
9
$ cd ..
$ grep three a.txt
$ echo "error: as shown"; exit_with() { return 3; }; exit_with
error: as shown
```
"""
    assert faults(page, reader) == []


def test_a_command_that_ends_the_shell_and_a_file_without_a_folder_are_no_successes(reader: Reader) -> None:
    with pytest.raises(FileNotFoundError):
        faults('```sh title="no/such/folder"\nx\n```\n', reader)
    with pytest.raises(AssertionError, match="ended the shell"):
        faults("```console\n$ exit 0\n```\n", reader)


def test_the_blocks_of_a_section() -> None:
    page = "# A\n\n```sh\nfirst\n```\n\n## B\n\n```sh\nsecond  # and why\n\n# third\n```\n\n## C\n"
    (block,) = pages.blocks_of(pages.section(page, "B"))
    assert [command.text for command in pages.commands_of(block)] == ["second  # and why", "# third"]
