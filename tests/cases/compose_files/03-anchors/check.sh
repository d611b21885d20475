docker exec 03-anchors-two-1 sh -c 'test $LOG_LEVEL = debug && test $TZ = Etc/UTC'
docker inspect 03-anchors-three-1 | grep -q team-a
docker inspect 03-anchors-three-1 --format '{{.HostConfig.LogConfig.Config}}' | grep -q max-size:1m
