docker exec 12-one-shot-app-1 grep -q migrated /mnt/done
test "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' 12-one-shot-seed-1)" = "exited 0"
test "$(docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' 12-one-shot-report-1)" = "exited 0"
