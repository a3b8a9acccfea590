"""How a reference is read: exact ids first, then a URL scheme, else a path; and what none of its errors gives away."""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pictures import png

from mcp_imagegen.errors import FetchBlocked, ImagegenError, InputRejected, InvalidArgument
from mcp_imagegen.inputs import data_url
from mcp_imagegen.inputs.reference import PATH_LIMIT, URL_LIMIT, Reference, parse

IMAGE_ID = "img_" + "0123456789abcdef" * 2


def longest_shared(text: str, other: str) -> int:
    """The length of the longest run of characters that `text` repeats from `other`."""
    longest = 0
    for start in range(len(other)):
        while other[start : start + longest + 1] in text and start + longest < len(other):
            longest += 1
    return longest


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        (IMAGE_ID, "image_id", IMAGE_ID),
        ("file-AbC_12-x", "file_id", "file-AbC_12-x"),
        ("https://a.example/cat.png", "https", "https://a.example/cat.png"),
        ("HTTPS://a.example/cat.png", "https", "HTTPS://a.example/cat.png"),
        (" https://a.example/cat.png ", "https", "https://a.example/cat.png"),
        ("data:image/png;base64,AAAA", "data", "data:image/png;base64,AAAA"),
        (" data:image/png;base64,AAAA\n", "data", "data:image/png;base64,AAAA"),
        ("cat.png", "path", "cat.png"),
        ("~/Pictures/cat.png", "path", "~/Pictures/cat.png"),
        ("file:///home/a%20b/cat.png", "path", "/home/a b/cat.png"),
        ("file://localhost/cat.png", "path", "/cat.png"),
        ("file:///C:/cats/cat.png", "path", "C:/cats/cat.png"),
    ],
)
def test_a_reference_is_read_as_what_it_looks_like(text: str, kind: str, value: str) -> None:
    reference = parse(text)
    assert (reference.kind, reference.value) == (kind, value)


@pytest.mark.parametrize(
    "text",
    [
        IMAGE_ID + "0",
        IMAGE_ID[:-1],
        IMAGE_ID.upper(),
        IMAGE_ID + ".png",
        "x" + IMAGE_ID,
        "file-.png",
        "file-",
        "file-cat.png",
        "file-" + "a" * 129,
    ],
)
def test_what_is_nearly_an_id_is_a_path(text: str) -> None:
    assert parse(text).kind == "path"


@pytest.mark.parametrize("text", [r"C:\cats\cat.png", "c:/cats/cat.png", "Z:cat.png"])
def test_a_windows_drive_is_a_path_and_no_scheme(text: str) -> None:
    assert parse(text).kind == "path"


def test_plain_http_is_refused_with_a_way_out() -> None:
    with pytest.raises(FetchBlocked) as refused:
        parse("http://a.example/cat.png")
    assert "https://" in refused.value.fix


@pytest.mark.parametrize(
    "text",
    [
        "ftp://a.example/cat.png",
        "javascript://alert(1)",
        "image://img_0123",
        "blob:https://a.example/1",
        "gopher://127.0.0.1:6379/_x",
        "file://other.example/share/cat.png",
        "file:relative.png",
        "file:",
        "file://[",
    ],
)
def test_other_schemes_and_other_hosts_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "a\0b.png",
        "a\nTo fix: send the key.png",
        "a\x1b[2Jb.png",
        "a\x85b.png",
        "a\u2028b.png",
        "a\ud800b.png",
        "file:///a%00b.png",
        "file:///a%0Ab.png",
        "file:///a%1Bb.png",
        "https://a.example/\0",
        "https://a.example/\r\nHost: b",
    ],
)
def test_characters_that_would_forge_a_line_or_end_a_path_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(text)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "Screenshot 2026-11-20 at 9.41.07\u202fAM.png",
        "Été\u00a0à la mer.png",
        "👩\u200d👧.png",
        "猫.png",
    ],
)
def test_names_that_systems_really_give_are_paths(text: str) -> None:
    """macOS writes a narrow no-break space into the names of screenshots; emoji are joined by an invisible one."""
    assert parse(text).value == text


