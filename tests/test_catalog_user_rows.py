"""A user's own models.toml and prices.toml beside the state: rows that add and change, and wrong ones."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Upstream
from doors import call, client_of, refusal
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError
from mcp.types import TextResourceContents

from mcp_imagegen.catalog import loading as catalogs
from mcp_imagegen.catalog.check import check
from mcp_imagegen.errors import ImagegenError, InvalidArgument, ModelRetired, StorageFailed, UnsupportedOption
from mcp_imagegen.openai_api.values import Tokens, Usage
from mcp_imagegen.operations import GenerateImage
from mcp_imagegen.pricing import table as price_tables
from mcp_imagegen.pricing.cost import cost
from mcp_imagegen.pricing.estimate import estimate
from mcp_imagegen.pricing.values import Work

TODAY = date(2026, 11, 20)
SMALL = {"size": "1024x640", "quality": "low"}
OWN_PRICE = """
[[image]]
models = ["{model}"]
{valid_from}
checked = 2026-11-20
tokens = "gpt-image-2"
text_input = 1
cached_text = 0.5
image_input = "2"
cached_image = "1"
image_output = {output}
"""


def models(home: Path, text: str) -> catalogs.Catalog:
    (home / "models.toml").write_text(text, encoding="utf-8")
    return catalogs.load(home)


def prices(home: Path, text: str) -> price_tables.Prices:
    (home / "prices.toml").write_text(text, encoding="utf-8")
    return price_tables.load(home)


def own_price(model: str = "gpt-image-2", valid_from: str = "", output: str = "10") -> str:
    return OWN_PRICE.format(model=model, valid_from=f"valid_from = {valid_from}" if valid_from else "", output=output)


def work(model: str, **changed: Any) -> Work:
    fields: dict[str, Any] = {
        "operation": "generate",
        "model": model,
        "prompt": "a kite",
        "n": 1,
        "size": "1024x1024",
        "quality": "low",
        "partial_images": 0,
        "inputs": (),
        "input_fidelity": None,
        "output_format": "png",
        "extra": {},
        "api": "image",
        "host_model": None,
        "history": "image",
    }
    return Work(**{**fields, **changed})


def test_without_files_the_packaged_tables_are_in_use(tmp_path: Path) -> None:
    assert catalogs.load(tmp_path) == catalogs.load() == catalogs.packaged()
    assert price_tables.load(tmp_path) == price_tables.load() == price_tables.packaged()


def test_a_row_of_a_new_name_is_a_model_like_another(tmp_path: Path) -> None:
    catalog = models(
        tmp_path,
        '[[model]]\nnames = ["acme-draw", "acme-draw-2"]\nlike = "gpt-image-2.5-flare"\n'
        'qualities = ["low", "high"]\nsizes = ["512 X 512", "1024x1024"]\nn_limit = 4\n',
    )
    acme, flare = catalog.find("acme-draw-2"), catalog.find("gpt-image-2.5-flare")
    assert acme is not None
    assert flare is not None
    assert (acme.qualities, acme.sizes, acme.n_limit) == (("low", "high"), ("512x512", "1024x1024"), 4)
    assert (acme.formats, acme.prompt_limit, acme.extra) == (flare.formats, flare.prompt_limit, flare.extra)
    assert acme.source == "your models.toml"
    assert [model.name for model in catalog.models][-2:] == ["acme-draw", "acme-draw-2"]


def test_a_row_of_a_known_name_changes_the_fields_that_it_has(tmp_path: Path) -> None:
    catalog = models(tmp_path, '[[model]]\nnames = ["gpt-image-2"]\ntransparency = "yes"\nsource = "our trial"\n')
    changed, before = catalog.find("gpt-image-2"), catalogs.packaged().find("gpt-image-2")
    assert changed is not None
    assert before is not None
    assert (changed.transparency, changed.source) == ("yes", "our trial")
    assert (changed.qualities, changed.added) == (before.qualities, before.added)
    assert len(catalog.models) == len(catalogs.packaged().models)
    assert catalog.models[0].name == "gpt-image-2", "its place stays"


def test_a_field_can_be_set_back_by_a_word(tmp_path: Path) -> None:
    catalog = models(
        tmp_path,
        '[[model]]\nnames = ["gpt-image-1.5"]\n'
        'sizes = "any"\ninput_fidelity = "unknown"\nends = "never"\nsuccessor = "none"\nadded = "unknown"\n',
    )
    model = catalog.find("gpt-image-1.5")
    assert model is not None
    assert (model.sizes, model.input_fidelity, model.ends, model.successor, model.added) == (None,) * 5


def test_a_value_of_ones_own_is_no_longer_an_assumption(tmp_path: Path) -> None:
    catalog = models(tmp_path, '[[model]]\nnames = ["gpt-image-2.6-flare"]\nqualities = ["low"]\n')
    model = catalog.find("gpt-image-2.6-flare")
    assert model is not None
    assert model.assumed == ("sizes",)


def test_a_later_row_may_be_like_an_earlier_one(tmp_path: Path) -> None:
    catalog = models(
        tmp_path,
        '[[model]]\nnames = ["one"]\nlike = "dall-e-2"\nn_limit = 3\n[[model]]\nnames = ["two"]\nlike = "one"\n',
    )
    two = catalog.find("two")
    assert two is not None
    assert (two.n_limit, two.endpoints) == (3, ("generations", "edits", "variations"))


def test_requests_are_checked_against_a_users_row(tmp_path: Path) -> None:
    catalog = models(tmp_path, '[[model]]\nnames = ["gpt-image-2"]\nends = 2026-11-19\nsuccessor = "none"\n')

    def checked(**options: Any) -> None:
        wanted = GenerateImage(prompt="a kite", **options)
        check(wanted, model="gpt-image-2", provider="openai", today=TODAY, api="image", edits=False, catalog=catalog)

    with pytest.raises(ModelRetired) as retired:
        checked()
    assert retired.value.fix == "name another model"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[model]]\nnames = [", "no TOML"),
        ("[[models]]\nnames = ['x']", "'models'"),
        ("model = 3", "no list of rows"),
        ("[model]\nnames = ['x']", "no list of rows"),
        ("model = ['x']", "row 1: names is missing"),
        ("[[model]]\nlike = 'gpt-image-2'", "row 1: names is missing"),
        ("[[model]]\nnames = []", "row 1: names"),
        ("[[model]]\nnames = 'acme'", "row 1: names"),
        ("[[model]]\nnames = ['acme']", "row 1 (acme): qualities is missing"),
        ("[[model]]\nnames = ['acme']\nlike = 'nobody'", "row 1 (acme): like names no model"),
        ("[[model]]\nnames = ['acme']\nlike = 'gpt-image-2'\nqualites = []", "(acme): there is no field 'qualites'"),
        ("[[model]]\nnames = ['gpt-image-2']\nn_limit = '3'", "(gpt-image-2): n_limit: should be a valid integer"),
        ("[[model]]\nnames = ['gpt-image-2']\nn_limit = 11", "n_limit"),
        ("[[model]]\nnames = ['gpt-image-2']\nformats = ['bmp']", "formats"),
        ("[[model]]\nnames = ['gpt-image-2']\nsizes = ['big']", "sizes"),
        ("[[model]]\nnames = ['gpt-image-2']\nsizes = ['auto']", "sizes"),
        ("[[model]]\nnames = ['gpt-image-2']\nends = 'soon'", "ends"),
        ("[[model]]\nnames = ['gpt-image-2']\nends = 2026-12-01T00:00:00Z", "ends"),
        ("[[model]]\nnames = ['a b']\nlike = 'gpt-image-2'", "names"),
        ("[[host]]\nends = 2026-12-01", "host row 1: names is missing"),
        ("[[host]]\nnames = ['o3']\nends = 'soon'", "host row 1: ends"),
        ("[[host]]\nnames = ['o3']\nlike = 'gpt-5'", "host row 1: there is no field 'like'"),
        ("[[host]]\nnames = ['o3', 'o3']", "host row 1: a second row for o3"),
        ("host = ['o3']", "host row 1:"),
        (
            "[[model]]\nnames = ['gpt-image-2']\n[[model]]\nnames = ['gpt-image-2']",
            "row 2: a second row for gpt-image-2",
        ),
    ],
)  # fmt: skip
def test_a_wrong_row_of_models_is_refused_with_its_file_and_place(tmp_path: Path, text: str, says: str) -> None:
    error = refused(InvalidArgument, models, tmp_path, text)
    assert error.sentence.startswith(str(tmp_path / "models.toml"))
    assert says in error.sentence
    assert error.fix


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[images]]\nmodels = ['x']", "'images'"),
        ("[[image]]\nmodels = ['x']\nchecked = 2026-11-20", "image row 1: tokens is missing"),
        (own_price(output='"ten"'), "image row 1: image_output: must be an amount in USD"),
        (own_price(output="-1"), "image_output: must be an amount from 0"),
        (own_price(output="nan"), "image_output"),
        (own_price(output="true"), "image_output"),
        (own_price(output="0.0001"), "image_output: must be a whole number of thousandths"),
        (own_price(output="2000000"), "image_output"),
        (own_price().replace("checked = 2026-11-20", ""), "image row 1: checked is missing"),
        (own_price().replace("text_input", "text_inptu"), "text_inp"),
        (own_price() + own_price(), "image row 2 (gpt-image-2): says the same as image row 1"),
        (own_price(valid_from='"today"'), "valid_from"),
        ("[[flat]]\nmodel = 'x'\nchecked = 2026-11-20\nsizes = { big = 1 }", "sizes"),
        ("[[flat]]\nmodel = 'x'\nchecked = 2026-11-20\nsizes = {}", "sizes"),
        (
            own_price("x") + "[[flat]]\nmodel = 'x'\nchecked = 2026-11-20\nsizes = { any = 1 }",
            "flat row 1 (x): the model is among the image rows already",
        ),
    ],
)
def test_a_wrong_row_of_prices_is_refused_with_its_file_and_place(tmp_path: Path, text: str, says: str) -> None:
    error = refused(InvalidArgument, prices, tmp_path, text)
    assert error.sentence.startswith(str(tmp_path / "prices.toml"))
    assert says in error.sentence


def refused(kind: type[ImagegenError], load: Callable[..., Any], *given: Any) -> ImagegenError:
    with pytest.raises(kind) as caught:
        load(*given)
    return caught.value


@pytest.mark.parametrize(("name", "load"), [("models.toml", catalogs.load), ("prices.toml", price_tables.load)])
def test_a_file_that_cannot_be_read_is_no_file_that_is_not_there(
    tmp_path: Path, name: str, load: Callable[[Path], Any]
) -> None:
    (tmp_path / name).mkdir()
    assert name in refused(StorageFailed, load, tmp_path).sentence
    (tmp_path / name).rmdir()
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in refused(InvalidArgument, load, tmp_path).sentence


@settings(deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("utf-8", "replace")))
def test_no_text_in_a_table_makes_anything_but_rows_or_a_coded_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    home = tmp_path_factory.mktemp("home")
    for name, load in (("models.toml", catalogs.load), ("prices.toml", price_tables.load)):
        (home / name).write_text(f"[[model]]\nnames = {text}", encoding="utf-8")
        try:
            load(home)
        except InvalidArgument as error:
            assert name in error.sentence


def test_a_price_without_a_day_takes_the_place_of_every_row_of_its_model(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price(output="12.345"))
    for day in (date(2026, 1, 1), TODAY):
        row = table.rates("gpt-image-2", day)
        assert row is not None
        assert (row.image_output, row.text_input, row.cached_text, row.source) == (
            12_345,
            1_000,
            500,
            "your prices.toml",
        )
    assert table.rates("gpt-image-2-2026-04-21", TODAY) == table.rates("gpt-image-2", TODAY)
    assert table.rates("gpt-image-2.5-flare", TODAY) == price_tables.packaged().rates("gpt-image-2.5-flare", TODAY)


def test_a_price_with_a_day_stands_beside_those_of_other_days(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price(valid_from="2026-11-01"))
    assert output_price(table, date(2026, 10, 31)) == 30_000
    assert output_price(table, date(2026, 11, 1)) == 10_000


LATER = date(2027, 1, 1)
FLAT = "[[flat]]\nmodel = '{model}'\nchecked = 2026-11-20\nvalid_from = 2027-01-01\nsizes = {{ any = '0.07' }}\n"


@pytest.mark.parametrize("model", ["gpt-image-2", "dall-e-3", "dall-e-2"])
@pytest.mark.parametrize("kind", ["flat", "image"])
def test_a_price_with_a_later_day_leaves_todays_alone(tmp_path: Path, model: str, kind: str) -> None:
    """Also where the model is to be billed in another way from that day on."""
    row = FLAT.format(model=model) if kind == "flat" else own_price(model, valid_from="2027-01-01")
    table, call = prices(tmp_path, row), work(model)
    for day in (TODAY, LATER - timedelta(days=1)):
        assert estimate(call, day, prices=table) == estimate(call, day)
    later = estimate(call, LATER, prices=table)
    assert later.expected is not None
    assert later.expected != estimate(call, LATER).expected
    assert [line.what == "image" for line in later.lines] == ([True] if kind == "flat" else [False, False])
    used = Usage(Tokens(text_input=10, image_output=200))
    billed = [cost(used, model=model, host_model=None, on=day, prices=table).nano for day in (TODAY, LATER)]
    assert billed[0] == cost(used, model=model, host_model=None, on=TODAY).nano
    assert billed[1] == (70_000_000 if kind == "flat" else 10 * 1_000 + 200 * 10_000)


def test_a_price_takes_the_place_of_the_row_of_its_day(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price(valid_from="2026-04-21") + own_price(valid_from="2026-11-20", output="20"))
    assert [output_price(table, day) for day in (date(2026, 4, 21), date(2026, 11, 19), TODAY)] == [
        10_000,
        10_000,
        20_000,
    ]


def test_a_users_price_goes_before_a_packaged_one_of_a_later_day(tmp_path: Path) -> None:
    """From its own day on; the newest of the user's counts."""
    text = own_price(valid_from="2026-03-01") + own_price(valid_from="2026-11-20", output="20")
    table = prices(tmp_path, text + FLAT.format(model="gpt-image-2.5-flare").replace("2027-01-01", "2026-09-01"))
    assert table.rates("gpt-image-2", date(2026, 2, 28)) is None
    days = (date(2026, 3, 1), date(2026, 4, 21), date(2026, 11, 19), TODAY)
    assert [output_price(table, day) for day in days] == [10_000, 10_000, 10_000, 20_000]
    assert [table.is_flat("gpt-image-2.5-flare", day) for day in (date(2026, 9, 8), TODAY)] == [True, True]
    shown = [row.get("valid_from") for row in table.shown() if row["model"] == "gpt-image-2"]
    assert shown == [date(2026, 3, 1), TODAY]


