curl -fsS http://127.0.0.1:18102/ | grep -q "long forms"
docker inspect long-forms-web-1 --format '{{json .NetworkSettings.Networks}}' | grep -q 10.113.2.10
docker exec long-forms-store-1 getent hosts shop
docker network inspect long-forms_front | grep -q com.example.tier
docker volume inspect long-forms_uploads | grep -q com.example.keep
