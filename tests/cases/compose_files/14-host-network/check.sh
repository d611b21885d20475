docker exec 14-host-network-agent-1 redis-cli -e -p 18114 ping
ss -ltn | grep -q 127.0.0.1:18114
test "$(docker inspect -f '{{.HostConfig.NetworkMode}}' 14-host-network-offline-1)" = none
