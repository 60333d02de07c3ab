"""What `fsio` makes of a call that was performed and answers with an error, whatever the looks afterwards show."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from support.lying import CODES, LIES, Host, Lie, always
from support.stand_ins import stand_in
from wf_cli import fsio, sharing

#: Those after which the call has been performed when the looks come.
PERFORMED = [lie for lie in LIES if lie.late <= 1]
lies = pytest.mark.parametrize("lie", PERFORMED, ids=str)


def lying(root: Path, lie: Lie, *calls: str) -> Host:
    return Host(root, always(lie, *calls))


@lies
def test_a_rename_that_was_performed_is_ours(tmp_path: Path, lie: Lie) -> None:
    """Kills: one witness. After a lost reply sshfs lists the past and NFS 4 looks up the past."""
    (tmp_path / "queued").mkdir()
    (tmp_path / "claimed").mkdir()
    source, target = tmp_path / "queued" / "a", tmp_path / "claimed" / "a"
    source.write_text("a")
    with lying(tmp_path, lie, "rename").mounted():
        assert fsio.move(source, target)
    assert (source.exists(), target.exists()) == (False, True)


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
def test_a_rename_that_was_not_performed_is_not_ours(tmp_path: Path, code: int) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("a")
    host = lying(tmp_path, Lie(code, late=9), "rename")
    with host.mounted():
        if code == errno.ENOENT:
            assert not fsio.move(source, target)
        else:
            with pytest.raises(OSError, match=os.strerror(code)):
                fsio.move(source, target)
    assert source.exists()


def test_a_rename_whose_target_cannot_be_looked_up_is_not_known(tmp_path: Path) -> None:
    """Kills: a look that fails is taken for "no"."""
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("a")
    looks = [0]

    def refuse(path: object, *args: object, **options: object) -> os.stat_result:
        looks[0] += 1
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    host = lying(tmp_path, Lie(errno.ENOENT, hidden_from="listings"), "rename")
    with host.mounted(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "lstat", stand_in("lstat", refuse))
        with pytest.raises(OSError, match="Input/output"):
            fsio.move(source, target)
    assert looks == [1]
    assert target.exists()


@lies
def test_a_link_that_was_performed_is_ours(tmp_path: Path, lie: Lie) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "outcomes").mkdir()
    part, target = tmp_path / "tmp" / "part", tmp_path / "outcomes" / "a"
    part.write_text("mine")
    with lying(tmp_path, lie, "link").mounted():
        assert fsio.publish(part, target)
    assert target.read_text() == "mine"


@pytest.mark.parametrize("lie", [lie for lie in PERFORMED if lie.hidden_from != "listings"], ids=str)
def test_a_removal_that_was_performed_is_none_to_complain_about(tmp_path: Path, lie: Lie) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    with lying(tmp_path, lie, "unlink").mounted():
        fsio.unlink_quietly(path)
    assert not path.exists()


def test_a_removal_that_one_of_two_witnesses_denies_is_an_error(tmp_path: Path) -> None:
    """Kills: an old "no such name" is taken for a removal. Repeating it is harmless."""
    path = tmp_path / "a"
    path.write_text("a")
    host = lying(tmp_path, Lie(errno.EIO, hidden_from="listings"), "unlink")
    with host.mounted(), pytest.raises(OSError, match="Input/output"):
        fsio.unlink_quietly(path)
    assert not fsio.unlink_quietly(path)


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.EACCES], ids=errno.errorcode.get)
def test_a_removal_that_was_not_performed_is_an_error(tmp_path: Path, code: int) -> None:
    path = tmp_path / "a"
    path.write_text("a")
    with lying(tmp_path, Lie(code, late=9), "unlink").mounted(), pytest.raises(OSError, match=os.strerror(code)):
        fsio.unlink_quietly(path)
    assert path.exists()


@lies
def test_a_replacement_that_was_performed_is_no_error(tmp_path: Path, lie: Lie) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with lying(tmp_path, lie, "replace").mounted():
        fsio.write_atomic(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a"]


@lies
def test_a_file_that_is_made_once_is_there_although_the_answers_lie(tmp_path: Path, lie: Lie) -> None:
    with lying(tmp_path, lie, "link").mounted():
        fsio.create(tmp_path / "a", mode=0o660)
    assert os.listdir(tmp_path) == ["a"]


@lies
@pytest.mark.parametrize("call", ["mkdir", "rename"])
def test_a_folder_that_was_made_is_there_although_the_answers_lie(tmp_path: Path, lie: Lie, call: str) -> None:
    with lying(tmp_path, lie, call).mounted():
        sharing.make_folder(tmp_path / "a", mode=0o770)
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o770
