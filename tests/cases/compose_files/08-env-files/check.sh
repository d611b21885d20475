docker exec env-files-app-1 sh -c 'test "$A $B $WITH_HASH" = "from-defaults from-more a#b"'
docker exec env-files-app-1 sh -c 'test "$DIRECT|$NESTED|$PLUS|$QUOTED|$DERIVED" = "given|env|set|with blank|env/derived"'
docker exec env-files-app-1 env | grep -qxF 'DOLLARS=a$b ${NOT}'
