# What a careful person would write by hand to see that nothing has to be done: run as root on the server.
# Arguments: the stack's project, the folder of the release that runs, a file of checksums.
set -eu
project=$1 release=$2 sums=$3

test "$(dpkg-query -W -f '${db:Status-Abbrev}\n' docker.io docker-cli docker-compose docker-buildx | grep -c '^[ih]i')" = 4
systemctl is-active --quiet docker
sha256sum --check --quiet "$sums"
docker network inspect "$project-network" > /dev/null
docker volume inspect "${project}_postgres_data" "${project}_qdrant_storage" "${project}_qdrant_snapshots" \
    "${project}_n8n_data" > /dev/null
docker compose -p "$project" --project-directory "$release" -f "$release/compose.yaml" \
    --env-file "$(find "/etc/moorage/$project" -maxdepth 1 -name '*.env' | head -1)" \
    up -d --wait --no-build --quiet-pull 2> /dev/null

pids=
probe() { "$@" > /dev/null & pids="$pids $!"; }
for path in health api/services api/data/health api/rag/health api/engineering/health api/callflow/health \
    api/agents/health api/data/ready api/rag/ready api/engineering/ready api/callflow/ready api/agents/ready; do
    probe curl -sf --max-time 10 "http://127.0.0.1:8080/$path"
done
probe curl -sf --max-time 10 http://127.0.0.1:6333/readyz
probe curl -sf --max-time 10 http://127.0.0.1:5678/healthz
probe docker exec "$project-postgres-1" psql -U obera -d "$project" -c 'select 1'
for pid in $pids; do wait "$pid"; done
