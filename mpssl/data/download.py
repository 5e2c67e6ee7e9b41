"""Downloads that resume, are verified before they get their name, and unpack safely."""

import hashlib
import os
import shutil
import tarfile
import time
import zlib
from pathlib import Path

import requests
from filelock import FileLock
from tqdm import tqdm

from mpssl.config import Download
from mpssl.errors import UserError
from mpssl.files import write_json

CHUNK_BYTES = 1 << 20
TIMEOUT_S = (20, 60)  # to connect, and between two pieces
WAITS_S = (1, 4, 16)  # before each further round over the mirrors
# data.caltech.edu refuses clients without a usual name.
HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; mpssl)", "Accept-Encoding": "identity"}
UNPACKED_TO_PACKED = 20  # an archive of images does not shrink: more is a bomb


def fetch(download: Download, folder: Path, waits_s: tuple[float, ...] = WAITS_S) -> Path:
    """Download one file into `folder`, from the first of its mirrors that gives the right one.

    A partial file is kept under another name and resumed; size and checksum are verified before the
    file gets its name; only one process downloads a file, others wait for it. Proxies are those
    of the environment.

    Args:
        download: name, mirrors in order, size and checksum of the file.
        folder: where it goes.
        waits_s: seconds before each further round over the mirrors.

    Returns:
        The path of the file.

    Raises:
        UserError: no mirror gave the right file; the message has each one's reason.
    """
    target = folder / download.file
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{download.file}.lock"):
        if target.exists():
            return target
        partial = folder / f".{download.file}.part"
        for wait in (0, *waits_s):
            time.sleep(wait)
            reasons = []
            for url in download.urls:
                try:
                    _stream(url, partial, download)
                    verify(partial, download)
                except (requests.RequestException, UserError) as error:
                    reasons.append(f"{url}: {error}")
                else:
                    partial.replace(target)
                    return target
    raise UserError(
        f"cannot download {download.file} ({'; '.join(reasons)}); "
        f"fetch it yourself and put it at {target}"
    )


def verify(path: Path, download: Download) -> None:
    """Compare size and checksum; a file that is wrong is removed.

    Raises:
        UserError: they differ.
    """
    size = path.stat().st_size
    problem = ""
    if download.bytes is not None and size != download.bytes:
        problem = f"has {size} bytes, expected {download.bytes}"
    for name, expected in (("sha256", download.sha256), ("md5", download.md5)):
        if not problem and expected is not None:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, name).hexdigest()
            if found != expected:
                problem = f"has {name} {found}, expected {expected}"
    if problem:
        path.unlink()
        raise UserError(f"{download.file} {problem}")


def _stream(url: str, partial: Path, download: Download) -> None:
    """Append what is missing of `url` to `partial`.

    Raises:
        requests.RequestException: the server does not answer, or the connection breaks.
        UserError: the server sends more than the file has.
    """
    have = partial.stat().st_size if partial.exists() else 0
    if download.bytes is not None and have >= download.bytes:
        return
    headers = HEADERS | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
        if response.status_code == 416:  # nothing is missing, or the part is not of this file
            return
        response.raise_for_status()
        resumed = response.status_code == 206
        total = int(response.headers.get("Content-Length", 0)) + (have if resumed else 0)
        limit = download.bytes if download.bytes is not None else float("inf")
        with (
            open(partial, "ab" if resumed else "wb") as file,
            tqdm(
                total=total or None,
                initial=have if resumed else 0,
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
                    raise UserError(f"the server sends more than {download.bytes} bytes")


def prepare(downloads: list[Download], archives: Path, done: Path) -> None:
    """Download the files of a data set and unpack them, whole or not at all.

    Args:
        downloads: archives are unpacked, other files copied.
        archives: where the downloaded files are kept.
        done: `NAME.json`, written last; the files go to the folder NAME beside it.

    Raises:
        UserError: a download failed, or an archive is damaged or hostile.
    """
    files = [fetch(download, archives) for download in downloads]
    folder = done.with_suffix("")
    new = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        new.mkdir(parents=True)
        for file in files:
            if tarfile.is_tarfile(file):
                unpack(file, new)
            else:
                shutil.copy(file, new)
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    write_json(done, [download.model_dump() for download in downloads])


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar archive into `folder`.

    No member leaves the folder, no links out of it, no special files, and not more data than
    images of that archive's size can hold.

    Raises:
        UserError: the archive is damaged or hostile; what was unpacked so far is under `folder`.
    """
    limit = UNPACKED_TO_PACKED * archive.stat().st_size
    size = 0
    try:
        # Some of the archives named .tar.gz are said to be plain tar: look inside.
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                size += member.size
                if size > limit:
                    raise UserError(f"{archive} unpacks to more than {limit} bytes; not trusted")
                tar.extract(member, folder, filter="data")
    except tarfile.FilterError as error:
        raise UserError(f"{archive} is not trusted: {error}") from None
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if getattr(error, "errno", None):  # the disk's fault, not the archive's
            raise
        raise UserError(f"{archive} is damaged ({error}); delete it and run again") from None
