#!/bin/sh
# Options alone are options of nats-server.
set -e
case ${1:-} in -*) set -- nats-server "$@" ;; esac
exec "$@"
