curl -fsS http://127.0.0.1:18106/ | grep -q "built here"
curl -fsS http://127.0.0.1:18106/keep.log | grep -q kept
docker exec 06-build-short-site-1 sh -c '! test -e /usr/share/nginx/html/Dockerfile'
docker image inspect example.com/build-short/also:2.0 > /dev/null
