"""Secrets and image data never reach the log."""

import pytest

from mcp_imagegen.logs import redacted


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Incorrect API key provided: sk-proj-abcDEF123456", "abcDEF123456"),
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("{'authorization': 'Bearer abcdefgh12345678'}", "abcdefgh12345678"),
        ("api-key: 0123456789abcdef", "0123456789abcdef"),
        ("image_url=data:image/png;base64,iVBORw0KGgoAAAANSUhEUg==", "iVBORw0KGgo"),
        ("postgresql://me:hunter2@127.0.0.1/db", "hunter2"),
        ("GET https://a.example/v1/images?token=hunter2 200", "hunter2"),
        ("https://me:pass@a.example/v1?api_key=hunter2", "hunter2"),
        ("https://me:hunter2@a.example/v1?api_key=1", "hunter2"),
        ("Authorization: Basic bWU6aHVudGVyMg==", "bWU6aHVudGVyMg"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in redacted(text)


def test_the_rest_of_a_line_stays() -> None:
    line = "POST /v1/images/generations 200 in 12.3 s, request req_0123456789abcdef"
    assert redacted(line) == line
