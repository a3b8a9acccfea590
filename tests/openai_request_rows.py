"""What OpenAI's API says of a request that it does not take: its model, options, images and mask."""

from error_rows import USER, Row, failed, refused

REQUEST = {
    "model": Row(
        (refused(404, "The model `x` does not exist or you do not have access to it.", "model_not_found"),),
        "model_not_found",
        ("hides it from the key in OPENAI_API_KEY", "The model `x` does not exist"),
        ("name another model", "give the key access"),
    ),
    "model of a continuation": Row(
        (refused(404, "The model `x` does not exist or you do not have access to it.", "model_not_found"),),
        "model_not_found",
        door="continue",
    ),
    "model hidden from the project": Row(
        (refused(403, "Project `p` does not have access to model `gpt-image-2`", "model_not_found"),), "model_not_found"
    ),
    "unknown parameter": Row(
        (refused(400, "Unknown parameter: 'response_format'.", "unknown_parameter", param="response_format"),),
        "unsupported_option",
        ("refuses response_format", "Unknown parameter: 'response_format'."),
        ("leave out response_format", "MCP_IMAGEGEN_COMPATIBLE_DROP"),
    ),
    "size below the least": Row(
        (
            refused(
                400,
                "Invalid size '512x512'. Requested resolution is below the current minimum pixel budget.",
                "invalid_value",
                USER,
                param="size",
            ),
        ),
        "unsupported_option",
        ("refuses size", "below the current minimum pixel budget"),
        ("choose another size",),
    ),
    "size that 16 does not divide": Row(
        (
            refused(
                400,
                "Invalid size '2880x1620'. Width and height must both be divisible by 16.",
                "invalid_value",
                USER,
                param="tools[0].size",
            ),
        ),
        "unsupported_option",
        ("refuses size", "divisible by 16"),
        ("choose another size",),
        door="continue",
    ),
    "size too long, without its name": Row(
        (refused(400, "Invalid size '4096x1024'. The longest edge must be less than or equal to 3840."),),
        "unsupported_option",
        ("refuses size", "3840"),
        ("choose another size",),
        door="edit",
    ),
    "quality": Row(
        (refused(400, "The model 'gpt-image-2' does not support quality 'xhigh'"),),
        "unsupported_option",
        ("refuses quality", "'xhigh'"),
        ("choose another quality",),
    ),
    "quality, told by its parameter alone": Row(
        (refused(400, "Invalid value.", "invalid_value", USER, param="tools[0].quality"),),
        "unsupported_option",
        ("refuses quality",),
        door="continue",
    ),
    "input fidelity": Row(
        (
            refused(
                400,
                "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.",
                "invalid_input_fidelity_model",
            ),
        ),
        "unsupported_option",
        ("refuses input_fidelity",),
        ("leave out input_fidelity",),
        door="edit",
    ),
    "transparent": Row(
        (refused(400, "Transparent background is not supported for this model.", "invalid_value"),),
        "unsupported_option",
        ("refuses background", "Transparent background is not supported"),
        ("leave out background, or name another model",),
    ),
    "conflict": Row(
        (refused(409, "Another request holds it"),),
        "upstream_invalid",
        ("busy with something else (409): Another request",),
        ("wait a minute, then try again",),
        requests=3,
    ),
    "too large": Row(
        (refused(413, "Request too large"),),
        "upstream_invalid",
        ("too large for the provider",),
        ("fewer or smaller images",),
        door="edit",
    ),
    "anything else": Row(
        (refused(400, "No.", "invalid_value", param="prompt"),),
        "upstream_invalid",
        ("refused the request (400) (about prompt): No.",),
        ("change what the provider names",),
    ),
}
IMAGES = {
    "bad image data": Row(
        (refused(400, "Invalid image data.", "invalid_image_file", USER, param="images[0].image_url"),),
        "input_rejected",
        ("cannot use an image (about images[0].image_url): Invalid image data.",),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "bad image file": Row(
        (refused(400, "Invalid image file or mode for image 1, please check your image file.", "invalid_image_file"),),
        "input_rejected",
        ("image 1",),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "bad image, told in words alone": Row(
        (refused(400, "Invalid image file or mode for image 1, please check your image file."),),
        "input_rejected",
        door="edit",
    ),
    **{
        code: Row(
            (refused(400, "Not this image.", code, USER),),
            "input_rejected",
            fix=(fix, "or name another one"),
            door="edit",
        )
        for code, fix in {
            "image_too_large": "To fix: scale the image it means down,",
            "image_too_small": "To fix: scale the image it means up,",
            "image_file_too_large": "To fix: make the file of the image it means smaller (fewer pixels, or JPEG),",
            "empty_image_file": "To fix: save the image it means again,",
        }.items()
    },
    "mime type": Row(
        (
            refused(
                400,
                "Invalid file 'image[0]': unsupported mimetype ('image/tiff').",
                "unsupported_file_mimetype",
                param="image[0]",
            ),
        ),
        "input_rejected",
        ("image[0]", "image/tiff"),
        ("PNG, JPEG or WebP",),
        door="edit",
    ),
    "an image that a response cannot read": Row(
        (failed("image_parse_error", "The image cannot be parsed."),),
        "input_rejected",
        ("cannot be parsed",),
        door="continue",
    ),
    "remote URL": Row(
        (refused(400, "Error while downloading file. Upstream status code: 404.", "invalid_value", param="url"),),
        "input_not_found",
        ("cannot fetch an image", "404"),
        ("by its path",),
        door="continue",
    ),
    "unknown file": Row(
        (refused(400, "File with id 'file-7' not found in organization org-x.", param="input[0].content[1].file_id"),),
        "input_not_found",
        ("does not know the file", "file-7"),
        ("upload the image again",),
        door="continue",
    ),
    "mask without alpha": Row(
        (refused(400, "Invalid mask image format - mask image missing alpha channel"),),
        "mask_rejected",
        ("cannot use the mask", "missing alpha channel"),
        ("the size of the first image", "transparent where it may be edited"),
        door="edit",
    ),
    "mask of another size": Row(
        (
            refused(
                400,
                "Invalid mask image format - mask size does not match image size",
                "invalid_mask_image_format",
                USER,
                param="mask",
            ),
        ),
        "mask_rejected",
        ("does not match image size",),
        door="edit",
    ),
}
