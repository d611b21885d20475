"""The applications of Universal AI Tools: a gateway, its services in Go and Rust, the old application and its API."""

from __future__ import annotations

import hashlib
import hmac
import importlib
import json
import os
import threading
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path
from typing import Any

from . import dependencies, tracing, websocket
from .oberaconnect import checked, ready, text
from .server import Answer, Application, Handler, Refusal, Request, serve, slow

FOLDERS = tuple(Path("/app") / name for name in ("logs", "cache", "data", "models"))
# first part of the path behind /api/: which variable says where that service is
BEHIND_THE_GATEWAY = {"auth": "AUTH_SERVICE_URL", "chat": "CHAT_SERVICE_URL", "memory": "MEMORY_SERVICE_URL"}
OPEN = ("auth",)


def signature(user: str) -> str:
    """What proves that a token is ours."""
    return hmac.new(os.environ["JWT_SECRET"].encode(), user.encode(), hashlib.sha256).hexdigest()


def token(request: Request) -> Answer:
    """Give a token to a user."""
    user = checked(request, {"user": text}, {})["user"]
    return Answer({"token": f"{user}.{signature(user)}"}, HTTPStatus.CREATED)


def known_user(request: Request) -> str:
    """The user of a request's token; a wrong one is refused."""
    kind, _space, value = request.headers.get("authorization", "").partition(" ")
    user, _dot, proof = value.rpartition(".")
    if kind != "Bearer" or not hmac.compare_digest(proof, signature(user)):
        raise Refusal(HTTPStatus.UNAUTHORIZED, "no valid token")
    return user


def ask(url: str, method: str, body: bytes | None) -> Answer:
    """Ask another service, as part of the same trace."""
    headers = {"Content-Type": "application/json", "traceparent": tracing.traceparent()}
    request = urllib.request.Request(url, body or None, headers, method=method)  # noqa: S310 (a service of the stack)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return Answer(json.load(answer), answer.status)
    except urllib.error.HTTPError as error:
        return Answer(json.load(error), error.code)
    except OSError as error:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"{url}: {error}") from error


def passed_on(request: Request) -> Answer:
    """The gateway: a path behind /api/NAME/ goes to that service, most with a token only."""
    variable = BEHIND_THE_GATEWAY.get(request.parts["service"], "")
    if not os.environ.get(variable, ""):
        raise Refusal(HTTPStatus.NOT_FOUND, f"no such service: {request.parts['service']}")
    if request.parts["service"] not in OPEN:
        known_user(request)
    rest = "/".join(request.path.split("/")[3:])
    return ask(f"{os.environ[variable].rstrip('/')}/{rest}", request.method, request.body)


def database(statement: str, *values: str) -> list[Any]:
    """Run a statement in the application's own table, which is made on the way."""
    driver: Any = importlib.import_module("psycopg2")  # only the image has it
    try:
        connection = driver.connect(os.environ["DATABASE_URL"], connect_timeout=dependencies.TIMEOUT_SECONDS)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("create table if not exists memories (key text primary key, content text not null)")
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()
    except driver.Error as error:
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, str(error).strip().splitlines()[-1]) from error


def remember(request: Request) -> Answer:
    """Keep a text under a key."""
    content = checked(request, {"text": text}, {})["text"]
    statement = "insert into memories values (%s, %s) on conflict (key) do update set content = excluded.content"
    database(statement, request.parts["key"], content)
    return Answer({"key": request.parts["key"], "text": content}, HTTPStatus.CREATED)


def recall(request: Request) -> Answer:
    """The text under a key."""
    rows = database("select content from memories where key = %s", request.parts["key"])
    if not rows:
        raise Refusal(HTTPStatus.NOT_FOUND, "nothing is kept under this key")
    return Answer({"key": request.parts["key"], "text": rows[0][0]})


def chat(request: Request) -> Answer:
    """Have the local model answer."""
    message = checked(request, {"message": text}, {"model": text})
    body = {"model": message.get("model", "llama3.2"), "prompt": message["message"], "stream": False}
    answer = ask(f"{os.environ['LOCAL_LLM_ENDPOINT'].rstrip('/')}/api/generate", "POST", json.dumps(body).encode())
    if answer.status != HTTPStatus.OK:
        raise Refusal(HTTPStatus.BAD_GATEWAY, f"the model server answers {answer.status}")
    return Answer({"answer": answer.body["response"]})


def store(request: Request) -> Answer:
    """Keep a user's file in the folder for data, and say so in the log."""
    (Path("/app/data") / request.parts["name"]).write_bytes(request.body)
    with Path("/app/logs/app.log").open("a", encoding="utf-8") as log:
        log.write(f"stored {request.parts['name']}\n")
    return Answer({"name": request.parts["name"], "bytes": len(request.body)}, HTTPStatus.CREATED)


def app_ready(request: Request) -> Answer:
    """Ready as the others, and when it can write to its four folders."""
    closed = [str(folder) for folder in FOLDERS if not os.access(folder, os.W_OK)]
    if closed:
        return Answer({"status": "unready", "failed": {"folders": closed}}, HTTPStatus.SERVICE_UNAVAILABLE)
    return ready(request)


GATEWAY: dict[tuple[str, str], Handler] = {
    (method, f"/api/{{service}}/{rest}"): passed_on
    for method in ("GET", "POST", "PUT")
    for rest in ("{resource}", "{resource}/{key}")
}
OWN: dict[str, dict[tuple[str, str], Handler]] = {
    "api-gateway": GATEWAY,
    "auth-service": {("POST", "/tokens"): token},
    "chat-service": {("POST", "/chat"): chat},
    "memory-service": {("PUT", "/memories/{key}"): remember, ("GET", "/memories/{key}"): recall},
    "websocket-hub": {("GET", "/ws"): lambda _request: Answer(None, talk=websocket.echo)},
    "app": {("PUT", "/files/{name}"): store},
}


def debugged() -> None:
    """Listen for a debugger, as Node does when it is told to."""
    _option, found, address = os.environ.get("NODE_OPTIONS", "").partition("--inspect=")
    if found:
        debugger = Application()
        version = {"Browser": "node.js/lab", "Protocol-Version": "1.1"}
        debugger.add("GET", "/json/version", lambda _request: Answer(version))
        threading.Thread(target=serve, args=(debugger, int(address.rpartition(":")[2])), daemon=True).start()


def application(service: str) -> tuple[Application, int]:
    """One of the applications, and its port."""
    made = Application()
    identity = {"service": service, "version": os.environ.get("LAB_VERSION", "")}
    made.add("GET", "/health", lambda _request: Answer({"status": "ok", **identity}))
    made.add("GET", "/ready", app_ready if service == "app" else ready)
    made.add("GET", "/metrics", made.metrics)
    made.add("GET", "/slow", slow)
    for (method, path), handler in OWN.get(service, {}).items():
        made.add(method, path, handler)
    debugged()
    return made, int(os.environ["PORT"])
