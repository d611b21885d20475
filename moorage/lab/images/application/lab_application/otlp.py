"""What takes OTLP over HTTP: the JSON encoding, checked; the binary one is for the real servers."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from .server import Answer, Application, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

IDENTITIES = {"traceId": re.compile(r"[0-9a-f]{32}"), "spanId": re.compile(r"[0-9a-f]{16}")}


def spans(body: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The service and the span, of each span of an export request.

    Raises:
        Refusal: It is no such request.
    """
    try:
        for block in body["resourceSpans"]:
            attributes = {entry["key"]: entry["value"] for entry in block["resource"]["attributes"]}
            service = attributes["service.name"]["stringValue"]
            for scope in block["scopeSpans"]:
                for span in scope["spans"]:
                    checked(span)
                    yield service, span
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"no ExportTraceServiceRequest: {error!r}") from error


def checked(span: dict[str, Any]) -> None:
    """Refuse a span whose identities, name or times are wrong."""
    for key, pattern in IDENTITIES.items():
        if not pattern.fullmatch(span[key]):
            raise ValueError(f"{key} {span[key]}")
    if not span["name"] or int(span["endTimeUnixNano"]) < int(span["startTimeUnixNano"]):
        raise ValueError(f"span {span['spanId']}")


def receiver(take: Callable[[list[tuple[str, dict[str, Any]]], bytes], None]) -> Application:
    """A server for POST /v1/traces that hands on what it was sent."""

    def traces(request: Request) -> Answer:
        take(list(spans(request.json())), request.body)
        return Answer({"partialSuccess": {}})

    made = Application()
    made.add("POST", "/v1/traces", traces)
    return made
