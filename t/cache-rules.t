# By whose rules an answer is kept and sent, where it is found in Redis: those of
# who had it run, of this time, and the same as in memory.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Askers qw(chat ask_chat);
use Weir::Stack;

my %common = (http => 'weir_cache_zone answers 2m;',
    location => 'weir_api; weir_cache zone=answers;',
    server => 'location /short { weir_api; weir_cache zone=answers;
                   weir_cache_ttl 100s; }
               location /stale { weir_api; weir_cache zone=answers
                   stale_while_revalidate=1h; weir_cache_ttl 1s; }');

my $a = Weir::Stack->new(%common);
$a->start;

my $b = Weir::Stack->new(%common, edge_of => $a);
$b->start('nginx');

my @only = (headers => ['Cache-Control: only-if-cached']);


sub ttl { ($_[0]->header('Cache-Status') // '') =~ /hit; ttl=(-?\d+)/ ? $1 : '' }


# who joins has it for as long as who led

my $q = '[[mock tag=join delay=700]] Hi';
my $leader = chat($a, $q, at => '/short');
$a->wait_for(5, sub { $a->calls('join') == 1 }, 'a call');

my $joined = chat($b, $q);
ok(Weir::Client::wait_all(5, $leader, $joined), 'both are answered');
like($joined->header('Cache-Status'), qr/; collapsed/, 'the second has joined');
is($joined->body, $leader->body, 'the same bytes');

for my $at ('', '/short') {
    my $c = ask_chat($b, $q, at => $at);
    cmp_ok(ttl($c), '>', 0, "a hit in '$at'");
    cmp_ok(ttl($c), '<=', 100, 'by the rules of who led');
}

is($a->calls('join'), 1, 'one call');


# only-if-cached: a stale one that may be sent is, wherever it is found

$q = '[[mock tag=only]] Hi';
ask_chat($a, $q, at => '/stale');
my $c = $a->wait_for(5, sub {
    my $c = ask_chat($a, $q, at => '/stale', @only);
    return ttl($c) < 0 && $c;
}, 'its time is over');
is($c->status, 200, 'only-if-cached: stale, from memory');
$c = ask_chat($b, $q, at => '/stale', @only);
is($c->status, 200, 'only-if-cached: stale, from Redis');
cmp_ok(ttl($c), '<', 0, 'it says so');
is($a->calls('only'), 1, 'nobody was asked');


# an answer from the future: the clock was set back

$q = '[[mock tag=future]] Hi';
$a->redis('FLUSHALL');
ask_chat($a, $q);

my ($key) = @{ $a->redis('KEYS', 'weir:{0}:answer:*') };
my $record = $a->redis('GET', $key);
my @word = split / /, $record, 9;
$_ += 86400000 for @word[3 .. 7];
$a->redis('SET', $key, join(' ', @word), 'KEEPTTL');

unlike(ask_chat($b, $q)->header('Cache-Status'), qr/hit/,
       'what is from tomorrow is none');
like(ask_chat($b, $q)->header('Cache-Status'), qr/hit/, 'and is replaced');
is($a->calls('future'), 2, 'by one call');

$b->end;
$a->end;
done_testing();
