docker exec 15-tmpfs-ulimits-app-1 sh -c 'test "$(ulimit -n)" = 1024 && test "$(cat /proc/sys/net/core/somaxconn)" = 256 && mount | grep -q "tmpfs on /tmp" && getent hosts gateway.test'
test "$(docker inspect -f '{{.Config.StopTimeout}} {{.Config.StopSignal}} {{.HostConfig.ReadonlyRootfs}}' 15-tmpfs-ulimits-app-1)" = "90 SIGINT true"
