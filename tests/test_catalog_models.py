"""The catalog's rows: complete, dated, sourced, and loaded only when asked for."""

import re
import subprocess
import sys
import tomllib
import typing
from datetime import date, timedelta
from importlib.resources import files

import pytest
from openai.types.image_model import ImageModel

from mcp_imagegen.catalog.loading import packaged
from mcp_imagegen.catalog.sizes import parse, problem

CATALOG = packaged()
NAMES = [model.name for model in CATALOG.models]


def test_every_model_of_openais_package_is_known() -> None:
    assert set(NAMES) == set(typing.get_args(ImageModel))
    assert len(NAMES) == len(set(NAMES))


def test_every_row_names_a_source_that_the_file_explains() -> None:
    text = files("mcp_imagegen.catalog").joinpath("models.toml").read_text(encoding="utf-8")
    explained = re.findall(r"^#   (\S.*?)  ", text, re.MULTILINE)
    assert {"openai 3.52.0", "guide", "model page"} < set(explained)
    rows = tomllib.loads(text)["model"]
    assert [row["names"] for row in rows if not any(name in row["source"] for name in explained)] == []
    assert [row["names"] for row in rows if ("added" in row) != ("added by" in row["source"])] == []
    assert [row["names"] for row in rows if "ends" in row and "end" not in row["source"]] == []


def test_every_model_says_all_that_is_asked_of_a_row() -> None:
    for model in CATALOG.models:
        assert model.qualities, model.name
        assert model.formats, model.name
        assert set(model.image_types) <= {"png", "jpeg", "webp"}, model.name
        assert min(model.prompt_limit, model.n_limit, model.image_bytes, model.mask_bytes) > 0, model.name
        assert "generations" in model.endpoints, model.name
        assert ("edits" in model.endpoints) == (model.image_limit > 0), model.name
        assert model.ends is None or model.ends.isoformat() > (model.added or ""), model.name
        assert model.sizes is None or all(parse(size) for size in model.sizes), model.name


def test_a_model_is_found_by_its_exact_name_only() -> None:
    assert [found.name for name in NAMES if (found := CATALOG.find(name))] == NAMES
    assert CATALOG.find("gpt-image-9") is None
    assert CATALOG.find("GPT-IMAGE-2") is None


def test_a_snapshot_is_what_its_model_is() -> None:
    for name in ("gpt-image-2-2026-04-21", "gpt-image-2.5-sunburst-2026-09-08", "gpt-image-2.5-flare-2026-09-08"):
        snapshot, model = CATALOG.find(name), CATALOG.find(name[:-11])
        assert snapshot is not None
        assert model is not None
        assert snapshot.snapshot
        assert not model.snapshot
        assert (snapshot.qualities, snapshot.sizes, snapshot.extra) == (model.qualities, model.sizes, model.extra)


@pytest.mark.parametrize(
    ("name", "ends", "successor"),
    [
        ("gpt-image-1", date(2026, 10, 23), "gpt-image-2.5-sunburst"),
        ("gpt-image-1.5", date(2026, 12, 1), "gpt-image-2.5-sunburst"),
        ("gpt-image-1-mini", date(2026, 12, 1), "gpt-image-2.5-flare"),
        ("chatgpt-image-latest", date(2026, 12, 1), "gpt-image-2.5-sunburst"),
        ("dall-e-2", date(2026, 5, 12), "gpt-image-2"),
        ("dall-e-3", date(2026, 5, 12), "gpt-image-2"),
    ],
)
def test_a_model_is_retired_from_its_end_date_on(name: str, ends: date, successor: str) -> None:
    model = CATALOG.find(name)
    assert model is not None
    assert (model.ends, model.successor) == (ends, successor)
    assert not model.retired(ends - timedelta(days=1))
    assert model.retired(ends)


def test_every_model_that_ends_has_a_successor_that_stays() -> None:
    for model in CATALOG.models:
        if model.ends is not None:
            successor = CATALOG.find(model.successor or "")
            assert successor is not None
            assert successor.ends is None


@pytest.mark.parametrize(
    ("name", "qualities"),
    [
        ("gpt-image-2", ("low", "medium", "high")),
        ("gpt-image-2.5-flare", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-image-2.6-sunburst", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-image-1-mini", ("low", "medium", "high")),
        ("dall-e-3", ("standard", "hd")),
        ("dall-e-2", ("standard",)),
    ],
)
def test_each_line_has_its_qualities_lowest_first(name: str, qualities: tuple[str, ...]) -> None:
    model = CATALOG.find(name)
    assert model is not None
    assert model.qualities == qualities


@pytest.mark.parametrize(
    ("name", "fidelity"),
    [
        ("gpt-image-2", ()),
        ("gpt-image-2.5-sunburst", ()),
        ("gpt-image-2.6-flare", None),
        ("gpt-image-1.5", ("low", "high")),
        ("gpt-image-1-mini", ("low",)),
        ("chatgpt-image-latest", None),
    ],
)
def test_each_line_has_its_input_fidelity(name: str, fidelity: tuple[str, ...] | None) -> None:
    model = CATALOG.find(name)
    assert model is not None
    assert model.input_fidelity == fidelity


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("gpt-image-2", (32_000, 10, 16)),
        ("gpt-image-1-mini", (32_000, 10, 16)),
        ("dall-e-3", (4_000, 1, 0)),
        ("dall-e-2", (1_000, 10, 1)),
    ],
)
def test_each_line_has_its_limits(name: str, limits: tuple[int, int, int]) -> None:
    model = CATALOG.find(name)
    assert model is not None
    assert (model.prompt_limit, model.n_limit, model.image_limit) == limits


def test_every_model_says_since_when_it_is_there() -> None:
    assert [model.name for model in CATALOG.models if model.added is None] == []
    latest = CATALOG.find("chatgpt-image-latest")
    assert latest is not None
    assert latest.added == "2025-12"


def test_what_is_only_assumed_is_marked() -> None:
    assumed = {model.name for model in CATALOG.models if model.assumed}
    assert assumed == {"gpt-image-2.6-sunburst", "gpt-image-2.6-flare"}


def test_markup_belongs_to_the_newest_lines_only() -> None:
    assert {model.name[:13] for model in CATALOG.models if "markup" in model.extra} == {
        "gpt-image-2.5",
        "gpt-image-2.6",
    }


def test_the_standard_sizes_are_legal_for_every_model_that_takes_any_size() -> None:
    sizes = [parse(text) for text in ("1024x1024", "1536x1024", "1024x1536")]
    assert [problem(*size) for size in sizes if size] == [None] * 3


def test_the_catalog_and_the_prices_import_nothing_heavy_and_read_nothing() -> None:
    program = (
        "import sys, mcp_imagegen.catalog.check, mcp_imagegen.pricing.estimate, mcp_imagegen.pricing.cost;"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    loaded = set(shown.split())
    assert loaded & {"PIL", "httpx2", "sqlalchemy", "obstore", "mcp", "alembic", "tomllib"} == set()
