#!/bin/sh
# first-key.sh: makes keys, pepper and api-key in /var/lib/weir, if no key is
# there yet

set -eu

cd /var/lib/weir
[ ! -s keys ] || exit 0

umask 077
weir keys create --file keys --pepper pepper --owner demo > api-key.new
mv api-key.new api-key
