docker exec 20-everything-else-Web_App-1 grep -q upper /case
curl -fsS http://127.0.0.1:18120/ > /dev/null
docker exec 20-everything-else-store-1 redis-cli -e ping
