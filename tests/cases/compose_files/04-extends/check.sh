docker exec 04-extends-twin-1 sh -c 'test "$BASE $WORKER $ROLE $SHARED" = "from-base from-worker twin yes" && grep -q blue /settings/app.ini'
docker exec 04-extends-api-1 redis-cli -e ping
