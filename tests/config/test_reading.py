"""Reading configuration files: every mistake is one line that names the key and the remedy."""

import json
import os

import pytest
import yaml

from mpssl.common.errors import UserError
from mpssl.common.files import write_made
from mpssl.config import reading
from mpssl.config.reading import load, read_yaml, resolve
from mpssl.shipped import INCLUDED, INCLUDED_KEYS


def message(call, *arguments):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("path", ["config/config.yaml", "config/mini.yaml"])
def test_the_experiments_load(path):
    config = load(path)
    assert resolve(config.model_dump(mode="json")) == config  # as the jobs read it again


def test_methods_and_tables_are_the_shipped_ones_unless_given(content):
    assert set(resolve(content).tables) == {"first", "second"}
    content["roles"]["datasets"]["additional"] = ["digits"]
    content["roles"]["fractions"]["small"] = [10]
    content["roles"]["architectures"]["larger"] = ["resnet14"]
    del content["methods"], content["tables"], content["figures"]
    config = resolve(content)
    assert config.method("generative/mpssl/no_lmo")[0].source == "uniform"
    assert set(config.tables) == {
        "controls",
        "uses_of_images",
        "views_and_images",
        *(f"table{n}" for n in range(1, 12)),
    }


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("experimnet", "experiment"),
        ("training.learning_rat", "learning_rate"),
        ("lmo.mapper.hiden", "hidden"),
        ("lmo.gap_wieght", "gap_weight"),
        ("objectives.freematch.fairness_wieght", "fairness_weight"),
        ("augmentation.strong.randaugment.operation", "operations"),
        ("roles.architecture", "architectures"),
        ("tables.first.tilte", "title"),
        ("methods.oracle.fixmatch.objectiv", "objective"),
    ],
)
def test_misspelt_keys(changed, key, suggestion):
    text = message(resolve, changed(key, 1))
    assert f"unknown key '{key}'; did you mean '{suggestion}'?" in text


def test_misspelt_key_of_a_data_set(changed):
    text = message(resolve, changed("datasets.mnist.pool_sizes", 1))
    assert "pool_sizes'; did you mean 'pool_size'?" in text
    assert "datasets.mnist" in text


def test_misspelt_key_of_a_variant(changed):
    variant = {"label": "x", "lmo": {"converter": {"temprature": 1}}}
    key = "methods.generative.mpssl.variants.new"
    text = message(resolve, changed(key, variant))
    assert "converter.temprature'; did you mean 'temperature'?" in text


@pytest.mark.parametrize("key", ["seed", "dataset", "training.steps"])
def test_a_key_at_the_wrong_place_is_not_its_own_suggestion(changed, key):
    text = message(resolve, changed(key, 1))
    assert f"did you mean '{key.split('.')[-1]}'?" not in text


def test_a_negative_weight_is_called_negative(changed):
    assert "greater than or equal to 0" in message(resolve, changed("unlabeled_weight", -1))


def test_value_out_of_range_names_key_and_value(changed):
    text = message(resolve, changed("training.epochs", 0))
    assert text == (
        "configuration: training.epochs: Input should be greater than or equal to 1 (found: 0)"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {"foundation": {"generator": {"kind": "shiped"}, "classifier": {"kind": "shiped"}}},
            "foundation.generator: Input tag 'shiped' found using 'kind' does not match",
        ),
        (
            {"training": {"epochs": -1, "batch_size": -1}},
            "training.epochs: Input should be greater than or equal to 1 (found: -1)",
        ),
        ({"seeds": ["x", "x"]}, "seeds.0: Input should be a valid integer (found: 'x')"),
        (
            {"unlabeled_weight": "serach"},
            "unlabeled_weight: Input should be 'search', or: Input should be a valid number, "
            "or: Input should be an object",
        ),
    ],
)
def test_the_same_mistake_at_two_keys_is_said_of_the_first(content, change, text):
    said = message(resolve, content | change)
    assert said.startswith(f"configuration: {text}") and said.count("Input") == text.count("Input")


def test_a_section_that_its_own_check_refuses_is_not_printed(changed):
    make = {"kind": "diffusers", "model": "some/model"}
    text = message(resolve, changed("foundation.generator", make))
    assert text.startswith("configuration: foundation.generator.diffusers: model: some/model is")
    assert "found" not in text.replace("foundation", "")
    assert "(found: {'a': 1})" in message(resolve, changed("training.epochs", {"a": 1}))


def test_unknown_name(changed):
    text = message(resolve, changed("wanted", ["frist"]))
    assert text == "configuration: wanted: unknown name 'frist'; did you mean 'first'?"


def test_missing_key(content):
    del content["experiment"]
    assert message(resolve, content) == "configuration: the key 'experiment' is missing"


def test_the_file_is_named(changed, tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text(yaml.safe_dump(changed("threads", 0)))
    assert message(load, path).startswith(f"{path}: threads: ")
    path.write_text(yaml.safe_dump(changed("threads", 2)))
    assert load(path).threads == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1,", "is not valid YAML"),
        ("a: 1\n b: 2", "is not valid YAML"),
        ("a: \x00", "is not valid YAML"),
        ("a: !!python/object:os.system {}", "is not valid YAML"),
        ("- a\n- b", "expected 'key: value' lines, found list"),
        ("just text", "expected 'key: value' lines, found str"),
        ("", "expected 'key: value' lines, found NoneType"),
    ],
)
def test_bad_yaml(tmp_path, text, expected):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    found = message(read_yaml, path)
    assert expected in found
    assert str(path) in found


