# Many ask the same, and the run that one of them leads comes to nothing: one of
# the others leads the next one, and nobody is left to wait.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::Stack;

my %o = (processes => 2, http => 'weir_max_waiting 1000;
                                  weir_limit_zone some key=owner rate=2r/h
                                                  requests=body;');

my $near = cached_stack(processes => 2, http => 'weir_max_waiting 1000;',
                     worker => "attempts = 1\n    backoff = 10ms");
$near->start;

my $far = another_edge($near, processes => 2, http => 'weir_max_waiting 1000;');
$far->start('nginx');


# joined(PLAN, N): a leader, and N who follow; the leader comes first

sub joined {
    my ($tag, $plan, $n) = @_;

    my $leader = chat($near, "[[mock tag=$tag $plan]] Hi");
    $near->wait_for(5, sub { $near->calls($tag) }, 'the leader is asked for');

    my @all = map { chat($_ % 2 ? $far : $near, "[[mock tag=$tag $plan]] Hi") }
              1 .. $n;
    parked($n + 1, $near, $far);

    return ask_all(15, $leader, @all);
}


# a failure that may pass: one new run, whose answer the others get

my ($leader, @all) = joined('once', 'status=503 times=1 delay=800', 30);
is($leader->status, 502, 'failed once: the leader is told');
is(status_of(@all), 200, 'failed once: the others get another answer');
is($near->calls('once'), 2, 'RC-11, failed once: two calls');
is(scalar(led(@all)), 1, 'failed once: one of them leads');
is(scalar(grep { $_->body ne $all[0]->body } @all), 0,
   'failed once: the same bytes');
is($leader->header('X-Weir-Job'), undef, 'failed once: no job');


# the second one is for all

($leader, @all) = joined('twice', 'status=503 delay=600', 30);
is(status_of($leader, @all), 502, 'failed twice: all are told');
is($near->calls('twice'), 2, 'RC-11, failed twice: two calls');
is(status_of(ask_all(10, chat($far, '[[mock tag=twice status=503 delay=600]] Hi'))),
   502, 'failed twice: asked later');
is($near->calls('twice'), 3, 'failed twice: nothing was stored');


# one that will not pass: all are told, and it is not asked again

($leader, @all) = joined('never', 'status=400 delay=800', 30);
is(status_of($leader, @all), 400, 'refused: all are told');
is($near->calls('never'), 1, 'refused: one call');
is(scalar(grep { $_->header('x-should-retry') eq 'false' } $leader, @all), 31,
   'refused: and are not to ask again');


# Redis is away for a moment while they wait

$leader = chat($near, '[[mock tag=restart delay=2500]] Hi');
$near->wait_for(5, sub { $near->calls('restart') }, 'the leader is asked for');
@all = map { chat($_ % 2 ? $far : $near, '[[mock tag=restart delay=2500]] Hi') }
       1 .. 10;
parked(11, $near, $far);
$near->stop('redis');
$near->start('redis');
ask_all(20, $leader, @all);
is(status_of($leader, @all), 200, 'Redis restarts: all are answered');
is($near->calls('restart'), 1, 'Redis restarts: one call');


# the worker's runners are killed while it runs: it is run again, for all

$leader = chat($near, '[[mock tag=killed delay=1000]] Hi');
$near->wait_for(5, sub { $near->calls('killed') }, 'the leader is asked for');
@all = map { chat($_ % 2 ? $far : $near, '[[mock tag=killed delay=1000]] Hi') }
       1 .. 10;
parked(11, $near, $far);
kill 'KILL', $near->children('worker');
ask_all(60, $leader, @all);
is(status_of($leader, @all), 200, 'runners are killed: all are answered');
is($near->calls('killed'), 2, 'runners are killed: one call more');


# a reload: who waits is answered by the old processes

$leader = chat($far, '[[mock tag=reload delay=1500]] Hi');
$near->wait_for(5, sub { $near->calls('reload') }, 'the leader is asked for');
@all = map { chat($far, '[[mock tag=reload delay=1500]] Hi') } 1 .. 10;
parked(11, $far);
my @before = $far->children('nginx');
$far->signal('nginx', 'HUP');
$far->wait_for(10, sub {
    my %now = map { $_ => 1 } $far->children('nginx');
    keys(%now) > grep { $now{$_} } @before;
}, 'new processes');
my @more = map { chat($far, '[[mock tag=reload delay=1500]] Hi') } 1 .. 10;
ask_all(10, $leader, @all, @more);
is(status_of($leader, @all, @more), 200, 'reload: all are answered');
is($near->calls('reload'), 1, 'reload: one call');

nothing_left($near);

$far->end;
$near->end;

done_testing();
