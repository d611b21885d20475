#!/bin/sh
# As upstream: `agent` gets its folders; root gives them to consul and steps down.
set -eu
if [ "${1:-}" = agent ]; then
  shift
  set -- python3 -m lab_application -data-dir=/consul/data -config-dir=/consul/config "$@"
  if [ "$(id -u)" = 0 ]; then
    for folder in /consul/data /consul/config; do
      [ "$(stat -c %u "$folder")" = 100 ] || chown consul:consul "$folder"
    done
    exec setpriv --reuid=consul --regid=consul --init-groups "$@"
  fi
fi
exec "$@"
