"""Archives are unpacked whole or refused: damaged, hostile, or no archives."""

import gzip
import io
import json
import random
import tarfile
import zlib

import pytest

from mpssl.common.errors import UserError
from mpssl.config.data import Download
from mpssl.data import download
from mpssl.data.download import prepare, unpack
from tests.support.official_files import tar

NAME = "data.tgz"
BODY = random.Random(0).randbytes(300_000)
MEMBERS = {"a/one.jpg": BODY[:5000], "a/b/two words.jpg": BODY[5000:12000], "list.txt": b"one\n"}
CONTENT = tar(MEMBERS)


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def member(name, content=b"", **fields):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in fields.items():
        setattr(entry, key, value)
    return entry, content


def archive(*members, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for entry, content in members:
            file.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def flip(content, place):
    return content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]


@pytest.fixture
def put(tmp_path):
    """A function: an archive that was put in place by hand, as a list of downloads."""

    def place(content, name=NAME):
        (tmp_path / "archives").mkdir(exist_ok=True)
        (tmp_path / "archives" / name).write_bytes(content)
        return Download(file=name, urls=["http://127.0.0.1:9/never-asked"])

    return place


def nothing_left(tmp_path):
    """prepare() made no data set, and kept no temporary folder."""
    folder = tmp_path / "data"
    return not folder.exists() or list(folder.iterdir()) == []


def refuses(tmp_path, file, *texts):
    with pytest.raises(UserError) as caught:
        prepare([file], tmp_path / "archives", tmp_path / "data/set.json")
    assert nothing_left(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} <= {"archives", "data"}
    message = str(caught.value)
    assert "\n" not in message
    for text in (tmp_path / "archives" / file.file, *texts):
        assert str(text) in message


@pytest.mark.parametrize("compress", [True, False], ids=["gzip", "plain tar"])
def test_unpacks(tmp_path, compress):
    path = tmp_path / "data.tar.gz"
    path.write_bytes(tar(MEMBERS, compress=compress))
    unpack(path, tmp_path / "new")
    assert tree(tmp_path / "new") == MEMBERS


def test_prepare_makes_the_folder_and_then_the_marker(tmp_path, put, monkeypatch):
    seen = []
    write_json = download.write_json

    def record(path, content):
        seen.append(sorted(p.name for p in path.parent.iterdir()))
        write_json(path, content)

    monkeypatch.setattr(download, "write_json", record)
    files = [put(CONTENT), put(tar({"c/x.jpg": b"x"}, compress=False), "more.tar.gz")]
    files.append(put(b"no archive", "labels.mat"))
    done = tmp_path / "data/set.json"
    prepare(files, tmp_path / "archives", done)
    expected = MEMBERS | {"c/x.jpg": b"x", "labels.mat": b"no archive"}
    assert tree(tmp_path / "data/set") == expected
    assert seen == [["set"]]
    assert json.loads(done.read_text()) == [file.model_dump() for file in files]
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["set", "set.json"]
    assert len(list((tmp_path / "archives").glob("[!.]*"))) == 3


def test_prepare_replaces_an_older_folder(tmp_path, put):
    old = tmp_path / "data/set"
    (old / "a").mkdir(parents=True)
    (old / "a/stale.jpg").write_bytes(b"old")
    prepare([put(CONTENT)], tmp_path / "archives", tmp_path / "data/set.json")
    assert tree(old) == MEMBERS


def test_a_failure_keeps_the_older_folder(tmp_path, put):
    done = tmp_path / "data/set.json"
    prepare([put(CONTENT)], tmp_path / "archives", done)
    done.unlink()  # as Snakemake does before it runs the rule again
    with pytest.raises(UserError):
        prepare([put(CONTENT[:9000])], tmp_path / "archives", done)
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["set"]
    assert tree(tmp_path / "data/set") == MEMBERS


COMPRESSED = gzip.compress(tar(MEMBERS, compress=False), mtime=0)
PLAIN = tar(MEMBERS, compress=False)
NUMBERS = "".join(f"{n * n}\n" for n in range(9000)).encode()
TEXT = gzip.compress(tar({"list.txt": NUMBERS}, compress=False), mtime=0)


def undecodable(content):
    """The compressed data itself is wrong, not only what comes out."""
    try:
        zlib.decompressobj(-zlib.MAX_WBITS).decompress(content[10:])  # after gzip's header
    except zlib.error:
        return True
    return False


