#!/bin/bash
# Does what the upstream image's entrypoint does: initialise once, then run the server as PID 1.
set -euo pipefail

fail() { echo "$*" >&2; exit 1; }

# file_env NAME DEFAULT: NAME, else the content of NAME_FILE, else DEFAULT.
file_env() {
  local name=$1 file=${1}_FILE
  [ -z "${!name:-}" ] || [ -z "${!file:-}" ] || fail "error: both $name and $file are set (but are exclusive)"
  if [ -n "${!file:-}" ]; then
    [ -r "${!file}" ] || fail "error: ${!file} cannot be read by uid $(id -u)"
    export "$name=$(< "${!file}")"
    unset "$file"
  fi
  [ -n "${!name:-}" ] || export "$name=${2-}"
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    echo "$0: running $file"
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$file" ;;
      *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" ;;
      *) echo "$0: ignoring $file" ;;
    esac
  done
}

initialise() {
  [ -n "$POSTGRES_PASSWORD" ] || [ "${POSTGRES_HOST_AUTH_METHOD:-}" = trust ] \
    || fail "Error: Database is uninitialized and superuser password is not specified."
  # shellcheck disable=SC2086 # several arguments, as upstream takes them
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-none}") \
    --auth-local=trust --auth-host=trust ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
  # the socket alone: nobody reaches the server over the network before the init files are done
  pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  if [ "$POSTGRES_DB" != postgres ]; then
    psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "$POSTGRES_USER" -d postgres -v name="$POSTGRES_DB" \
      <<< 'CREATE DATABASE :"name"'
  fi
  shopt -s nullglob
  run_init_files
  pg_ctl -D "$PGDATA" -m fast -w stop
  echo 'PostgreSQL init process complete; ready for start up.'
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
[ "${1:-}" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  find "$PGDATA" /run/postgresql \! -user postgres -exec chown postgres '{}' +
  chmod 0700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
file_env POSTGRES_PASSWORD
file_env POSTGRES_USER postgres
file_env POSTGRES_DB "$POSTGRES_USER"
[ -s "$PGDATA/PG_VERSION" ] || initialise
unset POSTGRES_PASSWORD
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql "$@"
