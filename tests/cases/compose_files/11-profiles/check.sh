test "$(docker ps --filter label=com.docker.compose.project=11-profiles --format '{{.Names}}' | sort | xargs)" = "11-profiles-chosen-1 11-profiles-main-1"