@pytest.mark.parametrize("since", ["", "valid_from = 2026-11-01"])
def test_a_snapshot_is_billed_by_image_where_its_model_is(tmp_path: Path, since: str) -> None:
    """Until a row of its own says otherwise."""
    row = f"[[flat]]\nmodel = 'gpt-image-2'\nchecked = 2026-11-20\n{since}\nsizes = {{ any = 0.05 }}\n"
    snapshot = "gpt-image-2-2026-04-21"
    table = prices(tmp_path, row + own_price(snapshot, valid_from="2026-11-25"))
    assert estimate(work(snapshot), TODAY, prices=table).expected == 50_000_000
    used = Usage(Tokens(text_input=10, image_output=200))
    billed = [cost(used, model=snapshot, host_model=None, on=on, prices=table) for on in (TODAY, date(2026, 11, 25))]
    assert [one.nano for one in billed] == [50_000_000, 10 * 1_000 + 200 * 10_000]
    before = output_price(table, date(2026, 10, 31), snapshot) if since else None
    assert before == (30_000 if since else None)


def test_one_model_of_a_packaged_row_is_taken_out_of_it_and_the_others_stay(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price("gpt-image-1.5"))
    assert output_price(table, TODAY, "gpt-image-1.5") == 10_000
    assert output_price(table, TODAY, "chatgpt-image-latest") == 32_000
    assert [row["model"] for row in table.shown()].count("gpt-image-1.5") == 1