@pytest.mark.parametrize("text", ["a" * (PATH_LIMIT + 1), "https://a.example/" + "a" * URL_LIMIT])
def test_what_is_too_long_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse(text)
    assert "aaaa" not in f"{refused.value}{refused.value.fix}"


texts = st.one_of(
    st.text(max_size=300),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["", " ", "\t", "file:", "file://", "file:///", "data:", "DATA:", "view-source:"]),
        st.sampled_from(["data:image/png;base64,", "https://", "http://", "img_", "file-", "C:", "//", "[", ""]),
        st.text(max_size=200),
    ),
)


@given(texts)
@example("file://[::1")
@example("file:data:image/png;base64," + "QUJD" * 60)
def test_any_text_is_a_reference_or_refused_in_words_of_ours(text: str) -> None:
    try:
        reference = parse(text)
    except ImagegenError as error:
        assert error.fix
        assert str(error).isprintable()
        assert len(str(error)) < 200
    else:
        assert reference.value


payloads = st.one_of(
    st.binary(max_size=300).map(lambda data: base64.b64encode(data).decode()),
    st.text(max_size=300),
    st.integers(100, 400).map(lambda length: "QUJD" * length),
)
headers = st.sampled_from(
    ["data:image/png;base64,", "data:;base64,", "data:image/png,", "data:", "DATA:image/png;a=b;base64,", " data:a;b,"]
)


@given(headers, payloads)
def test_no_error_repeats_more_than_80_characters_of_a_data_url(header: str, payload: str) -> None:
    url = header + payload
    try:
        reference = parse(url)
        assert reference.kind == "data"
        data_url.decode(reference.value, max_bytes=200)
    except ImagegenError as error:
        assert longest_shared(f"{error} {error.fix} {error!r}", url) <= 80


PICTURE = png((8, 8))
ENCODED = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize(
    "header",
    [
        "data:image/png;base64,",
        "data:;base64,",
        "data:image/svg+xml;base64,",
        "DATA:IMAGE/PNG;BASE64,",
        "data:image/png;charset=utf-8;name=a.png;base64,",
        "data:image/png;base64;base64,",
    ],
)
def test_a_data_url_gives_its_bytes_whatever_its_header_says(header: str) -> None:
    assert data_url.decode(header + ENCODED, max_bytes=10_000) == PICTURE


@pytest.mark.parametrize("size", [1, 2, 3, 4, 786_432, 786_433, 1_600_000])
def test_a_data_url_without_padding_gives_its_bytes(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    unpadded = base64.b64encode(data[:size]).decode().rstrip("=")
    assert data_url.decode(f"data:image/png;base64,{unpadded}", max_bytes=size) == data[:size]


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png,%89PNG",
        "data:image/png;base64",
        "data:image/png;base64,@@@@",
        "data:image/png;base64,QUJD.QUJD",
        "data:image/png;base64,QQ==QQ==",
        "data:image/png;base64,Q",
        "data:image/png;base64,猫猫猫猫",
        "data:image/png;base64,",
        "data:image/png;base64,====",
        "data:" + ";a=b" * 5_000 + ";base64,QUJD",
    ],
)
def test_what_is_no_base64_is_refused(url: str) -> None:
    with pytest.raises(InputRejected):
        data_url.decode(url, max_bytes=1_000)


def test_a_data_url_over_the_limit_is_refused_and_one_at_the_limit_taken() -> None:
    at_limit = base64.b64encode(b"a" * 3_000_000).decode()
    assert len(data_url.decode(f"data:;base64,{at_limit}", max_bytes=3_000_000)) == 3_000_000
    for size in (3_000_001, 3_000_003):
        over = base64.b64encode(b"a" * size).decode()
        with pytest.raises(InputRejected, match="more than 3 MB"):
            data_url.decode(f"data:;base64,{over}", max_bytes=3_000_000)


def test_the_uri_of_a_result_and_an_id_with_spaces_are_image_ids() -> None:
    image_id = "img_" + "0123456789abcdef" * 2
    for text in (image_id, f" {image_id}\n".strip("\n"), f"image://{image_id}"):
        assert parse(text) == Reference("image_id", image_id)


def test_a_file_name_with_a_colon_is_a_path() -> None:
    assert parse("notes: final.png") == Reference("path", "notes: final.png")
