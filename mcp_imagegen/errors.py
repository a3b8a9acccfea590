"""Every failure that a caller is told about, one class for each code.

* ImagegenError
  + InvalidRequest: the call itself is wrong
    - InvalidArgument · UnsupportedOption · ModelRetired
  + BadInput: an image, mask or reference cannot be used
    - InputNotFound · InputRejected · PathNotAllowed · FetchBlocked · MaskRejected
  + NotKnown: an id of ours that does not exist, or is not the caller's
    - ThreadNotFound · ImageNotFound
  + NotSpent: a limit or the user stopped the call
    - BudgetExceeded · ConfirmationDeclined
  + UpstreamError: the provider answered with an error, or not at all
    - AuthenticationFailed · OrganizationUnverified · PermissionDenied · ModelNotFound · ModerationBlocked
    - RateLimited · QuotaExhausted · UpstreamUnavailable · UpstreamTimeout · UpstreamInvalid
  + StorageFailed · CallCancelled · InternalError

Each carries the sentence that says what is wrong, the way out, and whether the provider may have billed.
`tools/results.py` is the only place that turns one into an MCP result.
"""

from typing import ClassVar


class ImagegenError(Exception):
    """A failure with a code, a sentence and a way out; `str()` of it is `code: sentence`."""

    code: ClassVar[str] = "internal_error"
    meaning: ClassVar[str] = ""

    def __init__(self, sentence: str, fix: str, *, request_id: str | None = None, may_be_billed: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.fix = fix
        self.request_id = request_id
        self.may_be_billed = may_be_billed
        self.welcome_again = False  # the same request may be sent again by itself
        self.warnings: tuple[str, ...] = ()  # what else the caller of the failed call should know
        self.retry_after_s: float | None = None  # seconds that the provider asks to wait before

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}"


class InvalidRequest(ImagegenError):
    """The call itself is wrong; nothing was drawn."""


class InvalidArgument(InvalidRequest):
    code = "invalid_argument"
    meaning = "An argument is missing, unknown, or has a value that no model takes."


class UnsupportedOption(InvalidRequest):
    code = "unsupported_option"
    meaning = "The model or the provider does not have this option or value."


class ModelRetired(InvalidRequest):
    code = "model_retired"
    meaning = "OpenAI has shut the model down; the answer names its successor."


class BadInput(ImagegenError):
    """An image, mask or reference cannot be used; nothing was drawn."""


class InputNotFound(BadInput):
    code = "input_not_found"
    meaning = "A path, URL or file id leads to nothing."


class InputRejected(BadInput):
    code = "input_rejected"
    meaning = "The input is no image the API takes: wrong type, damaged, too many pixels or bytes."


class PathNotAllowed(BadInput):
    code = "path_not_allowed"
    meaning = "The path lies outside the folders that the server may read or write."


class FetchBlocked(BadInput):
    code = "fetch_blocked"
    meaning = "The URL is not https, leads to a private address, or is too large or too slow."


class MaskRejected(BadInput):
    code = "mask_rejected"
    meaning = "The mask has another size than the first image, marks nothing, is a photo, or the provider refuses it."


class NotKnown(ImagegenError):
    """An id that does not exist or belongs to somebody else; the two are not told apart."""


class ThreadNotFound(NotKnown):
    code = "thread_not_found"
    meaning = "No thread of the caller has this id."


class ImageNotFound(NotKnown):
    code = "image_not_found"
    meaning = "No image of the caller has this id."


class NotSpent(ImagegenError):
    """A limit or the user stopped the call before anything was spent."""


class BudgetExceeded(NotSpent):
    code = "budget_exceeded"
    meaning = "The call could cost more than a limit allows."


class ConfirmationDeclined(NotSpent):
    code = "confirmation_declined"
    meaning = "The user did not agree to the price, or could not be asked."


class UpstreamError(ImagegenError):
    """The provider answered with an error, or not at all."""


class AuthenticationFailed(UpstreamError):
    code = "authentication_failed"
    meaning = "The provider does not accept the API key."


class OrganizationUnverified(UpstreamError):
    code = "organization_unverified"
    meaning = "OpenAI wants the organization verified before it may use this model."


class PermissionDenied(UpstreamError):
    code = "permission_denied"
    meaning = "The key may not use this model or endpoint."


class ModelNotFound(UpstreamError):
    code = "model_not_found"
    meaning = "The provider has no such model, or hides it from this key."


class ModerationBlocked(UpstreamError):
    code = "moderation_blocked"
    meaning = "The provider's safety system refused the prompt, an input or the result."


class RateLimited(UpstreamError):
    code = "rate_limited"
    meaning = "Too many requests; the answer says how long to wait."


class QuotaExhausted(UpstreamError):
    code = "quota_exhausted"
    meaning = "The account has no credit left or reached its spend limit."


class UpstreamUnavailable(UpstreamError):
    code = "upstream_unavailable"
    meaning = "The provider cannot be reached or answers with a server error."


class UpstreamTimeout(UpstreamError):
    code = "upstream_timeout"
    meaning = "The connection ended while or after the request was sent; it may have been billed."


class UpstreamInvalid(UpstreamError):
    code = "upstream_invalid"
    meaning = "The provider refused the request for a reason of its own, or its answer cannot be read."


class StorageFailed(ImagegenError):
    code = "storage_failed"
    meaning = "The image folder or the database cannot be read or written."


class CallCancelled(ImagegenError):
    code = "cancelled"
    meaning = "The client cancelled the call. If it had been sent, it may be billed."


class InternalError(ImagegenError):
    code = "internal_error"
    meaning = "A fault of this server; its cause is only in the log."


def every_code() -> dict[str, str]:
    """Each code with its meaning, in the order of the tree: the table of the README."""

    def leaves(family: type[ImagegenError]) -> dict[str, str]:
        below = {code: said for child in family.__subclasses__() for code, said in leaves(child).items()}
        return below or {family.code: family.meaning}

    return leaves(ImagegenError)
