# Mistakes in the directives of limits: nginx -t names them.

use strict;
use warnings;

use lib 't/lib';
use File::Temp qw(tempdir);
use Test::More;
use Weir::Stack;

my $dir = tempdir(CLEANUP => 1);
my $build = $ENV{TEST_NGINX_BUILD} // 'build';
mkdir "$dir/logs";

sub said {
    my ($http, $location) = @_;

    Weir::Stack::write_file("$dir/nginx.conf", <<END);
load_module $build/ngx_http_weir_module.so;
events {}
http {
    access_log off;
    $http
    server {
        listen 127.0.0.1:1;
        location /x { $location }
    }
}
END

    my ($rc, $said) = Weir::Stack::nginx_test('-q', '-p', $dir, '-c',
        "$dir/nginx.conf", '-e', "$dir/logs/error.log");
    return $rc ? $said : 'taken';
}

my $zone = 'weir_limit_zone $uri zone=a:64k rate=1/s;';
my $fleet = 'weir_redis 127.0.0.1; weir_limit_zone x zone=a:64k scope=fleet';

# what is taken

for (
    ['weir_limit_zone $uri zone=a:64k rate=1r/s burst=5;',
     'weir_limit zone=a delay=3;'],
    ['weir_limit zone=a; weir_limit_zone $uri zone=a:64k quota=0/week;', ''],
    ["$zone weir_limit_tier zone=a tier=x unlimited;
      weir_limit_tier zone=a tier=y rate=1/d;", 'weir_limit zone=a dry_run;'],
    ['weir_limit_zone $uri$args zone=a:64k count=requests-at-once max=5;',
     'weir_limit zone=a if=$arg_x;'],
    ["$fleet count=cost quota=0.5/month; weir_limit zone=a;", ''],
    ["$fleet quota=5/day sync=3;", 'weir_limit zone=a on_error=allow;'],
    [join('', map { "weir_limit_zone \$uri zone=z$_:32k rate=1/s;" } 1 .. 64),
     join '', map { "weir_limit zone=z$_;" } 1 .. 32],
    ["weir_class c; weir_limit zone=a class=c; $zone", ''],
) {
    my ($http, $location) = @$_;
    is(said($http, $location), 'taken', substr "$http | $location", 0, 70);
}

# what is not: http, location, what must be said

for (
    ['weir_limit_zone $uri rate=1/s;', '', 'needs "zone=name:size"'],
    ['weir_limit_zone $uri zone=a rate=1/s;', '', 'needs "zone=name:size"'],
    ['weir_limit_zone $uri zone=a:1k rate=1/s;', '', 'at least 8 pages'],
    ['weir_limit_zone $uri zone=a,b:1m rate=1/s;', '', '"a,b:1m"'],
    ['weir_limit_zone $uri zone=' . 'a' x 33 . ':1m rate=1/s;', '',
     '1 to 32'],
    ['weir_limit_zone $uri zone=a:1m;', '', 'either "rate=" or "quota="'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s quota=1/day;', '',
     'either "rate=" or "quota="'],
    ['weir_limit_zone $uri zone=a:1m rate=0/s;', '', '"0/s"'],
    ['weir_limit_zone $uri zone=a:1m rate=1/y;', '', '"1/y"'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s burst=-1;', '', '"-1"'],
    ['weir_limit_zone $uri zone=a:1m quota=1/d;', '', '"1/d"'],
    ['weir_limit_zone $uri zone=a:1m quota=1/day burst=1;', '',
     '"burst=" without "rate="'],
    ['weir_limit_zone $uri zone=a:1m rate=;', '', 'must not be empty'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s rate=2/s;', '', 'twice'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s nodelay;', '', '"nodelay"'],
    ['weir_limit_zone $nonsuch zone=a:1m rate=1/s;', '', 'nonsuch'],
    ['weir_limit_zone $uri zone=a:1m count=bytes rate=1/s;', '', '"bytes"'],
    ['weir_limit_zone $uri zone=a:1m count=tokens rate=1/s;', '',
     'needs "scope=fleet"'],
    ['weir_limit_zone $uri zone=a:1m count=jobs-at-once max=1;', '',
     'needs "scope=fleet"'],
    ['weir_limit_zone $uri zone=a:1m count=requests-at-once rate=1/s;', '',
     'needs "max="'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s scope=fleet;', '',
     'needs "weir_redis"'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s scope=world;', '', '"world"'],
    ['weir_limit_zone $uri zone=a:1m rate=1/s sync=3;', '', '"sync="'],
    ["$fleet rate=1/s sync=0;", '', '"0"'],
    ["$fleet count=auth-failures rate=1/s;", '', 'on a node only'],
    ["$zone $zone", '', 'there is a zone of that name'],
    [join('', map { "weir_limit_zone x zone=z$_:32k rate=1/s;" } 1 .. 65), '',
     'more than 64 zones'],
    ["$zone weir_zone a:1m;", '', 'zone "a"'],

    ['weir_limit_tier zone=a tier=x unlimited;', '', 'declared above'],
    ["$zone weir_limit_tier zone=a tier=x quota=1/day;", '', "zone's form"],
    ["$zone weir_limit_tier zone=a tier=x rate=1/s unlimited;", '',
     '"unlimited"'],
    ["$zone weir_limit_tier zone=a rate=1/s;", '', 'the name of a tier'],
    ["$zone weir_limit_tier zone=a tier=x;", '', 'either "rate="'],
    ["$zone weir_limit_tier zone=a tier=x unlimited;
      weir_limit_tier zone=a tier=x unlimited;", '', 'its limit already'],

    ['', 'weir_limit zone=b;', 'the zone "b"'],
    [$zone, 'weir_limit delay=1;', 'needs "zone="'],
    [$zone, 'weir_limit zone=a; weir_limit zone=a;', 'here already'],
    [$zone, 'weir_limit zone=a burst=5;', '"burst=5"'],
    [$zone, 'weir_limit zone=a delay=x;', '"x"'],
    [$zone, 'weir_limit zone=a on_error=deny;', '"scope=fleet"'],
    [$zone, 'weir_limit zone=a class=c;', 'the class "c"'],
    ["$zone weir_class c model=x;", 'weir_limit zone=a class=c;',
     'needs "weir_api"'],
    ["$fleet rate=1/s;", 'weir_limit zone=a on_error=stop;', '"stop"'],
    ["$fleet count=tokens rate=1/s;", 'weir_limit zone=a;', '"weir_api"'],
    ["$fleet count=tokens rate=1/s; weir_limit zone=a delay=3;", '',
     '"delay="'],
    [join(' ', 'weir_redis 127.0.0.1;', map {
         "weir_limit_zone x zone=z$_:64k scope=fleet count=tokens rate=1/s;
          weir_limit zone=z$_;" } 10 .. 26), '',
     '"weir_limit zone=z26" is one of more than 16'],
    ['weir_limit_zone $uri zone=a:1m quota=1/day; weir_limit zone=a delay=1;',
     '', '"delay="'],

    ['weir_class c model=a,,b;', '', '"a,,b"'],
    ['weir_class c max_tokens=many;', '', '"many"'],
    ['weir_class c template=x;', '', '"template=x"'],
) {
    my ($http, $location, $what) = @$_;
    my $said = said($http, $location);
    my $name = substr "$http | $location", -70;

    like($said, qr/\[emerg\].*\Q$what\E/, $name);
    like($said, qr/nginx\.conf:\d+|shared memory|more than 64|unknown "nonsuch"/,
         'and where') if $what !~ /zone "a"/;
}

# what is taken, but not what was meant: warned of once

Weir::Stack::write_file("$dir/keys", '');
Weir::Stack::write_file("$dir/pepper", 'pepper');

my $http = "weir_key_file $dir/keys pepper=$dir/pepper; weir_limit zone=a;";

for (
    ['$http_x_api_key', '', 'weir_auth on; location /x/y { }', 1],
    ['$remote_addr${HTTP_Authorization}', '', 'weir_auth on;', 1],
    ['$http_x_api_key', '', '', 0],
    ['$weir_key_id', '', 'weir_auth on;', 0],
    ['$http_x_api_key', 'count=auth-failures', 'weir_auth on;', 0],
) {
    my ($by, $what, $location, $n) = @$_;
    my $file = "$dir/logs/error.log";

    unlink $file;
    is(said("$http weir_limit_zone $by zone=a:64k $what rate=1/s;", $location),
       'taken', "$by $what | $location");
    is(() = Weir::Stack::slurp($file) =~ /\[warn\].*empty behind "weir_auth"/g,
       $n, 'a key that is hidden');
}

done_testing;
