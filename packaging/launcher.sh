#!/bin/sh
# Runs Pacha, or Mercurial where it is called hg, with the Python in this folder.
case $0 in
    /*) program=$0 ;;
    *) program=$PWD/$0 ;;
esac
folder=$program
[ ! -L "$program" ] || folder=$(readlink -f "$program")
folder=${folder%/*}
folder=${folder%/*}
is_one_file=0
. "$folder/lib/run.sh"
