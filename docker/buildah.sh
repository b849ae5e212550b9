# buildah.sh: buildah with a storage of its own, for build.sh and test-image.sh

buildah_here() {
    buildah --root "$BUILD/docker/storage" --runroot "$BUILD/docker/run" \
        --storage-driver vfs "$@"
}


# make_base: an image weir-base from packages, once

make_base() {
    local tree=$BUILD/docker/base mirror log=$BUILD/docker/base.log id

    mkdir -p "$BUILD/docker"
    if buildah_here inspect --type image weir-base > /dev/null 2>&1; then
        return 0
    fi

    command -v debootstrap > /dev/null || { echo "no debootstrap" >&2; exit 1; }
    mirror=$(apt-get indextargets --format '$(REPO_URI)' \
                 'Created-By: Packages' | head -n 1)
    echo "making a base of $SUITE"
    rm -rf "$tree"
    debootstrap --variant=minbase --include=ca-certificates \
        "$SUITE" "$tree" "${mirror:-http://deb.debian.org/debian}" \
        > "$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }

    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    id=$(buildah_here from scratch)
    buildah_here add -q "$id" "$tree" / > /dev/null
    buildah_here config --cmd /bin/bash "$id"
    buildah_here commit -q --rm "$id" weir-base > /dev/null
    rm -rf "$tree"
}