@pytest.mark.parametrize("text", ["experiment: 2020-13-45", "threads: !!int many"])
def test_values_that_yaml_cannot_build(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    assert "is not valid YAML" in message(read_yaml, path)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_bytes(b"\xff\xfe\x81")
    assert "is not valid YAML" in message(read_yaml, path)


def test_missing_file(tmp_path):
    path = tmp_path / "none.yaml"
    assert message(load, path) == f"cannot read the configuration {path}: No such file or directory"
    assert "cannot read the configuration" in message(load, tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "the key 'a' is twice"),
        ("b: {a: 1, a: 2}\n", "the key 'a' is twice"),
        ("a: " + "[" * 9000, "nested too deep"),
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n", None),
        ("#" * 2**20 + "\na: 1\n", "larger than 1048576 bytes"),
    ],
)
def test_repeated_keys_nesting_and_size(tmp_path, text, expected):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    if expected is None:
        assert read_yaml(path) == {"a": [1] * 10}
    else:
        assert expected in message(read_yaml, path)


def test_merged_keys_and_aliases_are_allowed(tmp_path):
    text = "a: &a {x: 1, y: 2}\nd: {e: {f: &f {<<: *a, x: 3}}}\nb: {<<: *f, x: 4}\nc: *a\n"
    (tmp_path / "my.yaml").write_text(text)
    found = read_yaml(tmp_path / "my.yaml")
    assert found["a"] == found["c"] == {"x": 1, "y": 2}
    assert (found["d"]["e"]["f"], found["b"]) == ({"x": 3, "y": 2}, {"x": 4, "y": 2})


def test_a_value_inside_itself_is_refused(tmp_path):
    (tmp_path / "my.yaml").write_text("lmo: &a [*a]\n")
    assert "nested too deep, or in themselves" in message(load, tmp_path / "my.yaml")


def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "it is no file" in message(read_yaml, tmp_path / "pipe")
    assert "it is no file" in message(read_yaml, "/dev/zero")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threads", True),
        ("threads", "2"),
        ("tensorboard", 1),
        ("tensorboard", "yes"),
        ("training.learning_rate", True),
        ("training.learning_rate", "0.1"),
        ("training.learning_rate", "1e999"),
        ("lmo.converter.redraw_noise", "true"),
        ("methods.generative.mpssl.variants.tau.lmo", {"gap_weight": True}),
        ("datasets.mnist.title", b"MNIST"),
        ("seeds", (1, 2)),
        ("experiment", "x" * 101),
        ("packing.size", 10_001),
    ],
)
def test_values_of_another_type_are_refused(changed, key, value):
    assert key.split(".")[-1] in message(resolve, changed(key, value))


@pytest.mark.parametrize("value", [b"x", float("nan"), {1: 2}, {1}])
def test_values_deep_inside_are_refused(changed, value):
    generator = {"kind": "python", "entry": "a:b", "options": {"a": [[{"b": value}]]}}
    message(resolve, changed("foundation.generator", generator))


def test_a_number_that_yaml_1_1_reads_as_a_text(changed):
    assert resolve(changed("training.learning_rate", "1e-4")).training.learning_rate == 1e-4


@pytest.mark.parametrize(
    "change",
    [
        {"adapter": "dtd", "root": "../../etc"},
        {"adapter": "dtd", "root": "/etc"},
        {"adapter": "dtd", "path": ""},
        {"adapter": "dtd", "path": "x" * 256},
        {"adapter": "dtd", "downloads": [{"file": "../x", "urls": ["http://localhost/x"]}]},
    ],
)
def test_paths_that_lead_elsewhere(changed, change):
    (key,) = change.keys() - {"adapter"}
    assert key in message(resolve, changed("datasets.x", change | {"title": "X"}))


def test_messages_are_one_short_line(changed):
    assert "\x1b" not in message(resolve, changed("a\n\x1b[31mb", 1))
    assert len(message(resolve, changed("threads", "x" * 10_000))) < 600


# --------------------------------------------------------------------- what Snakemake has written


def made(path, content):
    """The resolved configuration, as Snakemake's jobs find it."""
    write_made(path, resolve(content).model_dump(mode="json"))
    return path


def test_the_jobs_read_the_resolved_configuration_without_yaml(content, tmp_path, monkeypatch):
    path, expected = made(tmp_path / "config.json", content), resolve(content)

    def refused(path):
        raise AssertionError(f"{path} was read as YAML")

    monkeypatch.setattr(reading, "read_yaml", refused)
    reading._included.cache_clear()
    assert load(path) == expected


def test_an_edited_resolved_configuration_is_refused(content, tmp_path):
    path = made(tmp_path / "config.json", content)
    path.write_text(path.read_text().replace('"epochs": 200', '"epochs": 100'))
    assert "config.json is missing or damaged" in message(load, path)


def test_a_configuration_in_json_may_be_a_persons(content, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(content))
    assert load(tmp_path / "mine.json") == resolve(content)
    (tmp_path / "mine.json").write_text('{"a": 1, "a": 2}')
    assert "the key 'a' is twice in one mapping" in message(load, tmp_path / "mine.json")
    assert "No such file" in message(load, tmp_path / "none.json")


def test_the_shipped_files_have_the_keys_that_complete_a_configuration():
    assert {key for path in INCLUDED for key in read_yaml(path)} == INCLUDED_KEYS