def output_price(table: price_tables.Prices, on: date, model: str = "gpt-image-2") -> int | None:
    row = table.rates(model, on)
    assert row is not None
    return row.image_output


def test_a_model_billed_by_image_may_have_one_price_for_every_size_and_quality(tmp_path: Path) -> None:
    table = prices(
        tmp_path,
        "[[flat]]\nmodel = 'sd-cpp-local'\nchecked = 2026-11-20\nsizes = { any = '0' }\n"
        "[[flat]]\nmodel = 'sd-cpp-local'\nquality = 'hd'\nchecked = 2026-11-20\nsizes = { 512x512 = 0.01 }\n",
    )
    free = estimate(work("sd-cpp-local", size="2048x2048", quality="ultra", n=3), TODAY, prices=table)
    assert (free.low, free.expected, free.high) == (0, 0, 0)
    hd = cost(
        Usage(), model="sd-cpp-local", host_model=None, on=TODAY, images=2, size="512x512", quality="hd", prices=table
    )
    assert hd.nano == 20_000_000
    assert table.is_flat("dall-e-2", TODAY), "the packaged ones stay"


def test_a_model_may_be_billed_in_another_way_than_the_package_says(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price("dall-e-2"))
    assert not table.is_flat("dall-e-2", TODAY)
    assert table.is_flat("dall-e-3", TODAY)
    table = prices(tmp_path, "[[flat]]\nmodel = 'gpt-image-2'\nchecked = 2026-11-20\nsizes = { any = 0.05 }")
    assert table.rates("gpt-image-2", TODAY) is None
    assert estimate(work("gpt-image-2"), TODAY, prices=table).expected == 50_000_000


