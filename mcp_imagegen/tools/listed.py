"""The form in which an operation is listed to clients.

Models read these schemas and some providers refuse parts of JSON Schema, so the listed form is plain: no `anyOf` with
null, no titles, no null defaults, no greatest lengths (they are checked all the same), required arguments first.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema


class _PlainSchema(GenerateJsonSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        listed = super().default_schema(schema)
        return {name: value for name, value in listed.items() if name != "default" or value not in (None, [], "")}

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        return {"type": "object"}

    def str_schema(self, schema: core_schema.StringSchema) -> JsonSchemaValue:
        return {"type": "string"}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        listed = super().model_schema(schema)
        return {name: value for name, value in listed.items() if name not in ("title", "additionalProperties")}

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        return value  # the order of the arguments is the order of the fields


def input_schema(operation: type[BaseModel]) -> dict[str, Any]:
    """The arguments of a tool: required ones first, then the operation's own, then the shared ones.

    The operation's docstring is its `description`.
    """
    listed = operation.model_json_schema(schema_generator=_PlainSchema)
    properties = listed["properties"]
    for name in properties:
        properties[name].pop("maxItems", None)
    order = dict.fromkeys([*listed.get("required", []), *operation.__annotations__, *properties])
    listed["properties"] = {name: properties[name] for name in order if name in properties}
    listed["description"] = " ".join(listed["description"].split())
    return listed


def output_schema(result: type[BaseModel]) -> dict[str, Any]:
    """The structured result of a tool; what may be missing from it is not required."""
    return result.model_json_schema(schema_generator=_PlainSchema)
