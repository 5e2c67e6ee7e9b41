"""The command `mpssl` as a person calls it, and how it must fail."""

import subprocess
import sys


def mpssl(*arguments, cwd="."):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mpssl", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def fails(result, *texts):
    """It ended with one clear line, which has all of `texts`; the line."""
    assert result.returncode == 2, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("mpssl: error: ")
    assert "Traceback" not in result.stderr
    for text in texts:
        assert text in last
    return last
