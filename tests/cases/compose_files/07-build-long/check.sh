docker exec build-long-app-1 sh -c 'test "$(cat /release /lib.txt /src/main.txt | tr "\n" " ")" = "7 shared source "'
docker exec build-long-inline-1 grep -q inline /which
docker inspect build-long-app-1 | grep -q com.example.built
