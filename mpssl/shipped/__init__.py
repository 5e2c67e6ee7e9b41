"""Data that the package carries: methods, tables, claims, data sets, the paper's values."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parent
INCLUDED = [SHIPPED / f"{name}.yaml" for name in ("datasets", "methods", "tables", "claims")]
INCLUDED_KEYS = {"datasets", "methods", "tables", "figures", "claims"}  # of those files
SCHEMA = SHIPPED / "config.schema.json"
PAPER_RESULTS = SHIPPED / "paper_results.csv"
TORCHVISION = SHIPPED / "torchvision.csv"  # made by benchmarks/list_torchvision.py
TIMM_MODELS = SHIPPED / "timm.csv"  # made by benchmarks/list_timm.py
OWN_DATA_TEMPLATE = SHIPPED / "own-data.yaml.jinja"
PRESETS = SHIPPED / "presets"  # links to experiments of config/; a wheel has their text
FOUNDATION = SHIPPED / "foundation"  # made by `make foundation`
FOUNDATION_CHECKSUMS = FOUNDATION / "checksums.json"
FOUNDATION_STATISTICS = FOUNDATION / "statistics.json"
REPORT_TEMPLATE = SHIPPED / "report.html.jinja"
REPORT_STYLE = SHIPPED / "report.css"


def shipped_classifier(architecture: str) -> Path:
    """The file of the shipped foundation classifier of an architecture, which may not be there."""
    return FOUNDATION / f"{architecture}.safetensors"


def shipped_classifiers() -> list[str]:
    """The architectures of the shipped foundation classifiers."""
    stems = {path.stem for path in FOUNDATION.glob("resnet*.safetensors")}
    return sorted(stems, key=lambda name: int(name.removeprefix("resnet")))
