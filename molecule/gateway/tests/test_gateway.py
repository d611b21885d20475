"""The gateway by itself: its routes, what changes them, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from molecule.conftest import Converge

FOLDER = "/srv/edge/nginx"
SETTINGS = {"listen": 8080, "discovery": "/api/services"}


def root(host: Any, command: str, *arguments: str) -> str:
    with host.sudo():
        return str(host.check_output(command, *arguments))


def get(host: Any, path: str) -> tuple[int, str]:
    """Return the status and body of a GET through the gateway."""
    answer = host.check_output("curl -s -m 20 -w '\\n%%{http_code}' %s", f"http://127.0.0.1:8080{path}")
    body, _, status = answer.rpartition("\n")
    return int(status), body


def started(host: Any) -> str:
    """Return what tells one start of the container from another."""
    return root(host, "docker inspect --format '{{.Id}} {{.State.StartedAt}} {{.RestartCount}}' edge")


def loaded(host: Any) -> str:
    """Return the checksum of the configuration that nginx runs."""
    command = "nsenter -n -t $(docker inspect --format '{{.State.Pid}}' edge) curl -s http://127.0.0.1:9025/-/config"
    return str(json.loads(root(host, command))["config"])


def tree(host: Any) -> str:
    """Return names, times and contents of everything below the folder."""
    return root(host, f"cd {FOLDER} && find . -printf '%%p %%l %%m %%T@ %%C@\\n' | sort; cat current/*")


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture
def undisturbed(host: Any) -> Iterator[None]:
    """Neither the files, nor the configuration that runs, nor the container change."""
    before = (tree(host), loaded(host), started(host))
    yield
    assert (tree(host), loaded(host), started(host)) == before


def test_routes_lead_to_their_containers(host: Any) -> None:
    status, body = get(host, "/api/agents/health")
    assert (status, json.loads(body)["service"]) == (200, "agents")
    status, body = get(host, "/")
    assert (status, body.strip()) == (200, "nginx of the lab")
    assert get(host, "/health") == (200, '{"status": "ok"}')


def test_the_discovery_path_lists_what_was_given(host: Any) -> None:
    status, body = get(host, "/api/services")

    assert status == 200
    assert json.loads(body) == {
        "stack": "gateway",
        "services": [{"name": "agents", "layer": "backend"}, {"name": "web", "layer": "frontend"}],
        "routes": [{"path": "/", "service": "web"}, {"path": "/api/agents/", "service": "agents"}],
    }


@pytest.mark.usefixtures("undisturbed")
def test_another_run_changes_nothing(converge: Converge) -> None:
    done = converge()

    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout


@pytest.mark.usefixtures("undisturbed")
def test_check_mode_shows_the_change_and_writes_nothing(converge: Converge) -> None:
    done = converge("--check", "--diff", route={"timeout": "77s"})

    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert "+      proxy_read_timeout 77s;" in done.stdout
    assert "-      proxy_read_timeout 30s;" in done.stdout


def test_a_changed_timeout_is_loaded_without_a_restart(host: Any, converge: Converge) -> None:
    container, configuration = started(host), loaded(host)
    assert get(host, "/api/agents/slow?seconds=3")[0] == 200

    done = converge(route={"timeout": "1s"})

    assert done.returncode == 0, done.stdout
    assert started(host) == container
    assert loaded(host) != configuration
    status, body = get(host, "/api/agents/slow?seconds=3")
    assert (status, json.loads(body)["error"]["code"]) == (504, "gateway_timeout")

    assert converge().returncode == 0
    assert (loaded(host), started(host)) == (configuration, container)


def test_a_file_that_was_changed_by_hand_is_mended(host: Any, converge: Converge) -> None:
    before, configuration = root(host, f"cat {FOLDER}/current/nginx.conf"), loaded(host)
    root(host, f"echo '# mine' >> {FOLDER}/current/nginx.conf")

    done = converge()

    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert root(host, f"cat {FOLDER}/current/nginx.conf") == before
    assert loaded(host) == configuration


@pytest.mark.parametrize("image", ["nginx:1.30.4-alpine", ""], ids=["by the image", "by the container"])
@pytest.mark.usefixtures("undisturbed")
def test_a_configuration_that_nginx_refuses_changes_nothing(converge: Converge, image: str) -> None:
    # A path that the schema allows twice and nginx does not.
    done = converge(image=image, settings={**SETTINGS, "discovery": "/health"})

    assert done.returncode != 0
    assert "nginx refuses the configuration" in done.stdout
    assert 'duplicate location "/health"' in done.stdout
    assert "nothing was changed" in done.stdout


def test_a_configuration_that_cannot_be_loaded_is_undone(host: Any, converge: Converge) -> None:
    """A port in use passes nginx's own test, and a reload reports nothing."""
    before, container = loaded(host), started(host)
    files = root(host, f"ls -A {FOLDER}")
    run = "docker run --detach --name other --network container:edge nginx:1.30.4-alpine"
    root(host, run)  # its own configuration listens on 80
    root(host, "timeout 10 sh -c 'until docker exec other wget -q --spider http://127.0.0.1/; do sleep 0.2; done'")
    try:
        done = converge(settings={**SETTINGS, "listen": 80})
    finally:
        root(host, "docker rm --force other")

    assert done.returncode != 0
    assert "nginx did not load the configuration" in done.stdout
    assert "bind() to 0.0.0.0:80 failed" in done.stdout
    assert "the former one is in force again" in words(done.stdout)
    assert (loaded(host), started(host)) == (before, container)
    assert root(host, f"ls -A {FOLDER}") == files
    assert "changed=0" in converge().stdout


