"""Data that the package carries: methods, tables, claims, data sets, the paper's values."""

from pathlib import Path

SHIPPED = Path(__file__).resolve().parent
INCLUDED = [SHIPPED / f"{name}.yaml" for name in ("datasets", "methods", "tables", "claims")]
INCLUDED_KEYS = {"datasets", "methods", "tables", "figures", "claims"}  # of those files
SCHEMA = SHIPPED / "config.schema.json"
PAPER_RESULTS = SHIPPED / "paper_results.csv"
TORCHVISION = SHIPPED / "torchvision.csv"  # made by benchmarks/list_torchvision.py
OWN_DATA_TEMPLATE = SHIPPED / "own-data.yaml.jinja"
PRESETS = SHIPPED / "presets"  # links to experiments of config/; a wheel has their text
REPORT_TEMPLATE = SHIPPED / "report.html.jinja"
REPORT_STYLE = SHIPPED / "report.css"
