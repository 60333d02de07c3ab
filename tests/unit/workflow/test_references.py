"""References, slugs and numbers of plans and epics."""

from __future__ import annotations

from pathlib import Path

import pytest

from wf_cli.workflow import references


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir()
    return root


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("1", "01-a"),
        ("01", "01-a"),
        ("1-", "01-a"),
        ("01-anything at all", "01-a"),
        ("12-b", "12-b"),
        ("12-B", "12-b"),
        ("0", None),
        ("001", None),
        ("1x", None),
        ("alpha", None),
        (" 1", None),
        ("1 ", None),
        ("1\n", None),
        ("\u0661", None),
        ("", None),
        ("-1", None),
    ],
)
def test_references(tmp_path: Path, reference: str, name: str | None) -> None:
    found = references.resolve(references.entries(folder(tmp_path, "01-a", "12-b", "notes")), reference)
    assert (found.name if found else None) == name


def test_quirk_31_the_lexicographically_first_of_two_is_meant(tmp_path: Path) -> None:
    known = references.entries(folder(tmp_path, "01-b", "01-a"))
    assert references.resolve(known, "1") == references.Entry("01-a", "01")
    assert references.resolve(known, "01-b") == references.Entry("01-b", "01")
    assert references.ids(known) == ["01"]


def test_a_foreign_folder_with_many_digits_does_not_count(tmp_path: Path) -> None:
    known = references.entries(folder(tmp_path, "01-a", "2024-notes", "123-three", "\u0661\u0661-x"))
    assert references.next_id(known) == "02"


def test_files_count_and_gaps_are_not_reused(tmp_path: Path) -> None:
    (tmp_path / "07-file").touch()
    assert references.next_id(references.entries(folder(tmp_path, "02-b"))) == "08"
    assert references.next_id(references.entries(tmp_path / "missing")) == "01"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Add user  auth!", "add-user-auth"),
        ("\u00dcber \u0130", "ber-i"),
        ("日本", ""),
        ("--a--", "a"),
        ("a\nb", "a-b"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert references.slug(name) == slug