def test_a_reload_that_did_not_happen_is_no_success(host: Any, converge: Converge) -> None:
    """The mended file names the same checksum as the one that runs: that alone proves no reload."""
    root(host, f"echo '# mine' >> {FOLDER}/current/nginx.conf")

    done = converge(nginx_gateway_signal="USR1", nginx_gateway_wait_seconds=1)  # nginx opens its logs anew

    assert done.returncode != 0
    assert "its former workers still take requests" in words(done.stdout)


def test_files_that_were_written_but_not_loaded_are_loaded_later(host: Any, converge: Converge) -> None:
    """As after a run that was killed before the signal."""
    before = loaded(host)
    assert "changed=1" in converge(container="", route={"timeout": "9s"}).stdout
    assert loaded(host) == before

    done = converge(route={"timeout": "9s"})

    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    assert f'"config": "{loaded(host)}"' in root(host, f"cat {FOLDER}/current/nginx.conf")
    assert loaded(host) != before
    assert converge().returncode == 0


def test_an_nginx_that_reads_another_configuration_is_named(host: Any, converge: Converge) -> None:
    run = "docker run --detach --name plain --volume /srv/edge/plain:/etc/gateway:ro nginx:1.30.4-alpine"
    root(host, run)
    try:
        done = converge(container="plain", nginx_gateway_folder="/srv/edge/plain", nginx_gateway_wait_seconds=1)
    finally:
        root(host, "docker rm --force plain")

    assert done.returncode != 0
    assert "expected: nginx as started by: nginx -c /etc/gateway/current/nginx.conf" in words(done.stdout)
    assert "no former configuration to go back to" in words(done.stdout)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"route": {"timout": "9s"}}, "nginx_gateway_services.agents.routes[0].timout: unknown key"),
        ({"route": {"upstream_path": "/v1"}}, "nginx_gateway_services.agents.routes: a path and its upstream_path"),
        ({"settings": {"static": {"root": "files/web"}}}, "nginx_gateway_settings.static: only the gateway of a whole"),
        ({"container": "egde"}, "egde: no such container"),
        ({"container": "edge-web-1"}, "does not mount this configuration folder found: nothing at /etc/gateway"),
        ({"nginx_gateway_rutes": []}, "Unknown variable nginx_gateway_rutes"),
        ({"image": "nginx:no-such-tag", "route": {"timeout": "9s"}}, "nginx:no-such-tag: the image that tests"),
    ],
    ids=["key", "paths", "static", "container", "mount", "variable", "image"],
)
@pytest.mark.usefixtures("undisturbed")
def test_bad_input_is_one_message_and_changes_nothing(
    converge: Converge, variables: dict[str, Any], message: str
) -> None:
    done = converge(**variables)

    assert done.returncode != 0
    assert message in words(done.stdout)
    assert "changed=0" in done.stdout


def test_a_container_that_is_stopped_is_not_proved(host: Any, converge: Converge) -> None:
    root(host, "docker stop edge")
    try:
        done = converge(route={"timeout": "9s"})
        assert done.returncode != 0
        assert "Container edge does not run: start it." in words(done.stdout)
    finally:
        root(host, "docker start edge")

    again = converge(route={"timeout": "9s"})
    assert again.returncode == 0, again.stdout
    assert "changed=0" in again.stdout
    assert "proxy_read_timeout 9s;" in root(host, f"cat {FOLDER}/current/nginx.conf")
    assert converge().returncode == 0
