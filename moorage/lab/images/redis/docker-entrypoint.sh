#!/bin/sh
# As upstream: options alone mean redis-server; root gives the data folder to redis and steps down.
set -eu
case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
if [ "${1:-}" = redis-server ]; then
  # protected mode is off in the upstream image; nothing but its own arguments protects it
  [ $# -gt 1 ] || set -- redis-server --protected-mode no
  if [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis '{}' +
    exec setpriv --reuid=redis --regid=redis --init-groups "$@"
  fi
fi
exec "$@"
