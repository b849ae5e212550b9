#!/bin/bash
# lint.sh: the rules of the tree that a machine can check.  Reads the sources
# and what $BUILD holds; changes nothing.

set -u
shopt -s lastpipe                 # so that rule() counts in this shell

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
cd "$ROOT" || exit 1
BUILD=${BUILD:-build}
export LC_ALL=C.UTF-8

# Which file may include a library: folder, header, files.  A library that is
# not named for a folder may not be used there.  Extend this with care: each
# library should be replaceable in an afternoon.

ALLOWED='
common      hiredis/        weir_resp.c
common      jansson.h       weir_json.c
common      openssl/        weir_digest.c
common      pcre2.h         weir_guard.c
worker      uv.h            loop.h loop.c
worker      hiredis/        redis.c
worker      curl/           http.c http_handle.c http_part.h
worker      confuse.h       conf.c
worker      microhttpd.h    metrics.c mock_*.[ch]
worker      jansson.h       mock_*.[ch]
'
LIBRARIES='hiredis/|jansson\.h|openssl/|pcre2\.h|uv\.h|curl/|confuse\.h'
LIBRARIES="$LIBRARIES|microhttpd\.h|systemd/"

# What common/ may not call: it has no input or output, no clock, no state

IMPURE='time|clock_gettime|gettimeofday|localtime(_r)?|nanosleep|socket|connect'
IMPURE="$IMPURE|open|openat|fopen|read|write|recv|send|getenv|fork|printf|puts"
IMPURE="$IMPURE|fprintf|fputs|perror|abort|exit|signal|sigaction|rand|random"

BAD=0
NOTES=0


# lines on stdin are offences against the rule that $1 states

rule() {
    local line

    while IFS= read -r line; do
        echo "lint: $line: $1"
        BAD=$((BAD + 1))
    done
}


note() {
    local line

    while IFS= read -r line; do
        [ -z "${V:-}" ] || echo "note: $line: $1"
        NOTES=$((NOTES + 1))
    done
}


# the files of the tree; where there is no git, all but what is generated

mapfile -t FILES < <(
    if [ -e .git ] && command -v git > /dev/null; then
        git ls-files -co --exclude-standard
    else
        find . \( -path ./build -o -path ./run \) -prune -o -type f -print \
            | sed 's,^\./,,' | sort
    fi)


# tracked [PATTERN...]: those that match; a star matches slashes too

tracked() {
    local f p

    for f in "${FILES[@]}"; do
        [ -f "$f" ] || continue
        for p in "${@:-*}"; do
            # shellcheck disable=SC2053
            [[ $f != $p ]] || { echo "$f"; break; }
        done
    done
}


includes() {
    grep -nHE "^# *include +[<\"]$2" $(tracked "$1/*.[ch]") < /dev/null \
        | cut -d: -f1,2
}


layers() {
    includes ngx_module '(\.\./)*worker/' \
        | rule "ngx_module/ may not include worker/"
    includes worker '((\.\./)*ngx_module/|ngx_)' \
        | rule "worker/ may not include ngx_module/ or nginx"
    includes common '((\.\./)*(ngx_module|worker)/|ngx_)' \
        | rule "common/ includes neither side, nor nginx"

    # its configuration decides which functions the system's headers declare

    awk '/^# *include/ && !seen[FILENAME]++ && !/[<"]ngx_/ {
             print FILENAME ":" FNR }' $(tracked 'ngx_module/*.[ch]') \
        | rule "the first thing included in ngx_module/ is nginx"

    comm -12 <(includes_own ngx_module) <(basenames worker) \
        | rule "a header of worker/ in ngx_module/"
    comm -12 <(includes_own common) \
        <(basenames worker ngx_module | sort) \
        | rule "a header of one side in common/"
}


includes_own() {
    sed -n 's/^# *include *"\(.*\)".*/\1/p' $(tracked "$1/*.[ch]") | sort -u
}


basenames() {
    for d in "$@"; do tracked "$d/*.h"; done | sed 's,.*/,,' | sort -u
}


