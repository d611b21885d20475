docker exec some-volumes-app-1 sh -c 'for d in /data /state /cache /outside /anonymous /pinned /bound; do touch $d/x || exit 1; done; mount | grep -q "tmpfs on /pinned" && test "$(cat /host-name)"'
docker volume inspect some-cache | grep -q com.example.a
test -e /srv/moorage/some-volumes/data/x
test -e /srv/moorage/some-volumes/bound/x
