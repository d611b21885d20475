docker exec 17-shared-namespaces-watcher-1 redis-cli -e -h 127.0.0.1 ping
docker exec 17-shared-namespaces-behind-1 ls /content
curl -fsS http://127.0.0.1:18117/ > /dev/null
