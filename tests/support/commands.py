"""The command `mpssl` as a person calls it, and how it must fail."""

import contextlib
import io
import sys
from subprocess import CompletedProcess
from unittest import mock

from mpssl.cli.main import main


def mpssl(*arguments, cwd=".") -> CompletedProcess:
    """Run the command in the folder `cwd`, in this process: a new one takes a second to start."""
    words = ["mpssl", *map(str, arguments)]
    output, errors, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", words),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return CompletedProcess(words, code, output.getvalue(), errors.getvalue())


def fails(result, *texts):
    """It ended with one clear line, which has all of `texts`; the line."""
    assert result.returncode == 2, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("mpssl: error: ")
    assert "Traceback" not in result.stderr
    for text in texts:
        assert text in last
    return last
