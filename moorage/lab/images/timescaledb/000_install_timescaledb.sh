#!/bin/bash
# As in the upstream image: a folder mounted over this one hides it, and then nobody makes the extension.
set -euo pipefail
for database in template1 "$POSTGRES_DB"; do
  psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "$POSTGRES_USER" -d "$database" \
    -c 'SET client_min_messages = error' -c 'CREATE EXTENSION IF NOT EXISTS timescaledb CASCADE'
done
