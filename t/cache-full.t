# RC-21: answers that are too large for the memory of a node, and more of them
# than it holds: nobody notices, but for the metrics.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Client;
use Weir::Askers qw(chat ask_chat what);
use Weir::Stack;

my $s = Weir::Stack->new(
    http => 'weir_cache_zone answers 512k max_entry=64k;',
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location = /metrics { weir_metrics; }');
$s->start;


sub metric {
    my ($name) = @_;
    my ($n) = $s->ask('/metrics')->body =~ /^\Q$name\E(?:\{.*\})? (\d+)$/m;
    return $n;
}


# 5 MB

my $large = '[[mock tag=large size=5000000]] Hi';
my $first = ask_chat($s, $large, timeout => 20);
is($first->status, 200, 'RC-21: 5 MB');
cmp_ok(length $first->body, '>', 5_000_000, 'all of it');

for my $try (1, 2) {
    my $c = ask_chat($s, $large, timeout => 20);
    like(what($c), qr/; hit/, 'RC-21: a hit, from Redis');
    ok($c->body eq $first->body, 'RC-21: the same bytes');
}

is($s->calls('large'), 1, 'one call');
cmp_ok(metric('weir_cache_zone_too_large_total'), '>=', 2,
       'RC-21: counted as too large');
is(metric('weir_cache_hits_total{level="redis"}'), 2, 'from Redis');
is(metric('weir_cache_zone_entries'), 0, 'not in memory');


# 200 of 8 KB, where some 50 have room

my @text = map { "[[mock tag=n$_ size=8000]] Hi" } 1 .. 200;
my %body;

for my $text (@text) {
    my $c = ask_chat($s, $text);
    is($c->status, 200, 'RC-21: no 5xx') if $c->status != 200;
    $body{$text} = $c->body;
}

my $entries = metric('weir_cache_zone_entries');
cmp_ok($entries, '>', 20, "RC-21: memory is used: $entries");
cmp_ok($entries, '<', 80, 'RC-21: and bounded');
is(metric('weir_cache_zone_evictions_total'), 200 - $entries,
   'RC-21: the others made room, and are counted');

my $memory = 'weir_cache_hits_total{level="memory"}';
my $before = metric($memory);
like(what(ask_chat($s, $text[-1])), qr/; hit/, 'the last one');
is(metric($memory), $before + 1, 'RC-21: from memory');


# all of them at once, by several: each gets its own

my @pending = map { [$_, chat($s, $_)] } @text, reverse @text;
my $wrong = 0;

ok(Weir::Client::wait_all(20, map { $_->[1] } @pending), 'all again');

for (@pending) {
    my ($text, $c) = @$_;
    $wrong++ if $c->status != 200 || $c->body ne $body{$text}
                || what($c) !~ /; hit/;
}

is($wrong, 0, 'RC-21: hits, each with its own answer');
is($s->calls("n$_"), 1, "n$_: one call") for 1, 100, 200;

$s->end;
done_testing();
