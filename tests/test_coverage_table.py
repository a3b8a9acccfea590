"""docs/coverage.md names only tests that exist."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "coverage.md").read_text(encoding="utf-8")


def test_every_test_that_the_coverage_table_names_exists() -> None:
    named = re.findall(r"`(test_\w+)::(test_\w+|\*)`", TABLE)
    assert len(named) > 30
    for module, name in named:
        path = TESTS / f"{module}.py"
        assert path.exists(), module
        source = path.read_text(encoding="utf-8")
        wanted = "def test_" if name == "*" else f"def {name}("
        assert wanted in source, f"{module}::{name}"


def test_every_row_of_the_coverage_table_names_a_test() -> None:
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and not line.startswith("| capability")]
    assert [row for row in rows if "::" not in row] == []
