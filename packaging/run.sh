# Replaces this shell by Python. From launcher.sh and one-file.sh: $folder, $program, $is_one_file, and the arguments.
# Where this machine's C library is as new as Python needs, it is used, for its directory services (nsswitch.conf);
# else (older, or musl) the folder's own.
case $(@LOADER@ --version 2>/dev/null) in
    *" release version 2.3"[6-9].* | *" release version 2."[4-9][0-9].*)
        exec "$folder/bin/python3" -I -S -X utf8 "$folder/lib/start.py" "$is_one_file" "$program" "$@"
        ;;
esac
exec "$folder/lib/glibc/ld.so" --argv0 "$folder/bin/python3" --library-path "$folder/lib/glibc:$folder/lib" \
    "$folder/bin/python3" -I -S -X utf8 "$folder/lib/start.py" "$is_one_file" "$program" "$@"
