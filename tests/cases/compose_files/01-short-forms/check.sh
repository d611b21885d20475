curl -fsS http://127.0.0.1:18101/ | grep -q "short forms"
curl -fsS http://127.0.0.1:18111/ | grep -q "short forms"
docker exec 01-short-forms-web-1 sh -c 'test "$PRICE" = "5$" && getent hosts store'