def test_what_was_billed_is_computed_from_a_users_row(tmp_path: Path) -> None:
    table = prices(tmp_path, own_price(output="10"))
    usage = Usage(image=Tokens(text_input=100, image_output=1000))
    found = cost(usage, model="gpt-image-2", host_model=None, on=TODAY, prices=table)
    assert (found.nano, found.basis) == (100 * 1_000 + 1000 * 10_000, "billed")


def test_the_rows_of_the_readme_can_be_used(tmp_path: Path) -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    of_models, _, of_prices = readme.partition("# models.toml: ")[2].partition("```")[0].partition("# prices.toml: ")
    acme = models(tmp_path, f"# {of_models}").find("acme-draw")
    assert acme is not None
    assert acme.sizes == ("512x512", "1024x1024")
    flat = prices(tmp_path, f"# {of_prices}").flat_price("acme-draw", "512x512", "low", TODAY)
    assert flat is not None
    assert flat.nano == 10_000_000


def test_no_row_of_a_users_changes_the_packaged_tables(tmp_path: Path) -> None:
    before = (catalogs.packaged().models, price_tables.packaged().shown())
    models(tmp_path, '[[model]]\nnames = ["gpt-image-2"]\nn_limit = 1\n')
    prices(tmp_path, own_price())
    assert (catalogs.packaged().models, price_tables.packaged().shown()) == before