libraries() {
    local folder file where header pattern ok

    for folder in common worker ngx_module; do
        grep -oE "^# *include +<($LIBRARIES)[^>]*>" \
            $(tracked "$folder/*.[ch]") /dev/null \
            | while IFS=: read -r where header; do
                  file=${where##*/}
                  header=${header#*<}
                  ok=

                  while read -r d h patterns; do
                      [ "$d" = "$folder" ] && [[ $header == "$h"* ]] \
                          || continue
                      for pattern in $patterns; do
                          # shellcheck disable=SC2053
                          [[ $file != $pattern ]] || ok=1
                      done
                  done <<< "$ALLOWED"

                  [ -n "$ok" ] || echo "$where: <${header%>}>"
              done
    done | rule "this library belongs to another file (see lint.sh)"
}


purity() {
    local object

    for object in "$BUILD"/c/common/*.o; do
        [ -e "common/$(basename "$object" .o).c" ] || continue

        nm -u "$object" | grep -oE " ($IMPURE|__($IMPURE)_chk)$" \
            | sed "s,^,common/$(basename "$object" .o).c:,"
    done | rule "no input, output or clock in common/"

    for object in "$BUILD"/c/common/*.o; do
        [ -e "common/$(basename "$object" .o).c" ] || continue

        size -A "$object" | awk -v f="common/$(basename "$object" .o).c" \
            '($1 == ".data" || $1 == ".bss") && $2 > 0 { print f ": " $1 }'
    done | rule "no writable static data in common/"
}


names() {
    grep -nHE '"weir:[^ "]' $(tracked 'common/*.[ch]' 'worker/*.[ch]' \
                                      'ngx_module/*.[ch]') \
        | grep -v '^common/weir_contract\.h:' | cut -d: -f1,2 \
        | rule "only common/weir_contract.h spells Redis names"

    tracked 'ngx_module/*.[ch]' \
        | grep -vE '^ngx_module/ngx_http_weir_[a-z0-9_]+\.[ch]$' \
        | rule "files are ngx_http_weir_<noun>"
    tracked 'common/*.[ch]' | grep -vE '^common/weir_[a-z0-9_]+\.[ch]$' \
        | rule "files are weir_<noun>"
    tracked | sed 's,/.*,,' | sort -u \
        | grep -vxE 'config|Makefile|README\.md|CHANGES|LICENSE|\.ci' \
        | grep -vxE '\.gitignore|common|ngx_module|worker|conf|lua-free-tests' \
        | grep -vxE 't|docker|docs|\.containerignore|\.dockerignore' \
        | rule "no room for it at the top of the tree"
}


# who may name Lua: it is another's, beside us or compared with

LUA_ALLOWED='tools/lint\.sh$|t/coexist(-[a-z]+)?\.t$|rows/submit_vs_lua\.sh$|\.md$'


looks() {
    local c text

    c=$(tracked '*.c' '*.h')
    text=$(tracked | grep -vE '(^|/)corpus/|\.(png|svg|json|bin|patch)$')

    [ -n "$c" ] || return

    grep -nHP '\t' $(grep -vE '(^|/)Makefile$|\.t$' <<< "$text") \
        | cut -d: -f1,2 | rule "a tab"
    grep -nHE ' +$' $(grep -v '\.t$' <<< "$text") | cut -d: -f1,2 \
        | rule "space at the end of the line"
    awk 'length > 80 { print FILENAME ":" FNR }' $c | rule "over 80 columns"
    awk 'FNR == 701 { print FILENAME }' $c | rule "over 700 lines"

    awk '/^{/ { start = FNR }
         /^}/ { if (FNR - start > 101) print FILENAME ":" start ": " \
                                             FNR - start - 1 " lines" }' $c \
        | note "a long function"

    grep -nHE "(/)wor[k]/" $text | cut -d: -f1,2 \
        | rule "a path of some machine"
    grep -nHE '"(EVAL|EVALSHA|FCALL|SCRIPT|FUNCTION)["_]|_by_lua|lua_shared' \
        $(grep -vE "$LUA_ALLOWED" <<< "$text") \
        | cut -d: -f1,2 | rule "Lua"
    tracked '*.lua' | rule "Lua"
}


scripts() {
    local f

    for f in $(tracked); do
        case $(head -c 64 "$f" | head -n 1) in
            '#!'*sh) bash -n "$f" 2>&1 | rule "syntax"
                     [ -x "$f" ] || echo "$f" | rule "not executable" ;;
            *) ;;
        esac
    done 2> /dev/null
}


exports() {
    local so=$BUILD/ngx_http_weir_module.so

    [ -e "$so" ] || return

    nm -D --defined-only "$so" | awk '{ print $3 }' \
        | grep -vxE 'ngx_modules|ngx_module_names|ngx_module_order' \
        | sed "s,^,$so: ," \
        | rule "the module exports only what nginx looks up"
}


# documented DOC WHAT: names on stdin

documented() {
    local name

    while read -r name; do
        grep -qwF -- "$name" "$1" 2> /dev/null || echo "$name"
    done | rule "$2 is not in $1"
}


directives() {
    perl -0ne 'print "$1\n" while /ngx_string\("(weir_\w+)"\),\s*NGX_/g' \
        $(tracked 'ngx_module/*.[ch]') /dev/null | sort -u
}


docs() {
    local d=docs/directives.md

    directives | documented $d "directive"
    directives | while read -r name; do
        grep -rqwF -- "$name" conf || echo "$name"
    done | rule "no example in conf/ uses this directive"

    if [ -e $d ]; then
        comm -13 <(directives) <(grep -oE '^#+ +`?weir_[a-z0-9_]+' $d \
                                 | grep -oE 'weir_.*' | sort -u) \
            | rule "$d describes a directive that does not exist"
    fi

    sed -nE 's/^ *\{ [A-Z]+\((\w+)\), set_.*/\1/p' worker/setting.c \
        2> /dev/null | sort -u | documented docs/worker.md "setting"

    { grep -ohE '"weir_[a-z0-9_]+"' ngx_module/ngx_http_weir_metrics.h \
          2> /dev/null | tr -d '"'
      sed -nE 's/^ *X\(\w+, "(\w+)".*, counter,.*/weir_worker_\1_total/p
               s/^ *X\(\w+, "(\w+)".*, (gauge|highest),.*/weir_worker_\1/p' \
          worker/counters.h 2> /dev/null
    } | sort -u | documented docs/metrics.md "metric"
}


# a mutant that no longer fits the code proves nothing

mutants() {
    local p

    for p in lua-free-tests/chaos/mutants/*.patch; do
        git apply --check "$p" 2> /dev/null \
            || patch --dry-run -s -f -p1 --fuzz=1 < "$p" > /dev/null 2>&1 || echo "$p"
    done | rule "a mutant does not apply"
}


layers
libraries
purity
names
looks
scripts
exports
docs
mutants

echo "lint: $BAD offences, $NOTES notes$([ -n "${V:-}" ] || echo " (V=1)")"
[ "$BAD" -eq 0 ]
