#!/bin/sh
# Pacha @VERSION@ for @ARCH@, with all that it needs: a folder, packed, follows this text. Called hg, it is Mercurial.
# It is unpacked once, where no other account may read or write: PACHA_UNPACK, else /var/cache/pacha for root and
# ~/.cache/pacha for others, else a folder of this account alone in TMPDIR or /tmp.

# Whether $1 is a folder of ours that nobody else can enter; makes it.
own() {
    mkdir -p -m 700 "$1" 2>/dev/null
    [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] && chmod 700 "$1" 2>/dev/null
}

# Whether nobody else can put another folder into the place of one of ours in $1.
keeps() {
    [ -d "$1" ] && { [ -O "$1" ] || [ -k "$1" ]; }
}

places() {
    if [ -n "${PACHA_UNPACK:-}" ]; then
        echo "$PACHA_UNPACK"
        return
    fi
    user=$(id -u)
    if [ "$user" = 0 ]; then
        keeps /var/cache && echo /var/cache/pacha
    elif [ -O "${HOME:-}" ]; then
        echo "$HOME/.cache/pacha"
    fi
    keeps "${TMPDIR:-/tmp}" && echo "${TMPDIR:-/tmp}/pacha-$user"
}

# Unpacks into $place as a whole or not at all, and only if it runs there.
unpack() (
    umask 077
    new=$(mktemp -d "$place/new.XXXXXX") || exit 1
    trap 'rm -rf "$new" "$folder/${new##*/}"' EXIT
    trap 'exit 1' HUP INT TERM
    tail -n +@LINES@ "$program" | gzip -dc | tar -xof - -C "$new" || exit 1
    "$new/pacha/bin/pacha" --version >/dev/null || exit 1
    [ -d "$folder" ] || mv "$new/pacha" "$folder"
)

case $0 in
    /*) program=$0 ;;
    *) program=$PWD/$0 ;;
esac
list=$(places)
old_ifs=$IFS
IFS='
'
set -f
for place in $list; do
    own "$place" || continue
    folder=$place/@DIGEST@
    [ -d "$folder" ] || unpack || continue
    IFS=$old_ifs
    set +f
    is_one_file=1
    . "$folder/lib/run.sh"
done
cat >&2 <<END
pacha: this file cannot be unpacked, or what is in it cannot run, in $(echo $list).
pacha: perhaps nothing may be run there (mounted noexec), there is no room (100 MB), tar or gzip is missing, or this
pacha: machine is no @ARCH@: $(uname -m). Name a folder of your own where programs may run: PACHA_UNPACK=DIR
END
exit 1
