docker exec 10-secrets-app-1 sh -c 'test "$(cat /run/secrets/password)" = "pass word" && grep -q BEGIN /etc/app/tls.pem && test "$(cat /run/secrets/key)" = key-1234-from-dotenv'
docker exec 10-secrets-app-1 sh -c 'test "$(stat -c %u:%a /run/secrets/password /etc/app/tls.pem | xargs)" = "999:400 999:440"'
docker exec 10-secrets-root-1 sh -c 'test "$(stat -c %u:%a /run/secrets/password)" = 0:400'
! grep -r "pass word\|key-1234" /var/lib/moorage/10-secrets
