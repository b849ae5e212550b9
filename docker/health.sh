#!/bin/bash
# health.sh PORT PATH: succeeds if a server of this container answers 200 there

exec 2> /dev/null 3<> "/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
IFS=' ' read -r -t 2 _ CODE _ <&3
[ "$CODE" = 200 ]
