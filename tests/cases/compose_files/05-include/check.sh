docker exec 05-include-store-1 sh -c 'test "$STORE $FROM_DOTENV" = "one from-infra" && grep -q 42 /conf/a.conf'
docker exec 05-include-tool-1 sh -c 'test "$TOOL $MORE" = "from-tools yes" && grep -q note /files/note.txt'
