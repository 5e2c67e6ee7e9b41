"""Download files so that a download resumes, is verified before use, and unpacks safely."""

import errno
import gzip
import hashlib
import io
import shutil
import tarfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import urllib3
from filelock import FileLock
from tqdm import tqdm

from mpssl.common.errors import UserError
from mpssl.common.files import write_json
from mpssl.config.downloads import Download

CHUNK_BYTES = 1 << 16
TIMEOUT_S = (20, 60)  # to connect, and between two pieces
WAITS_S = (1, 4, 16)  # before each further round over the mirrors
# data.caltech.edu refuses clients without a usual name.
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; mpssl)", "Accept-Encoding": "identity"}
ARCHIVES = (".tgz", ".tar.gz", ".tar")
UNPACKED_TO_PACKED = 20  # images hardly compress, so an archive that gives more is hostile
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def fetch(download: Download, folder: Path, waits_s: tuple[float, ...] = WAITS_S) -> Path:
    """Download one file into `folder`, from the first of its mirrors that gives the right one.

    Each mirror has a partial file of another name, which is kept and resumed. Size and checksum
    are verified before the file gets its name. Only one process downloads a file, and others wait
    for it. Proxies are those of the environment.

    Args:
        download: name, mirrors in order, size and checksum of the file.
        folder: the file's folder; a right file that is already there is kept.
        waits_s: seconds before each further round over the mirrors.

    Returns:
        The path of the file.

    Raises:
        UserError: a wrong file is there, or no mirror gave the right one; the message gives the
            reason for each mirror.
    """
    target = folder / download.file
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{download.file}.lock"):
        if target.exists():
            if problem := difference(target, download):
                raise UserError(f"{target} is not the right file: it {problem}; delete it")
            return target
        partials = [folder / f".{download.file}.{i}.part" for i in range(len(download.urls))]
        reasons: dict[str, str] = {}
        for wait in (0, *waits_s):
            time.sleep(wait)
            for url, partial in zip(download.urls, partials, strict=True):
                try:
                    _stream(url, partial, download)
                    _accept(partial, download)
                except (
                    requests.RequestException,
                    urllib3.exceptions.HTTPError,
                    UnicodeError,
                    UserError,
                ) as error:
                    reasons[url] = str(error)
                    continue
                partial.replace(target)
                for other in partials:
                    other.unlink(missing_ok=True)
                return target
    listed = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    raise UserError(
        f"cannot download {download.file} ({listed}); fetch it yourself and put it at {target}"
    )


def difference(path: Path, download: Download) -> str:
    """Say how a file differs from the one that is wanted; the text is empty if it is right."""
    size = path.stat().st_size
    if download.bytes is not None and size != download.bytes:
        return f"has {size} bytes, expected {download.bytes}"
    for name, expected in (("sha256", download.sha256), ("md5", download.md5)):
        if expected is not None:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if not found.startswith(expected):  # torchvision publishes the first digits only
                return f"has {name} {found}, expected {expected}"
    return ""


def _accept(partial: Path, download: Download) -> None:
    """Raise UserError unless the file is right; remove a wrong one, keep one that is too short."""
    if problem := difference(partial, download):
        if download.bytes is None or partial.stat().st_size >= download.bytes:
            partial.unlink()
        raise UserError(f"{download.file} {problem}")


def _stream(url: str, partial: Path, download: Download) -> None:
    """Append to `partial` what it still lacks of the file at `url`.

    Raises:
        requests.RequestException: the server does not answer, or the connection breaks.
        UserError: the server sends more than the file has.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if download.bytes is not None and have >= download.bytes:
        return
    headers = HEADERS | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == 416:  # the file has no such bytes; `_accept` looks further
            return
        response.raise_for_status()
        start = have if response.status_code == 206 else 0
        total = start + int(response.headers.get("Content-Length", 0))
        limit = download.bytes if download.bytes is not None else float("inf")
        with (
            open(partial, "ab" if start else "wb") as file,
            tqdm(
                total=total or None,
                initial=start,
                unit="B",
                unit_scale=True,
                desc=download.file,
                disable=None,
            ) as bar,
        ):
            for chunk in response.iter_content(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
                if file.tell() > limit:
                    partial.unlink()
                    raise UserError(f"the server sends more than {download.bytes} bytes")


def prepare(downloads: list[Download], archives: Path, done: Path) -> None:
    """Download the files of a data set and unpack them, whole or not at all.

    Args:
        downloads: the files; those with an archive's suffix are unpacked, others are copied.
        archives: folder in which the downloaded files are kept.
        done: `NAME.json`, written last; the files go to the folder NAME beside it.

    Raises:
        UserError: a download failed, or an archive is damaged or hostile.
    """
    files = [fetch(download, archives) for download in downloads]
    folder = done.with_suffix("")
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)  # a stopped process may have left it
    try:
        new.mkdir(parents=True)
        for file in files:
            if file.name.endswith(ARCHIVES):
                unpack(file, new)
            else:
                shutil.copy(file, new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    write_json(done, [download.model_dump() for download in downloads])


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive, gzipped or plain, into `folder`.

    Nothing is written outside the folder, no link leads out of it, no special file is made, and no
    more data are written than images of that archive's size can hold. The archive is read to its
    end mark and checksum.

    Raises:
        UserError: the archive is damaged or hostile; what was unpacked so far is under `folder`.
    """
    limit = UNPACKED_TO_PACKED * archive.stat().st_size
    size = 0
    try:
        with _opened(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                size += member.size
                if size > limit:
                    raise UserError(
                        f"{archive} unpacks to more than {limit} bytes and is not trusted"
                    )
                tar.extract(member, folder, filter="data")
            # tarfile takes a damaged header, or the end of the file, for the end mark.
            if stream.last != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("it has no end mark")
            while stream.read(CHUNK_BYTES):
                pass  # at the end gzip compares its checksum
    except tarfile.FilterError as error:
        raise UserError(f"{archive} is not trusted: {error}") from None
    except (tarfile.TarError, EOFError, zlib.error, KeyError, ValueError, OSError) as error:
        if getattr(error, "errno", None) in DISK_ERRORS:
            raise
        reason = " ".join(str(error).split())
        raise UserError(f"{archive} is damaged ({reason}); delete it and run again") from None


class _Recording(io.BufferedReader):
    """A reader that remembers the last piece that it returned."""

    last = b""

    def read(self, size: int | None = -1) -> bytes:
        """Read as `io.BufferedReader.read` does."""
        self.last = super().read(size)
        return self.last


@contextmanager
def _opened(archive: Path) -> Iterator[_Recording]:
    """Open the tar stream in an archive, which is not always gzipped if its name says so."""
    with open(archive, "rb", buffering=0) as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield _Recording(gzip.GzipFile(fileobj=file) if zipped else file)
