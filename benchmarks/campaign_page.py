"""The campaign's measurements as one Markdown page."""

from collections.abc import Callable, Iterable

NAMES = {
    "steps": "Time and memory of a step",
    "parts": "MP-SSL in parts",
    "calibration": "Every kind of step, under the configuration's own settings",
    "compiled": "Steps of compiled networks",
}


def page(found: dict) -> str:
    """All of it, section by section; a section that is not there yet is left out."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    parts = [
        f"# One step on {found['device']}",
        f"{found['memory_bytes'] / 1e9:.0f} GB of memory; {versions}; batch "
        f"{found['batch_size']}; random images and weights, nothing downloaded. Made by "
        "`python -m benchmarks.campaign`.",
    ]
    for section, entries in found["sections"].items():
        head, row = COLUMNS[section]
        lines = [[name, *_cells(row, entry, len(head))] for name, entry in entries.items()]
        parts += [f"## {NAMES.get(section, section.capitalize())}", _table(["", *head], lines)]
    for title, lines in (("Failures", found["failures"]), ("Not measured", found["not_measured"])):
        if lines:
            parts += [f"## {title}", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _cells(row: Callable[[dict], list[str]], entry: dict, count: int) -> list[str]:
    if "failed" in entry:
        return [str(entry["failed"]).replace("|", "/").replace("\n", " "), *[""] * (count - 1)]
    return row(entry)


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _step(entry: dict) -> list[str]:
    share = entry.get("share_of_matrix_rate")
    return [
        f"{1000 * entry['seconds_per_step']:.1f}",
        f"{entry['peak_bytes'] / 1e9:.2f}" if entry["peak_bytes"] else "",
        str(entry.get("images_per_pass", "")),
        "" if share is None else f"{100 * share:.0f}",
    ]


STEP = ["time (ms)", "peak memory (GB)", "images per pass", "share of the matrix rate (%)"]
ERRORS = [f"largest relative error in {name}" for name in ("float64", "float32")]
COLUMNS: dict[str, tuple[list[str], Callable[[dict], list[str]]]] = {
    "matrix rate": (
        ["matrix product (TFLOP/s)"],
        lambda entry: [f"{entry['operations_per_second'] / 1e12:.2f}"],
    ),
    "agreement": (
        ["losses and gradients that differ from the CPU's in float64", *ERRORS],
        lambda entry: [
            "; ".join(entry["wrong"]) or "none",
            *(f"{entry['largest_error'][name]:.0e}" for name in ("float64", "float32")),
        ],
    ),
    "steps": (STEP, _step),
    "parts": (STEP, _step),
    "calibration": (STEP, _step),
    "compiled": (
        ["time (ms)", "compilation (s)", "peak memory (GB)"],
        lambda entry: [
            f"{1000 * entry['seconds_per_step']:.1f}",
            f"{entry['seconds_of_compilation']:.1f}",
            f"{entry['peak_bytes'] / 1e9:.2f}" if entry["peak_bytes"] else "",
        ],
    ),
    "kernels": (
        ["longest kernels, share of all kernels' time (%)"],
        lambda entry: [
            "<br>".join(
                f"{100 * share:.1f} {name.replace('|', '/')}" for name, share in entry["longest"]
            )
        ],
    ),
    "determinism": (
        ["repeats bit for bit", "time (ms)"],
        lambda entry: ["yes", f"{1000 * entry['seconds_per_step']:.1f}"],
    ),
    "sharing": (
        ["alone (ms)", "two at once (ms)", "steps per second, two / one"],
        lambda entry: [
            f"{1000 * entry['seconds_per_step_1']:.1f}",
            f"{1000 * entry['seconds_per_step_2']:.1f}",
            f"{entry['gain']:.2f}",
        ],
    ),
    "data path": (
        ["images per second, on the device", "in the file"],
        lambda entry: [f"{entry['on the device']:,.0f}", f"{entry['in the file']:,.0f}"],
    ),
}
