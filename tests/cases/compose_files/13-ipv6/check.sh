curl -fsS http://127.0.0.1:18113/ > /dev/null
docker network inspect 13-ipv6_six | grep -q '"EnableIPv6": true'
docker inspect 13-ipv6-web-1 | grep -q 'fd5e:13::10'
