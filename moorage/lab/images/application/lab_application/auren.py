"""The applications of AUREN: the API, the biometric bridge, NEUROS, the webhooks, and the PWA's own server."""

from __future__ import annotations

import json
import os
import threading
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

from . import auren_store, kafka_client, websocket
from .oberaconnect import checked, ready, text
from .server import Answer, Application, Handler, Refusal, Request

PORTS = {
    "auren-api": 8080,
    "biometric-bridge": 8002,
    "neuros-advanced": 8000,
    "biometric-production": 8888,
    "pwa": 80,
}
READINGS = "biometric-events"
EVENTS = "system-events"
# heart rate variability below this is a matter for the safety override
GUARDIAN_BELOW = 20.0


def flag(value: Any) -> bool:
    """Whether a value is true or false."""
    return isinstance(value, bool)


def readings(value: Any) -> bool:
    """Whether a value is a list of readings: a metric with a number each."""
    return isinstance(value, list) and all(
        isinstance(entry, dict)
        and set(entry) == {"metric", "value"}
        and text(entry["metric"])
        and isinstance(entry["value"], int | float)
        for entry in value
    )


def mode(values: list[dict[str, Any]]) -> str:
    """The cognitive mode that readings lead to."""
    if any(entry["metric"] == "hrv" and entry["value"] < GUARDIAN_BELOW for entry in values):
        return "guardian"
    return {0: "reflex", 1: "pattern"}.get(len(values), "hypothesis")


def publish(topic: str, message: object) -> None:
    """Write a message to Kafka; a broker that is away is not this application's mistake."""
    try:
        kafka_client.publish(topic, message)
    except OSError as error:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def memory_stats(_request: Request) -> Answer:
    """How many memories there are in each tier: Redis, PostgreSQL, Chroma."""
    return Answer(auren_store.memory_counts())


def knowledge_graph(_request: Request) -> Answer:
    """Agents and users as nodes, memories between them as links."""
    return Answer(auren_store.graph())


def protocol_entry(request: Request) -> Answer:
    """Write an entry of a protocol: an event in PostgreSQL, told to Kafka."""
    body = checked(request, {"user_id": text}, {"content": text, "dry_run": flag})
    name = request.parts["protocol"]
    if body.get("dry_run"):
        return Answer({"protocol": name, "user_id": body["user_id"], "version": 0})
    version = auren_store.append_event(f"protocol:{name}:{body['user_id']}", "protocol.entry", body)
    publish(EVENTS, {"type": "protocol.entry", "protocol": name, "user_id": body["user_id"]})
    return Answer({"protocol": name, "user_id": body["user_id"], "version": version})


def analyze(request: Request) -> Answer:
    """Say which mode readings lead to, and hand them on to the bridge."""
    body = checked(request, {"user_id": text, "readings": readings}, {"dry_run": flag})
    if not body.get("dry_run"):
        publish(READINGS, {"user_id": body["user_id"], "device": "api", "readings": body["readings"]})
    return Answer({"user_id": body["user_id"], "mode": mode(body["readings"]), "readings": len(body["readings"])})


def dashboard(request: Request) -> Answer:
    """Updates for one user: a greeting, then an answer to each message."""
    user = request.parts["user_id"]

    def talk(connection: websocket.Connection) -> None:
        connection.send(json.dumps({"type": "welcome", "user_id": user}))
        while (message := connection.receive()) is not None:
            answer = {"type": "pong"} if message == "ping" else {"type": "echo", "message": message}
            connection.send(json.dumps({**answer, "user_id": user}))

    return Answer(None, talk=talk)


def process(request: Request) -> Answer:
    """Answer a message of a user, and keep where the conversation stands."""
    body = checked(request, {"user_id": text, "message": text}, {})
    auren_store.checkpoint(f"neuros:{body['user_id']}", {"message": body["message"]})
    return Answer({"user_id": body["user_id"], "mode": "reflex", "answer": f"I hear: {body['message']}"})


def webhook(request: Request) -> Answer:
    """Take a device's readings: into Kafka, and no further."""
    body = checked(request, {"user_id": text, "readings": readings}, {})
    topic = os.environ.get("KAFKA_TOPIC", READINGS)
    publish(topic, {**body, "device": request.parts["device"]})
    return Answer({"status": "accepted", "topic": topic}, HTTPStatus.ACCEPTED)


def bridge() -> None:
    """Store every reading that comes through Kafka, and where its user's thread stands then."""
    for message in kafka_client.messages(READINGS):
        auren_store.store_readings(message["user_id"], message["device"], message["readings"])
        auren_store.checkpoint(f"biometric:{message['user_id']}", {"mode": mode(message["readings"])})


def run_bridge() -> None:
    """Run it: an end of it is an end of the process."""
    try:
        bridge()
    finally:
        os._exit(1)


def internal(request: Request) -> Answer:
    """What the PWA's own server passes on: to the API base inside the network."""
    url = os.environ["API_BASE_INTERNAL"].rstrip("/") + request.path.removeprefix("/internal")
    passed = urllib.request.Request(url, request.body or None, method=request.method)  # noqa: S310 (the stack's own)
    passed.add_header("Content-Type", request.headers.get("content-type", "application/json"))
    try:
        with urllib.request.urlopen(passed, timeout=10) as answer:  # noqa: S310
            return Answer(json.load(answer), answer.status)
    except urllib.error.HTTPError as error:
        return Answer(json.load(error), error.code)
    except OSError as error:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"{url}: {error}") from error


def page(_request: Request) -> Answer:
    """The PWA's page: its API base is what the browser asks."""
    base = json.dumps(os.environ.get("API_BASE_EXTERNAL", "/"))
    return Answer(
        f"<!DOCTYPE html><title>AUREN</title><script>const API_BASE = {base};</script>", kind="text/html; charset=utf-8"
    )


OWN: dict[str, dict[tuple[str, str], Handler]] = {
    "auren-api": {
        ("GET", "/api/memory/stats"): memory_stats,
        ("GET", "/api/knowledge-graph/data"): knowledge_graph,
        ("POST", "/api/protocols/{protocol}/entry"): protocol_entry,
        ("POST", "/api/biometric/analyze"): analyze,
        ("GET", "/ws/dashboard/{user_id}"): dashboard,
    },
    "biometric-bridge": {},
    "neuros-advanced": {("POST", "/process"): process},
    "biometric-production": {("POST", "/webhooks/{device}"): webhook},
    "pwa": {
        ("GET", "/"): page,
        ("GET", "/internal/health"): internal,
        ("POST", "/internal/process"): internal,
    },
}


def application(service: str) -> tuple[Application, int]:
    """One of the applications, and its port."""
    made = Application()
    identity = {"service": service, "version": os.environ.get("LAB_VERSION", "")}
    made.add("GET", "/health", lambda _request: Answer({"status": "ok", **identity}))
    made.add("GET", "/ready", ready)
    made.add("GET", "/metrics", made.metrics)
    for (method, path), handler in OWN[service].items():
        made.add(method, path, handler)
    if service == "biometric-bridge":
        threading.Thread(target=run_bridge, daemon=True).start()
    return made, PORTS[service]
