#!/bin/sh
# Make a signed repository of the shape of Docker's below $1, from Debian's packages.
set -eu
root=$1/linux/debian
work=$(mktemp -d)
export GNUPGHOME="$work/gnupg"
mkdir -m 700 "$GNUPGHOME"
mkdir -p "$root/pool" "$root/dists/trixie/stable/binary-$(dpkg --print-architecture)"
cd "$work"

apt-get download -q docker.io docker-cli docker-buildx docker-compose containerd runc
for package in docker.io docker-cli docker-buildx docker-compose containerd runc; do
  dpkg-deb --raw-extract "$package"_*.deb "$package"
done

# rename DEBIAN-NAME NEW-NAME VERSION
rename() {
  sed -i -E \
    -e "s/^Package: .*/Package: $2/" \
    -e "s/^Version: .*/Version: $3/" \
    -e '/^(Breaks|Replaces|Recommends|Suggests|Source|Conflicts|Provides):/d' \
    -e '/^Depends:/s/, *runc( \([^)]*\))?//' \
    -e '/^Depends:/s/ runc( \([^)]*\))?, *//' \
    -e '/^Depends:/s/ containerd( \([^)]*\))?(,|$)/ containerd.io\2/' \
    -e '/^Depends:/s/ docker-cli( \([^)]*\))?/ docker-ce-cli/' \
    "$1/DEBIAN/control"
  printf 'Conflicts: docker.io, docker-cli, docker-buildx, docker-compose, containerd, runc\n' > "$work/extra"
  sed -i "/^Version:/r $work/extra" "$1/DEBIAN/control"
  dpkg-deb --root-owner-group -Znone --build "$1" "$root/pool/$2_$(echo "$3" | tr -d ':~')_all.deb" > /dev/null
}

cp -a runc/usr/. containerd/usr/
rename containerd containerd.io 2.1.5-1~debian.13~trixie
rename docker-buildx docker-buildx-plugin 0.34.1-1~debian.13~trixie
rename docker-compose docker-compose-plugin 5.5.0-1~debian.13~trixie
before=26.1.5
for version in 28.5.1 28.5.2; do
  # The programs must tell their version as Docker's do: the same length, so it can be written over.
  sed -i "s/$before+dfsg1/$version+dfsg1/g" docker.io/usr/sbin/dockerd
  rename docker.io docker-ce "5:$version-1~debian.13~trixie"
  rename docker-cli docker-ce-cli "5:$version-1~debian.13~trixie"
  before=$version
done

cd "$root"
apt-ftparchive packages pool > "dists/trixie/stable/binary-$(dpkg --print-architecture)/Packages"
apt-ftparchive -o APT::FTPArchive::Release::Suite=trixie -o APT::FTPArchive::Release::Components=stable \
  release dists/trixie > "$work/Release"
mv "$work/Release" dists/trixie/Release
gpg --batch --quiet --passphrase '' --quick-generate-key 'Test repository <test@example.com>' ed25519 sign never
gpg --batch --quiet --clearsign --output dists/trixie/InRelease dists/trixie/Release
gpg --batch --quiet --armor --export > gpg
rm -rf "$work"
