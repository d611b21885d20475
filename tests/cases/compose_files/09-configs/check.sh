docker exec 09-configs-web-1 grep -q page /page
curl -fsS http://127.0.0.1:18109/inline.txt | grep -qxF 'costs 5$'
curl -fsS http://127.0.0.1:18109/variable.txt | grep -q "hello from a variable"
