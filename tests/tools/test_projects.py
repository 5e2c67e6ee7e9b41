"""Projects of `mpssl init`: their names, the commands shown, and data that move."""

import os
import shlex
import shutil
from pathlib import Path

import pytest
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.data.folder import list_images
from mpssl.plan.claim import claim, is_free, owner
from mpssl.tools import init_project
from tests.support.commands import fails, mpssl
from tests.support.pictures import draw_classes

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the user stands: a folder with images of two classes."""
    draw_classes(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(project, images="images", *more):
    return mpssl("init", project, "--images", images, "--foundation", "small", *more)


def experiment(project):
    return reading.load(Path(project) / "config.yaml").experiment


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("2024", "2024"),
        ("1e3", "1e3"),
        ("null", "null"),
        ("glyphs", "glyphs"),
        ("data", "data"),
        ("My Digits", "my-digits"),
        ("deep/er/x", "x"),
        ("mini", "results/mini has the results of config/mini.yaml; take another name"),
        ("Paper", "results/paper has the results of config/config.yaml; take another name"),
        ("七", "has no letter a-z or digit"),
    ],
)
def test_a_projects_name(place, project, expected):
    result = init(project)
    if " " in expected:
        fails(result, expected)
        assert not (place / project / "config.yaml").exists()
    else:
        assert experiment(project) == expected


def test_two_projects_of_one_name_have_results_of_their_own(place):
    init("x/dig")
    claim(Path("results/dig"), Path("x/dig"))  # as its first start does
    init("y/Dig")
    assert (experiment("x/dig"), experiment("y/Dig")) == ("dig", "dig-2")
    (place / "x/dig/config.yaml").unlink()
    init("x/dig")
    assert experiment("x/dig") == "dig"


def test_results_are_claimed_by_one_project(place):
    results, mine, other = Path("results/a"), Path("x/a"), Path("y/A")
    mine.mkdir(parents=True)
    other.mkdir(parents=True)
    assert is_free(results, mine) and owner(results) is None
    claim(results, mine)
    claim(results, mine)
    assert not is_free(results, other)
    with pytest.raises(UserError, match="results/a has the results of .*x/a; give y/A/config.yaml"):
        claim(results, other)
    mine.rename(place / "moved")
    claim(results, other)
    assert owner(results) == other.absolute()


@pytest.mark.parametrize("project", ["plain", "with blank", "it's"])
def test_the_commands_shown_are_quoted_and_work_where_the_user_stands(place, project):
    lines = init(project).stdout.splitlines()
    commands = [line.strip() for line in lines if line.startswith("  mpssl") or "snakemake" in line]
    plan, run = (shlex.split(command) for command in commands)
    assert plan == ["mpssl", "plan", "--config", f"{project}/config.yaml"]
    assert mpssl(*plan[1:]).returncode == 0
    assert run[run.index("--configfile") + 1] == f"{project}/config.yaml"
    assert run[run.index("--snakefile") + 1] == str(ROOT / "Snakefile")


def test_in_the_repository_the_command_names_no_snakefile(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert init_project.commands(Path("p"))[1] == "snakemake --cores all --configfile p/config.yaml"


@pytest.mark.parametrize(
    ("stand", "project", "more", "message"),
    [
        (".", "images/p", [], "the project images/p is inside the images' folder"),
        (".", "p", ["--unlabeled", "."], "the project p is inside the images' folder"),
        ("images", "../p", [], "results go to where you are, which is inside the images' folder"),
        ("images/cat", "../../p", [], "change to another folder first"),
    ],
)
def test_what_is_written_is_never_among_the_images(place, stand, project, more, message):
    words = ["init", project, "--images", place / "images", "--foundation", "small", *more]
    fails(mpssl(*words, cwd=place / stand), message)
    assert not list(place.rglob("config.yaml"))


# ------------------------------------------------------------------------------ names not in UTF-8


def undecodable(name):
    return os.fsdecode(name.encode("latin-1"))


@pytest.mark.parametrize(
    ("file", "shown"),
    [("images/cat/caf\xe9.png", r"caf\udce9.png"), ("images/caf\xe9/1.png", r"caf\udce9")],
)
def test_a_name_that_is_not_utf8_is_one_line(place, file, shown):
    path = place / undecodable(file)
    path.parent.mkdir(exist_ok=True)
    shutil.copy(place / "images/cat/0.png", path)
    fails(init("p"), f"{shown} is not UTF-8; rename it")


@pytest.mark.parametrize("command", ["init", "predict"])
def test_so_is_one_on_the_command_line(place, command):
    name = undecodable("caf\xe9")
    (place / name).mkdir()
    words = ["init", name, "--images", "images"] if command == "init" else ["predict", "m", name]
    fails(mpssl(*words), r"caf\udce9 is not UTF-8")


# ------------------------------------------------------------------------------------ excluded.csv


def test_the_folder_of_the_data_may_move(place):
    for name in ("images/cat/broken.png", "more/broken.png"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(b"nothing")
    Image.new("RGB", (9, 9), "red").save(place / "more/1.png")
    init("p", "images", "--unlabeled", "more")
    before = list_images(reading.load("p/config.yaml").datasets["p"])
    (place / "images").rename(place / "elsewhere")
    (place / "more").rename(place / "unlabeled")
    text = (place / "p/config.yaml").read_text()
    text = text.replace(f"{place}/images", f"{place}/elsewhere")
    (place / "p/config.yaml").write_text(text.replace(f"{place}/more", f"{place}/unlabeled"))
    after = list_images(reading.load("p/config.yaml").datasets["p"])
    for part, files in before.parts.items():
        assert [f.name for f in files] == [f.name for f in after.parts[part]]
        assert not any("broken" in f.name for f in files)


def test_a_copied_project_has_a_list_and_images_of_its_own(place):
    (place / "images").rename(place / "p")
    (place / "p/images").mkdir()
    for name in ("cat", "dog"):
        (place / "p" / name).rename(place / "p/images" / name)
    (place / "u").mkdir()
    Image.new("RGB", (9, 9), "red").save(place / "u/1.png")
    init("p", "p/images", "--unlabeled", "u")
    copy = shutil.copytree(place / "p", place / "else where/p")
    with open(copy / "excluded.csv", "a") as file:
        file.write("cat/3.png,path,blurred\n")
    (copy / "images/dog/0.png").unlink()

    def listed(project):
        return list_images(reading.load(project / "config.yaml").datasets["p"])

    before, after = listed(Path("p")), listed(copy)
    assert len(before.labels) == 20
    assert {f.relative_to(copy / "images") for f in after.labels} == {
        f.relative_to(place / "p/images") for f in before.labels
    } - {Path("cat/3.png"), Path("dog/0.png")}
    assert before.unlabeled == after.unlabeled == [place / "u/1.png"]  # outside of it
    result = mpssl("data-check", "--config", copy / "config.yaml", "p")
    assert "14 training and 4 test images" in result.stdout
    (place / "u").rename(place / "else where/u")
    text = (copy / "config.yaml").read_text().replace(f"{place}/u", "../u")
    (copy / "config.yaml").write_text(text)
    assert listed(copy).unlabeled == [place / "else where/u/1.png"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("file,place,reason\ncat/0.png,path,blurred\n", None),
        ("file\ncat/0.png\n", None),
        ("file\n{place}/images/cat/0.png\n", None),
        ("file\nimages/cat/0.png\n", "line 2: images/cat/0.png is no image of p"),
        ("file\ncat/0.png\ncat/77.png\n", "line 3: cat/77.png is no image of p"),
        (
            "file,place\n0.png,unlabeled\n",
            "line 2: the place is 'unlabeled'; this data",
        ),
        ("name\ncat/0.png\n", "has no column 'file' in its first line; its columns are name"),
    ],
)
def test_a_line_of_the_list_matches_an_image_or_is_an_error(place, lines, message):
    init("p")
    (place / "p/excluded.csv").write_text(lines.format(place=place))
    result = mpssl("data-check", "--config", "p/config.yaml", "p")
    if message is None:
        assert result.returncode == 0
        assert "15 training and 4 test images" in result.stdout
    else:
        fails(result, message)
