"""Every work-around says when it can go."""

import re
from pathlib import Path

import pytest

MODULES = [path for path in Path("mpssl/compat").glob("*.py") if path.stem != "__init__"]
KNOWN = r"\b(issue|pull request) \d+"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_work_around_says_when_to_delete_it(path):
    documentation = path.read_text().split('"""')[1]
    assert "\n\nDelete when: " in documentation
    condition = " ".join(documentation.partition("Delete when: ")[2].split())
    assert re.search(KNOWN, condition) or "No upstream issue is known" in condition


def test_insides_of_torch_and_kornia_are_used_here_alone():
    for path in set(Path("mpssl").rglob("*.py")) - set(MODULES):
        found = re.findall(r"\b(?:torch|kornia|nn)(?:\.\w+)*\._[A-Za-z]\w*", path.read_text())
        assert not found, path
