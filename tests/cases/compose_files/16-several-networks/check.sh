docker exec several-proxy getent hosts database
docker inspect 16-several-networks-backend-1 -f '{{json .NetworkSettings.Networks}}' | grep -q several-outside
docker network inspect -f '{{.Internal}}' 16-several-networks_back | grep -q true
! docker network inspect 16-several-networks_unused
