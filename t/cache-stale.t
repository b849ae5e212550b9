# RC-12, RC-13: past its time an answer is sent at once while one request in all
# the fleet has it made anew, or where nothing better is to be had.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers qw(chat ask_chat what);
use Weir::Stack;

my %common = (http => 'weir_cache_zone answers 2m;',
    location => 'weir_api; weir_cache zone=answers
                     stale_while_revalidate=1h; weir_cache_ttl 2s;',
    server => 'location /error { weir_api; weir_max_wait 1s;
                   weir_cache zone=answers stale_if_error=1h;
                   weir_cache_ttl 1s; }
               location /soon { weir_api; weir_max_wait 1s;
                   weir_cache zone=answers stale_if_error=2s;
                   weir_cache_ttl 1s; }
               location /none { weir_api; weir_max_wait 1s;
                   weir_cache zone=answers; weir_cache_ttl 1s; }
               location = /metrics { weir_metrics; }');

my $a = Weir::Stack->new(%common, worker => 'attempts = 1');
$a->start;

my $b = Weir::Stack->new(%common, edge_of => $a);
$b->start('nginx');


my $STALE = qr/^weir; hit; ttl=-\d+$/;


# until it is past its time: nobody asks for it meanwhile

sub let_expire {
    my ($seconds) = @_;

    my $now = sub { my $t = $a->redis('TIME');
                    $t->[0] * 1000 + $t->[1] / 1000 };
    my $end = $now->() + 1000 * $seconds + 100;
    $a->wait_for(5, sub { $now->() > $end }, 'time passes');
}


# RC-12: stale at once, one refresh in all the fleet, then the new one

for my $delay (0, 400) {
    my $q = "[[mock tag=swr$delay delay=$delay]] Hi";

    my $first = ask_chat($a, $q);
    like(what($first), qr/uri-miss; stored/, 'asked');
    like(what(ask_chat($b, $q)), qr/; hit/, 'known to both');
    let_expire(2);

    my @all = map { chat($_, $q) } ($a, $b) x 10;
    ok(Weir::Client::wait_all(5, @all), 'RC-12: all are answered');

    my %body = map { $_->body => 1 } @all;
    my @slow = grep { $_->elapsed > 0.35 } @all;

    if ($delay) {
        like(what($_), $STALE, 'RC-12: stale') for @all;
        is(join('', keys %body), $first->body, 'RC-12: all have the old one');
        is(scalar @slow, 0, 'RC-12: at once');
    }

    $a->wait_for(5, sub { $a->calls("swr$delay") == 2 }, 'a refresh');
    $a->wait_for(5, sub { ask_chat($b, $q)->body ne $first->body },
                 'the new one');
    is($a->calls("swr$delay"), 2, 'RC-12: one refresh');
    like(what(ask_chat($_, $q)), qr/; hit; ttl=-?\d+$/, 'RC-12: then a hit')
        for $a, $b;
}


# RC-13: the worker is away

my $q = '[[mock tag=sie]] Hi';
my $first = ask_chat($a, $q, at => '/error');
ask_chat($a, '[[mock tag=soon]] Hi', at => '/soon');
ask_chat($a, '[[mock tag=none]] Hi', at => '/none');
let_expire(1);

$a->signal('worker', 'STOP');

my @runners = $a->children('worker');
kill 'STOP', @runners;

my $c = ask_chat($a, $q, at => '/error');
like(what($c), $STALE, 'RC-13: not done at the end of the wait: stale');
is($c->body, $first->body, 'RC-13: the same bytes');
is($c->header('X-Weir-Job'), undef, 'without a job');
cmp_ok($c->elapsed, '>', 0.9, 'at its end');

$c = ask_chat($b, $q, at => '/error');
like(what($c), $STALE, 'RC-13: at an edge that finds it in Redis');
is($c->body, $first->body, 'RC-13: the same bytes');

is(ask_chat($a, '[[mock tag=none]] Hi', at => '/none')->status, 504,
   'RC-13: not where nobody allows it');

$a->wait_for(5, sub { ask_chat($a, '[[mock tag=soon]] Hi',
                           at => '/soon')->status == 504 },
             'the window ends');
pass('RC-13: nor after its time');

kill 'CONT', @runners;
$a->signal('worker', 'CONT');
$a->wait_for(5, sub { what(ask_chat($a, $q, at => '/error')) =~ /hit; ttl=\d/ },
             'the new one');
pass('RC-13: the run goes on, and its answer is there');


# Redis is away: from memory

let_expire(1);
$a->expect(qr/weir: /);
$a->signal('redis', 'KILL');

$c = ask_chat($a, $q, at => '/error');
like(what($c), $STALE, 'RC-13: without Redis: stale');
is(ask_chat($a, '[[mock tag=none]] Hi', at => '/none')->status, 503,
   'RC-13: 503 where nobody allows it');

$b->end;
$a->end;
done_testing();
