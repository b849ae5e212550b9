# Zones of answers: what nginx -t says about them, and what is kept of them over
# a reload.

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
    my ($http) = @_;

    Weir::Stack::write_file("$dir/nginx.conf", <<END2);
load_module $build/ngx_http_weir_module.so;
events {}
http {
    access_log off;
    $http
}
END2

    my ($rc, $said) = Weir::Stack::nginx_test('-q', '-p', $dir, '-c',
        "$dir/nginx.conf", '-e', "$dir/logs/error.log");
    return $rc ? $said : 'taken';
}

for (
    'weir_cache_zone a 256k;',
    'weir_cache_zone a 1m max_entry=512k; weir_cache_zone b.c 2m;',
    'weir_cache_zone a 300000 max_entry=1;',
) {
    is(said($_), 'taken', $_);
}

for (
    ['weir_cache_zone a;', 'number of arguments'],
    ['weir_cache_zone a 1m max_entry=1k x;', 'number of arguments'],
    ['weir_cache_zone a 255k;', '"255k" in "weir_cache_zone"', '256k'],
    ['weir_cache_zone a -1;', '"-1"', '256k'],
    ['weir_cache_zone a:1m 1m;', '"a:1m"', 'a zone has a name'],
    ['weir_cache_zone a 1m max_entry=513k;', '"max_entry=513k"', 'half'],
    ['weir_cache_zone a 1m max_entry=0;', '"max_entry=0"'],
    ['weir_cache_zone a 1m max_entry=x;', '"max_entry=x"'],
    ['weir_cache_zone a 1m most=1;', '"most=1"', 'max_entry='],
    ['weir_cache_zone a 1m; weir_cache_zone a 1m;', '"a"',
     'there is a zone of that name'],
    ['weir_cache_zone a 1m; limit_req_zone $uri zone=a:1m rate=1r/s;',
     'already'],
    ['server { weir_cache_zone a 1m; }', 'not allowed here'],
) {
    my ($http, @want) = @$_;
    my $said = said($http);
    my @missing = grep { index($said, $_) < 0 } @want;
    ok(!@missing, $http) or diag("no @missing in $said");
}


# over a reload

my $stack = Weir::Stack->new(processes => 2, http => <<'END2', server => <<'END3');
    weir_cache_zone kept 1m;
    weir_cache_zone other 2m max_entry=64k;
END2
    location = /metrics { weir_metrics; }
END3

my $d = $stack->dir;

$stack->start('nginx');

sub metrics { $stack->ask('/metrics', no_key => 1)->body }

my $text = metrics();

for my $name (map { "weir_cache_zone_$_" }
              'lookups_total{zone="kept",result="hit"}',
              'lookups_total{zone="other",result="miss"}',
              map { $_ . '{zone="kept"}' }
              qw(stores_total too_large_total evictions_total purged_total
                 resets_total entries used_bytes)) {
    like($text, qr/^\Q$name\E 0$/m, $name);
}

sub size {
    my ($zone) = @_;
    return metrics() =~ /^weir_cache_zone_bytes\{zone="$zone"\} (\d+)$/m
           ? $1 : die $zone;
}

cmp_ok(size('kept'), '>', 0.95 * 1024 * 1024, 'most of a zone can be used');
cmp_ok(size('kept'), '<', 1024 * 1024, 'but not more');

sub reload {
    my ($change) = @_;

    local $_ = Weir::Stack::slurp("$d/nginx.conf");
    $change->();
    Weir::Stack::write_file("$d/nginx.conf", $_);

    my $before = length $stack->log('nginx');
    my %old = map { $_ => 1 } $stack->children('nginx');

    $stack->signal('nginx', 'HUP');
    $stack->wait_for(10, sub {
        my @now = $stack->children('nginx');
        @now == 2 && !grep { $old{$_} } @now;
    }, 'reloaded');

    return join '', map { "$_\n" } grep { /\[warn\].*weir: / }
                    split /\n/, substr $stack->log('nginx'), $before;
}

is(reload(sub {}), '', 'a zone is kept');
is(reload(sub { s/max_entry=64k/max_entry=32k/ }), '',
   'also with another max_entry');
like(reload(sub { s/kept 1m/kept 4m/ }),
     qr/\A[^\n]*size of the cache zone "kept" has changed, it starts empty\n\z/,
     'another size');
cmp_ok(size('kept'), '>', 3 * 1024 * 1024, 'is larger');
is(reload(sub { s/weir_cache_zone other/weir_cache_zone more/ }), '',
   'another zone');

$stack->end;

done_testing();
