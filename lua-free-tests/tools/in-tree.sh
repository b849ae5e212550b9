#!/bin/bash
# in-tree.sh ROOTFS COMMAND...: chroot with /proc and /dev in a private mount
# namespace, which vanishes with the command.  The process number of this
# script becomes the command's own.

set -eu

exec unshare --mount bash -c '
    root=$0
    mount --make-rprivate /
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"' "$@"
