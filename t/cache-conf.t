# Mistakes in the directives of the cache: nginx -t names the directive, the
# value and what would be right.

use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use Test::More;
use Weir::Stack;

my $dir = tempdir(CLEANUP => 1);
my $build = $ENV{TEST_NGINX_BUILD} // 'build';
mkdir "$dir/logs";

Weir::Stack::write_file("$dir/keys", '');
Weir::Stack::write_file("$dir/pepper", 'pepper');


sub said {
    my ($http, $location, $more) = @_;
    my $api = $location =~ /^weir_cache/ ? 'weir_api;' : '';
    $more //= '';

    Weir::Stack::write_file("$dir/nginx.conf", <<END);
load_module $build/ngx_http_weir_module.so;
events {}
http {
    access_log off;
    weir_redis 127.0.0.1;
    weir_key_file $dir/keys pepper=$dir/pepper;
    weir_cache_zone a 1m;
    $http
    server {
        listen 127.0.0.1:1;
        location /x { $api $location }
        location /y { weir_api; }
        $more
    }
}
END

    my ($rc, $said) = Weir::Stack::nginx_test('-q', '-p', $dir, '-c',
        "$dir/nginx.conf", '-e', "$dir/logs/error.log");
    return $rc ? $said : 'taken';
}


# what is taken: http, location

for (
    ['', 'weir_cache off;'],
    ['', 'weir_cache zone=a;'],
    ['', 'weir_cache zone=a scope=owner min_uses=1 temperature=0;'],
    ['', 'weir_cache zone=a scope=shared temperature=any tag=spring;'],
    ['', 'weir_cache zone=a scope=shared:all.of_us tag=$host;'],
    ['', 'weir_cache zone=a stale_while_revalidate=1d stale_if_error=29d;'],
    ['', 'weir_cache zone=b; weir_cache_ttl 1h;', 'location /z { }'],
    ['weir_cache zone=a; weir_cache_ttl 12h;', 'return 200;'],
    ['weir_cache zone=a; weir_cache_ttl 12h;', 'weir_cache off;'],
    ['weir_class c max_tokens=9;', 'weir_cache zone=a;
      weir_cache_ttl 0 model=x*; weir_cache_ttl 30d class=c route=jobs;
      weir_cache_ttl 1m route=messages; weir_cache_ttl 1d route=embeddings;
      weir_cache_ttl 0 route=responses;
      weir_cache_ttl 10m outcome=truncated; weir_cache_ttl 1s outcome=failed;
      weir_cache_ttl 2h outcome=refusal route=chat model=a;'],
    ['', 'weir_cache zone=a; ' . join '', map { "weir_cache_ttl 1h model=m$_;" }
         1 .. 64],
) {
    my ($http, $location) = @$_;
    $http .= ' weir_cache_zone b 1m;' if $location =~ /zone=b/;
    is(said($http, $location), 'taken', substr "$http | $location", 0, 70);
}


# what is not: http, location, what must be said

my $word = 'A-Z a-z 0-9 . _ - @';

for (
    ['', 'weir_cache on;', '"on" in "weir_cache", allowed are "off" alone'],
    ['', 'weir_cache off zone=a;', '"off"'],
    ['', 'weir_cache scope=shared;', '"weir_cache" directive needs "zone="'],
    ['', 'weir_cache zone=;', '"zone=" in "weir_cache"'],
    ['', 'weir_cache zone=b;', 'declares the zone "b" of "weir_cache"'],
    ['', 'weir_cache zone=a zone=a;', 'it is said twice'],
    ['', 'weir_cache zone=a; weir_cache off;', 'is duplicate'],
    ['', 'weir_cache zone=a colour=red;', '"colour=red" in "weir_cache"'],
    ['', 'weir_cache zone=a scope=all;',
     '"scope=all" in "weir_cache", it must be "owner", "shared" or'],
    ['', 'weir_cache zone=a scope=shared:;', '"scope=shared:"'],
    ['', 'weir_cache zone=a "scope=shared:a b";', $word],
    ['', 'weir_cache zone=a scope=sharedx;', '"scope=sharedx"'],
    ['', 'weir_cache zone=a stale_if_error=31d;',
     '"stale_if_error=31d" in "weir_cache", it must be a time from 0 to 30d'],
    ['', 'weir_cache zone=a stale_while_revalidate=soon;',
     '"stale_while_revalidate=soon"'],
    ['', 'weir_cache zone=a stale_while_revalidate=30d;', '30d'],
    ['', 'weir_cache zone=a stale_if_error=20d; weir_cache_ttl 11d;',
     'must not be more than 30d together'],
    ['', 'weir_cache zone=a min_uses=0;',
     '"min_uses=0" in "weir_cache", it must be a number from 1 to 1000000'],
    ['', 'weir_cache zone=a min_uses=x;', '"min_uses=x"'],
    ['', 'weir_cache zone=a temperature=1;',
     '"temperature=1" in "weir_cache", it must be "0" or "any"'],
    ['', 'weir_cache zone=a "tag=a b";', $word],
    ['', 'weir_cache zone=a tag=$nonsuch;', 'unknown "nonsuch" variable'],

    ['', 'weir_cache_ttl;', 'number of arguments'],
    ['', 'weir_cache_ttl long;',
     '"long" in "weir_cache_ttl", it must be a time from 0 to 30d'],
    ['', 'weir_cache_ttl 31d;', '"31d"'],
    ['', 'weir_cache_ttl -1;', '"-1"'],
    ['', 'weir_cache_ttl 1h tag=x;',
     '"tag=x" in "weir_cache_ttl", allowed are model=, class=, route='],
    ['', 'weir_cache_ttl 1h model=;', 'must not be empty'],
    ['', 'weir_cache_ttl 1h model=a model=b;', 'it is said twice'],
    ['', 'weir_cache_ttl 1h route=models;',
     'it must be "chat", "jobs", "messages", "embeddings" or "responses"'],
    ['', 'weir_cache_ttl 1h outcome=error;',
     'it must be "answer", "truncated", "refusal" or "failed"'],
    ['', 'weir_cache_ttl 1h class=none;', 'declares the class "none"'],
    ['', join('', map { "weir_cache_ttl 1h model=m$_;" } 1 .. 65),
     'more than 64 times'],

    ['', 'return 200; weir_cache zone=a;',
     '"weir_cache" needs "weir_api" in its location'],
    ['', 'return 200; weir_cache_ttl 1h;',
     '"weir_cache_ttl" needs "weir_api" in its location'],
    ['weir_class "a b" model=x;', 'weir_cache zone=a;', $word],
) {
    my ($http, $location, $what) = @$_;
    my $said = said($http, $location);
    my $name = substr "$http | $location", -70;

    like($said, qr/\[emerg\].*\Q$what\E/, $name);
    like($said, qr/nginx\.conf:\d+/, 'and where')
        if $what !~ /^(?:unknown|30d)/;
}

done_testing();
