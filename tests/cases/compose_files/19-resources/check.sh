curl -fsS http://127.0.0.1:18191/ > /dev/null
test "$(docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}' 19-resources-limited-1)" = "67108864 500000000"
docker inspect -f '{{index .Config.Labels "com.example.rule"}}' 19-resources-limited-1 | grep -qF 'PathPrefix(`/x`)'
docker port 19-resources-limited-1 8443 | grep -q '0.0.0.0:1819[3-9]'