DAMAGED = {
    "gzip cut": COMPRESSED[:-3000],
    "stored gzip cut": CONTENT[: len(CONTENT) // 2],
    "plain tar cut": PLAIN[: PLAIN.index(b"list.txt") - 3000],
    "bit of compressed text": next(
        filter(undecodable, (flip(TEXT, n) for n in range(len(TEXT) // 2, len(TEXT))))
    ),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_archive_is_refused(tmp_path, put, content):
    refuses(tmp_path, put(content), "is damaged", "delete it and run again")


def header(name):
    """The place of a member's header in the plain archive."""
    return PLAIN.rindex(name.encode(), 0, PLAIN.index(MEMBERS[name]))


UNDETECTED = {
    "gzip without its end": COMPRESSED[:-4],
    "bit of compressed data": flip(COMPRESSED, 4000),
    "checksum of the gzip": flip(COMPRESSED, len(COMPRESSED) - 6),
    "bit of stored gzip": flip(CONTENT, CONTENT.index(BODY[:500]) + 100),
    "bit of a later header": flip(PLAIN, header("list.txt")),
    "cut before a later header": PLAIN[: header("list.txt")],
    "cut in a later header": PLAIN[: header("list.txt") + 100],
}


@pytest.mark.parametrize("content", UNDETECTED.values(), ids=UNDETECTED)
def test_damage_that_tarfile_overlooks_is_refused(tmp_path, put, content):
    refuses(tmp_path, put(content), "is damaged")


NO_ARCHIVE = {
    "web page": b"<!DOCTYPE html>\n<html><body>log in</body></html>\n",
    "first bytes only": COMPRESSED[:100],
    "nothing": b"",
    "first header damaged": flip(PLAIN, 3),
}


@pytest.mark.parametrize("content", NO_ARCHIVE.values(), ids=NO_ARCHIVE)
def test_an_archive_in_name_only_is_refused(tmp_path, put, content):
    refuses(tmp_path, put(content), "is damaged")


OUTSIDE = {
    "parent": archive(member("a.jpg", BODY), member("../evil.txt", b"evil")),
    "deep parent": archive(member("a/../../evil.txt", b"evil")),
    "symlink": archive(member("out", type=tarfile.SYMTYPE, linkname="..")),
    "absolute symlink": archive(member("out", type=tarfile.SYMTYPE, linkname="/etc")),
    "through a symlink": archive(
        member("a/up", type=tarfile.SYMTYPE, linkname=".."),
        member("a/up/further", type=tarfile.SYMTYPE, linkname="../.."),
        member("a/up/further/evil.txt", b"evil"),
    ),
    "hard link": archive(member("out", type=tarfile.LNKTYPE, linkname="../../archives/data.tgz")),
    "device": archive(member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "pipe": archive(member("pipe", type=tarfile.FIFOTYPE)),
}


@pytest.mark.parametrize("content", OUTSIDE.values(), ids=OUTSIDE)
def test_a_hostile_archive_is_refused(tmp_path, put, content):
    refuses(tmp_path, put(content), "is not trusted")


def test_an_absolute_path_stays_inside(tmp_path, put):
    """The leading slash is dropped, as GNU tar does."""
    outside = tmp_path / "outside/evil.txt"
    file = put(archive(member(str(outside), b"evil")))
    prepare([file], tmp_path / "archives", tmp_path / "data/set.json")
    assert not outside.exists()
    assert tree(tmp_path / "data/set") == {str(outside)[1:]: b"evil"}


def test_links_inside_are_kept(tmp_path, put):
    file = put(
        archive(
            member("a/x.jpg", BODY),
            member("a/same.jpg", type=tarfile.LNKTYPE, linkname="a/x.jpg"),
            member("b/soft.jpg", type=tarfile.SYMTYPE, linkname="../a/x.jpg"),
        )
    )
    prepare([file], tmp_path / "archives", tmp_path / "data/set.json")
    names = ("a/x.jpg", "a/same.jpg", "b/soft.jpg")
    assert tree(tmp_path / "data/set") == dict.fromkeys(names, BODY)


@pytest.mark.parametrize("sizes", [[4_000_000], [100_000] * 40], ids=["one", "many"])
def test_a_bomb_is_refused(tmp_path, put, sizes):
    zeros = [member(f"{i}.jpg", bytes(size)) for i, size in enumerate(sizes)]
    file = put(archive(*zeros, mode="w:gz"))
    refuses(tmp_path, file, "unpacks to more than", "not trusted")


INCONSISTENT = {
    "hard link to nothing": archive(member("a", type=tarfile.LNKTYPE, linkname="b")),
    "file as folder": archive(member("a", b"x" * 2000), member("a/b", b"y")),
    "name too long": archive(member("a" * 300, b"x" * 2000)),
}


@pytest.mark.parametrize("content", INCONSISTENT.values(), ids=INCONSISTENT)
def test_an_archive_that_contradicts_itself_is_refused(tmp_path, put, content):
    refuses(tmp_path, put(content))


def test_a_full_disk_is_not_the_archives_fault(tmp_path, put, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extract", full)
    with pytest.raises(OSError, match="No space left") as caught:
        prepare([put(CONTENT)], tmp_path / "archives", tmp_path / "data/set.json")
    assert not isinstance(caught.value, UserError)
    assert nothing_left(tmp_path)
