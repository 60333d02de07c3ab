"""A box for each end-to-end test: the installed `wf`, its own home and project, nothing left behind."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """An empty project."""
    with contextlib.closing(Box(tmp_path)) as made:
        yield made


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `wf init` and `wf set-model` make of an empty folder."""
    template = Box(tmp_path_factory.mktemp("template"))
    template.ok("init")
    template.ok("set-model", "gpt-5.2")
    template.close()
    return template.root


@pytest.fixture
def project(box: Box, initialised: Path) -> Box:
    """A project after `wf init` and `wf set-model`."""
    shutil.copytree(initialised, box.root, dirs_exist_ok=True)
    return box