async def rows(client: Client, uri: str) -> list[dict[str, Any]]:
    content = (await client.read_resource(uri)).contents[0]
    assert isinstance(content, TextResourceContents)
    table = json.loads(content.text)
    return list(table["models"] if uri == "imagegen://models" else table)


def home_of(environment: dict[str, str]) -> Path:
    home = Path(environment["MCP_IMAGEGEN_HOME"])
    home.mkdir()
    return home


async def test_the_server_checks_prices_and_bills_by_the_users_rows(
    environment: dict[str, str], upstream: Upstream
) -> None:
    home = home_of(environment)
    (home / "models.toml").write_text('[[model]]\nnames = ["gpt-image-2"]\nn_limit = 2\n')
    (home / "prices.toml").write_text(own_price(output="1000"))
    async with client_of(environment) as client:
        many = await refusal(client, "generate_image", prompt="a kite", n=3, **SMALL)
        price = await call(client, "estimate_cost", prompt="a kite", **SMALL)
        made = await call(client, "generate_image", prompt="a kite", **SMALL)
        shown_models, shown_prices = await rows(client, "imagegen://models"), await rows(client, "imagegen://prices")
    assert "gpt-image-2 makes 2 images a call, not 3" in many
    tokens = next(line["tokens"] for line in price["lines"] if line["what"] == "image_output")
    assert price["expected_usd"] == pytest.approx(tokens * 1000 / 1e6, rel=0.01)
    assert made["cost"]["usd"] == pytest.approx(price["expected_usd"], rel=0.01)
    assert next(row for row in shown_models if row["name"] == "gpt-image-2")["source"] == "your models.toml"
    assert next(row for row in shown_prices if row["model"] == "gpt-image-2")["source"] == "your prices.toml"


