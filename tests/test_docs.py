"""Links of the documentation lead somewhere, and the paths that it names exist."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from mpssl.plan.experiment import Experiment

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    file
    for pattern in ("README.md", "CONTRIBUTING.md", "*/README.md", "docs/**/*.md")
    for file in ROOT.glob(pattern)
)
FOLDERS = ("mpssl/", "config/", "docs/", "tests/", "benchmarks/", "examples/", "workflow/")
# `config/NAME.yaml`, `docs/<page>.md`, `workflow/rules/*.smk`: any file of that form will do.
PLACEHOLDER = re.compile(r"<[^>]*>|\{[^}]*\}|\.\.\.|\*+|\b(?!README\b)[A-Z][A-Z_]+\b")


def tokens(text: str) -> Iterator[Token]:
    """The parts of a page; what is in blocks of code is no link."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield token
        yield from token.children or []


@cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    found: dict[str, int] = {}
    parts = list(tokens(page.read_text()))
    for opening, heading in zip(parts, parts[1:], strict=False):
        if opening.type == "heading_open":
            text = "".join(part.content for part in heading.children)
            name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found[name] = found.get(name, -1) + 1
    return {f"{name}-{n}" if n else name for name, last in found.items() for n in range(last + 1)}


def broken_links(page: Path) -> list[str]:
    """Relative links and images of a page that lead nowhere."""
    links = [
        part.attrs[key]
        for part in tokens(page.read_text())
        for key in ("href", "src")
        if key in part.attrs
    ]
    broken = []
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = page.parent / place if place else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_paths(page: Path, root: Path) -> list[str]:
    """Paths in backticks that no file of the repository has."""
    codes = [part.content for part in tokens(page.read_text()) if part.type == "code_inline"]
    paths = [code.split()[0].split("::")[0] for code in codes if code.startswith(FOLDERS)]
    return [
        path
        for path in paths
        if not (root / path).exists()
        and not (PLACEHOLDER.search(path) and any(root.glob(PLACEHOLDER.sub("*", path))))
    ]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert broken_links(page) == []


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_backticks_exist(page):
    assert missing_paths(page, ROOT) == []


def test_the_navigation_lists_every_page():
    def pages(entry):
        if isinstance(entry, str):
            return [entry]
        parts = entry.values() if isinstance(entry, dict) else entry
        return [page for part in parts for page in pages(part)]

    listed = pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    there = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(there)


@pytest.fixture
def page(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "mpssl/training").mkdir(parents=True)
    (tmp_path / "mpssl/training/train.py").touch()
    (tmp_path / "docs/other.md").write_text("# Two words\n\n## `One`, twice\n\n## One, twice\n")
    return tmp_path / "docs/page.md"


@pytest.mark.parametrize(
    "text, broken",
    [
        ("[a](other.md)", []),
        ("[a](other.md#two-words) and ![b](../mpssl/training)", []),
        ("[a](other.md#one-twice) [b](other.md#one-twice-1)", []),
        ("# Here\n\n[a](#here)", []),
        ("[a](https://example.org/absent.md)", []),
        ("`[a](absent.md)`\n\n    [a](absent.md)\n", []),
        ("[a](absent.md)", ["absent.md"]),
        ("![a](absent.png)", ["absent.png"]),
        ("[`a`][1]\n\n[1]: absent.md", ["absent.md"]),
        ("| a |\n|---|\n| [b](absent.md) |", ["absent.md"]),
        ("[a](#absent)", ["#absent"]),
        ("[a](other.md#three-words)", ["other.md#three-words"]),
        ("[a](other.md#one-twice-2)", ["other.md#one-twice-2"]),
    ],
)
def test_broken_links_are_found(page, text, broken):
    page.write_text(text)
    anchors.cache_clear()
    assert broken_links(page) == broken


@pytest.mark.parametrize(
    "text, missing",
    [
        ("`mpssl/training/train.py` and `mpssl/training/`", []),
        ("`mpssl/training/train.py::train` of `mpssl/*/train.py`", []),
        ("`mpssl/training/NAME.py`, `mpssl/<room>/train.py`, `mpssl/{data,training}/train.py`", []),
        ("`results/mini/absent.html` and `mpssl train`", []),
        ("    mpssl/absent.py\n", []),
        ("`mpssl/train.py`", ["mpssl/train.py"]),
        ("`mpssl/training/absent.py --fast`", ["mpssl/training/absent.py"]),
        ("| a |\n|---|\n| `tests/absent.py` |", ["tests/absent.py"]),
        ("`config/NAME.yaml`", ["config/NAME.yaml"]),
        ("`mpssl/README.md`", ["mpssl/README.md"]),
    ],
)
def test_missing_paths_are_found(page, text, missing):
    page.write_text(text)
    assert missing_paths(page, page.parent.parent) == missing


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "api.html").read_text()
    assert "One training step; returns what to record" in page
    loaded = re.findall(r'<(?:script|link|img)\b[^>]*(?:src|href)="(https?://[^"]*)', page)
    assert not loaded, "the site asks the network"


def fenced(page: str, language: str) -> list[str]:
    """The blocks of code in one language on a page of the documentation."""
    parts = tokens((ROOT / "docs" / page).read_text())
    return [part.content for part in parts if part.type == "fence" and part.info == language]


def test_quoted_code_is_in_the_files():
    files = [
        "benchmarks/plain.py",
        *(f"mpssl/training/{f}.py" for f in ("meta_gradient", "sources/lmo")),
    ]
    there = {line.strip() for file in files for line in (ROOT / file).read_text().splitlines()}
    quoted = [
        line.strip() for block in fenced("method.md", "python") for line in block.splitlines()
    ]
    assert len(quoted) > 15
    assert [line for line in quoted if line not in there] == []


def test_the_worked_examples_lines_are_a_valid_experiment(tmp_path):
    (lines,) = fenced("worked-example.md", "yaml")
    text = (ROOT / "config/mini.yaml").read_text()
    text = re.sub(r"(?m)^experiment: .*", "experiment: pssl_scr", text)
    text = re.sub(r"(?m)^wanted: .*", "wanted: [pssl_objectives]", text)
    (tmp_path / "my_pssl_scr.yaml").write_text(text + "\n" + lines)
    plan = Experiment.load(tmp_path / "my_pssl_scr.yaml").plan
    cells = plan.wanted_cells()
    assert [cell.dataset for cell in cells] == ["mnist"] * 3
    assert len(list(plan.runs(cells))) == 15
