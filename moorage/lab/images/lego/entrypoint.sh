#!/bin/sh
# Debian's lego is older than upstream's image, which takes these options from the environment too.
set -eu
[ -z "${LEGO_EAB_HMAC:-}" ] || set -- --eab --kid "${LEGO_EAB_KID}" --hmac "${LEGO_EAB_HMAC}" "$@"
exec /usr/bin/lego "$@"
