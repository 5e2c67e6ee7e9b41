"""Files from the network that a part of the configuration needs."""

from typing import Annotated

from pydantic import Field, StringConstraints

from mpssl.config.fields import Closed, Count


class Download(Closed):
    """One file of a data set or of pretrained weights, and how to know that it is the right one."""

    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="Name of the file on the disk, without a folder.",
        examples=["resnet18-f37072fd.pth"],
    )
    urls: list[str] = Field(
        min_length=1, description="Addresses that hold the file: mirrors, tried in order."
    )
    bytes: Count | None = Field(
        None, description="Size of the file in bytes; it is not checked if this is empty."
    )
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{8,16}|[0-9a-f]{64})$")] | None = (
        Field(
            None,
            description="Digest SHA-256 of the file: all of its 64 hexadecimal digits, or the "
            "first 8 to 16, which torchvision writes into the names of its files.",
        )
    )
    md5: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = Field(
        None, description="Digest MD5 of the file, 32 hexadecimal digits."
    )


class Downloadable(Closed):
    """A part of the configuration that may need files from the network."""

    @property
    def to_download(self) -> list[Download]:
        """The files that must be downloaded."""
        return []