@pytest.mark.parametrize("name", ["models.toml", "prices.toml"])
async def test_a_wrong_table_stops_every_call_and_says_where_until_it_is_corrected(
    environment: dict[str, str], upstream: Upstream, name: str
) -> None:
    table = home_of(environment) / name
    table.write_text("[[model]]\nnames = ['acme']\nqualites = []\n[[image]]\nmodels = 1")
    async with client_of(environment) as client:
        for tool, arguments in {"generate_image": {"prompt": "a"}, "estimate_cost": {}, "get_image_thread": {}}.items():
            text = await refusal(client, tool, **arguments)
            assert text.startswith("invalid_argument: ")
            assert str(table) in text
        with pytest.raises(MCPError) as unreadable:
            await client.read_resource("imagegen://models")
        assert str(table) in unreadable.value.message
        table.unlink()
        assert (await call(client, "generate_image", prompt="a kite", **SMALL))["status"] == "completed"
    assert upstream.seen == ["POST /v1/images/generations"]


def test_a_setting_extends_what_extra_takes(tmp_path: Path) -> None:
    catalog = catalogs.load(tmp_path, ["seed", "steps"])

    def checked(model: str, extra: dict[str, Any]) -> dict[str, Any]:
        wanted = GenerateImage(prompt="a kite", extra=extra)
        found = check(wanted, model=model, provider="openai", today=TODAY, api="image", edits=False, catalog=catalog)
        return found.options

    for model in ("gpt-image-2", "nobody-knows-me"):
        assert checked(model, {"seed": 7, "complexity": "low"}) == {"seed": 7, "complexity": "low"}
        with pytest.raises(UnsupportedOption) as error:
            checked(model, {"sede": 7})
        assert "seed" in error.value.fix


@pytest.mark.parametrize("name", ["n", "model", "stream", "tools", "user", "prompt", "response_format"])
def test_a_setting_cannot_let_through_what_shapes_the_request(name: str) -> None:
    with pytest.raises(InvalidArgument) as error:
        catalogs.load(None, ["seed", name])
    assert error.value.sentence.startswith("MCP_IMAGEGEN_EXTRA: ")
    assert name in error.value.fix


def test_what_a_further_option_does_to_the_price_is_not_bounded() -> None:
    catalog = catalogs.load(None, ["seed"])
    priced = estimate(work("gpt-image-2", extra={"seed": 7}), TODAY, catalog=catalog)
    assert priced.high is None
    assert any("seed" in warning for warning in priced.warnings)
    assert estimate(work("gpt-image-2", extra={"seed": None}), TODAY, catalog=catalog).high is not None


async def test_a_further_option_reaches_the_api(environment: dict[str, str], upstream: Upstream) -> None:
    async with client_of({**environment, "MCP_IMAGEGEN_EXTRA": "seed, steps"}) as client:
        await refusal(client, "generate_image", prompt="a kite", extra={"sead": 1}, **SMALL)
        assert upstream.seen == []
        await client.call_tool("generate_image", {"prompt": "a kite", "extra": {"seed": 7}, **SMALL})
    assert upstream.sandbox.requests[-1].fields["seed"] == 7
