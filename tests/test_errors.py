"""Every code of the contract exists once, says what it means, and can be raised again from its record."""

from mcp_imagegen.errors import ImagegenError, every_code
from mcp_imagegen.tools.paid import every_kind

CONTRACT = """
invalid_argument unsupported_option model_retired input_not_found input_rejected path_not_allowed fetch_blocked
mask_rejected thread_not_found image_not_found budget_exceeded confirmation_declined authentication_failed
organization_unverified permission_denied model_not_found moderation_blocked rate_limited quota_exhausted
upstream_unavailable upstream_timeout upstream_invalid storage_failed cancelled internal_error
""".split()


def test_the_codes_are_those_of_the_contract() -> None:
    assert list(every_code()) == CONTRACT


def test_every_code_has_a_meaning() -> None:
    assert [code for code, meaning in every_code().items() if not meaning.endswith(".")] == []


def test_every_code_has_a_class_to_raise_it_with() -> None:
    assert {kind.code for kind in every_kind(ImagegenError)} == set(CONTRACT)
