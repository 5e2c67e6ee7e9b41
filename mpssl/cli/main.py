"""The `mpssl` command."""

import errno
import sys

import click

from mpssl.cli import steps, tools
from mpssl.common.errors import UserError
from mpssl.machine import preemption

SECTIONS = {"Commands": tools, "Steps of the pipeline, which snakemake calls": steps}


class Sections(click.Group):
    """A group whose help lists the commands of each of SECTIONS, in the modules' order."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, section by section."""
        return list(self.commands)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections, one line a command."""
        width = max(map(len, self.commands))
        for title, module in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(c.name.ljust(width), c.get_short_help_str(80)) for c in _commands(module)]
                )


def _commands(module) -> list[click.Command]:
    return [value for value in vars(module).values() if isinstance(value, click.Command)]


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mpssl")
def cli() -> None:
    """Generative semi-supervised learning, step by step; `snakemake` runs them all."""


for _module in SECTIONS.values():
    for _command in _commands(_module):
        cli.add_command(_command)


def main() -> None:
    """Run the command line; every mistake of the user ends as one line and exit code 2.

    A training run that a signal stopped ends with exit code 75: the same command goes on with it.
    """
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.Abort:
        sys.exit("mpssl: interrupted")
    except click.ClickException as error:
        _fail(error.format_message())
    except UserError as error:
        _fail(str(error))
    except preemption.Preempted as preempted:
        print(f"mpssl: preempted by {preempted}; run again to go on there", file=sys.stderr)
        sys.exit(preemption.EXIT_CODE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        where = f" writing {error.filename}" if error.filename else ""
        _fail(f"{error.strerror}{where}; mend that and run again, finished work is kept")


def _fail(message: str) -> None:
    print(f"mpssl: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)
