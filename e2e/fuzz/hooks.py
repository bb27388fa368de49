"""What every answer of the API must be, whatever was asked: no failure of the server, and what the schema says.

Knows the schema's file and GraphQL over HTTP; nothing of the server.
"""

import os
from pathlib import Path

import schemathesis
from graphql import (
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    build_schema,
    get_named_type,
    parse,
)
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode, OperationDefinitionNode
from hypothesis import strategies as st
from schemathesis.graphql import nodes

SCHEMA = build_schema(Path(os.environ["CRONIUM_SCHEMA"]).read_text(), assume_valid=True)

TEXTS = st.text(max_size=40)
schemathesis.graphql.scalar(
    "DateTime",
    st.one_of(
        st.datetimes().map(lambda at: nodes.String(at.isoformat() + "Z")),
        TEXTS.map(nodes.String),
    ),
)
schemathesis.graphql.scalar(
    "Duration",
    st.one_of(
        st.integers(-1, 10**12).map(lambda seconds: nodes.String(f"PT{seconds}S")),
        TEXTS.map(nodes.String),
    ),
)
schemathesis.graphql.scalar("JSON", st.one_of(TEXTS.map(nodes.String), st.integers(-(2**31), 2**31 - 1).map(nodes.Int)))

CODES = {
    "UNAUTHENTICATED",
    "FORBIDDEN",
    "NOT_FOUND",
    "BAD_REQUEST",
    "RATE_LIMITED",
    "COMPLEXITY_EXCEEDED",
}


def fits(value, kind, selections, path):
    """Fails where a value is not what its type says."""
    if isinstance(kind, GraphQLNonNull):
        assert value is not None, f"{path} is null"
        return fits(value, kind.of_type, selections, path)
    if value is None:
        return None
    if isinstance(kind, GraphQLList):
        assert isinstance(value, list), f"{path} is no list"
        for at, item in enumerate(value):
            fits(item, kind.of_type, selections, f"{path}.{at}")
        return None
    if isinstance(kind, GraphQLEnumType):
        assert value in kind.values, f"{path} is {value!r}, no value of {kind}"
        return None
    if isinstance(kind, GraphQLScalarType):
        types = {"Int": int, "Float": (int, float), "String": str, "ID": str, "Boolean": bool, "DateTime": str, "Duration": str}
        wanted = types.get(kind.name)
        assert wanted is None or isinstance(value, wanted), f"{path} is {value!r}, no {kind}"
        assert kind.name != "Int" or -(2**31) <= value < 2**31, f"{path} is too large for Int"
        return None
    assert isinstance(value, dict), f"{path} is no object"
    return members(value, kind, selections, path)


def members(value, kind, selections, path):
    for selection in selections or []:
        if isinstance(selection, InlineFragmentNode):
            name = selection.type_condition.name.value if selection.type_condition else kind.name
            if value.get("__typename", name) == name and name == kind.name:
                members(value, SCHEMA.get_type(name), selection.selection_set.selections, path)
        elif isinstance(selection, FieldNode) and selection.name.value != "__typename":
            field = getattr(kind, "fields", {}).get(selection.name.value)
            name = (selection.alias or selection.name).value
            if field is None or selection.directives:
                continue
            assert name in value, f"{path}.{name} was asked for and is not there"
            below = selection.selection_set.selections if selection.selection_set else []
            fits(value[name], field.type, below, f"{path}.{name}")
        else:
            assert not isinstance(selection, FragmentSpreadNode), "generated documents have no named fragments"


@schemathesis.check
def answers_what_the_schema_says(ctx, response, case):
    assert response.status_code < 500, f"status {response.status_code}: {response.text[:500]}"
    answer = response.json()
    assert isinstance(answer, dict) and set(answer) <= {"data", "errors", "extensions"}, answer
    for error in answer.get("errors", []):
        code = error.get("extensions", {}).get("code")
        assert isinstance(error.get("message"), str), error
        assert code in CODES, f"{code}: {error}"
    data = answer.get("data")
    if data is None:
        assert answer.get("errors"), "neither data nor errors"
        return
    text = case.body if isinstance(case.body, str) else case.body["query"]
    for operation in parse(text).definitions:
        if isinstance(operation, OperationDefinitionNode):
            root = SCHEMA.get_root_type(operation.operation)
            members(data, get_named_type(root), operation.selection_set.selections, "data")
