#!/bin/sh
# apt-private.sh DIR SUITE apt-get-arguments...
#
# apt-get with sources, lists and cache of its own below DIR: the machine's
# configuration stays as it is, and root is not needed.  For "update", "source"
# and "download"; never for "install".  The mirrors are those of the machine,
# or MIRROR and SECURITY_MIRROR.

set -eu

DIR=$1
SUITE=$2
shift 2

mkdir -p "$DIR/lists/partial" "$DIR/cache/archives/partial"
DIR=$(cd "$DIR" && pwd)          # apt ignores a relative source list

HERE=$(. /etc/os-release; echo "$ID ${VERSION_CODENAME:-none}")
ID=${HERE% *}
HERE=${HERE#* }

mirror() {
    [ "$ID" = debian ] || return 0
    apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' | sed -n "s/^$1 //p" | head -n 1
}

M=${MIRROR:-$(mirror "$HERE")}
S=${SECURITY_MIRROR:-$(mirror "$HERE-security")}

# a machine whose package lists were removed names none

M=${M:-http://deb.debian.org/debian}
S=${S:-http://deb.debian.org/debian-security}

KEY="signed-by=/usr/share/keyrings/debian-archive-keyring.gpg"

{
    echo "deb [$KEY] $M $SUITE main"
    echo "deb-src [$KEY] $M $SUITE main"

    if [ "$SUITE" = "$HERE" ]; then
        echo "deb-src [$KEY] $S $SUITE-security main"
    fi
} > "$DIR/sources.list"

exec apt-get \
    -o Dir::Etc::sourcelist="$DIR/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null \
    -o Dir::State::lists="$DIR/lists" \
    -o Dir::Cache="$DIR/cache" \
    -o APT::Sandbox::User=root \
    -o Acquire::Languages=none \
    "$@" < /dev/null
