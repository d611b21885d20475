#!/bin/sh
# Kong's command line, as far as a container needs it.
case ${1:-} in
  docker-start) exec python3 -m lab_application ;;
  health) exec busybox wget -q -O /dev/null "http://${KONG_ADMIN_LISTEN:-127.0.0.1:8001}/status" ;;
  *) echo "Error: unknown command '${1:-}'" >&2; exit 1 ;;
esac
