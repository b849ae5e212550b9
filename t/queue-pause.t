# The queue is paused: nothing is claimed any more, what runs goes on, and
# after the resume all begins at once.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', worker => 'lease = 60s');

$stack->start;

my $prefix = 'weir:{0}';


sub submit {
    my ($plan, @tags) = @_;

    my @c = map {
        $stack->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1', messages => [
                { role => 'user', content => "[[mock tag=$_ $plan]] $_." }]
        } }))
    } @tags;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub final { scalar grep { defined $stack->redis('HGET', "$prefix:run:$_",
                                                'fin') } @_ }
sub total { $stack->mock_calls->{total} }


sub pause {
    my ($on, $told) = @_;

    $on ? $stack->redis('SET', "$prefix:paused", 1)
        : $stack->redis('DEL', "$prefix:paused");
    $stack->redis('XADD', "$prefix:control", '*', 'op', 'queue') if $told;
}


sub blocked { $stack->redis('INFO', 'clients') =~ /blocked_clients:(\d+)/; $1 }


# told: the reads that wait end at once, and nothing that comes is claimed

my @running = submit('delay=1500', map { "r$_" } 1 .. 5);
$stack->wait_for(5, sub { total() == 5 }, '5 calls');

$stack->wait_for(3, sub { blocked() == 4 }, 'both runners wait for entries');
my $start = time;
pause(1, 1);

# at the first moment it is the control messages that nobody waits for

$stack->wait_for(2, sub { $stack->metric('queue_paused') == 1 }, 'the gauge');
$stack->wait_for(2, sub { blocked() == 2 }, 'only for control messages');
cmp_ok(time - $start, '<', 1, 'told: the reads end at once');
like($stack->log('worker'), qr/event=claims_paused/, 'the log says so');

my @waiting = submit('', map { "w$_" } 1 .. 20);
$stack->wait_for(5, sub { final(@running) == 5 }, 'what runs is finished');
is(total(), 5, 'nothing else was called');
is($stack->redis('XPENDING', "$prefix:ready:normal", 'weir')->[0], 0,
   'nothing was taken');

# a runner that starts during the pause does not claim either

$stack->kill_child('worker');
$stack->wait_log('worker', qr/(?:event=runner_started.*){3}/s, 5);
$stack->wait_for(5, sub { $stack->metric('redis_connected') == 16 },
                 'all connections');
is($stack->redis('XPENDING', "$prefix:ready:normal", 'weir')->[0], 0,
   'nor does a new runner take anything');

$start = time;
pause(0, 1);
$stack->wait_for(5, sub { final(@waiting) == 20 }, 'all are done');
cmp_ok(time - $start, '<', 3, 'resumed: at once');
$stack->wait_for(3, sub { $stack->metric('queue_paused') == 0 }, 'the gauge');


# untold: within a second or so

pause(1, 0);
$stack->wait_for(2.5, sub { blocked() == 2 }, 'untold: seen all the same');
@waiting = submit('', map { "u$_" } 1 .. 5);
pause(0, 0);
$stack->wait_for(4, sub { final(@waiting) == 5 }, 'and the resume too');


# what arrives nevertheless is handed back, and not lost for a lease: entries
# that another consumer had handed to us

$stack->redis('CONFIG', 'SET', 'hz', 100);
my $calls = total();

for my $round (1 .. 5) {
    $stack->wait_for(3, sub { blocked() == 4 }, 'both wait');

    # the pause comes behind the entries, in the same moment

    my @c = map {
        $stack->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1',
            messages => [{ role => 'user', content => "$_" }] } }))
    } 1 .. 40;
    Weir::Client::wait_all(5, $c[0]);
    pause(1, 1);
    Weir::Client::wait_all(20, @c) or die 'submissions';
    @waiting = map { decode_json($_->body)->{id} =~ s/^job_//r } @c;

    $stack->wait_for(3, sub { $stack->metric('queue_paused') == 1 }, 'paused');
    $stack->wait_for(5, sub { $stack->metric('runs_in_hand') == 0 }, 'idle');

    $start = time;
    pause(0, 1);
    $stack->wait_for(5, sub { final(@waiting) == 40 }, "round $round");
    cmp_ok(time - $start, '<', 5, "round $round: all are done soon");
}

is(total() - $calls, 200, 'each was called once');


# Redis is restarted during the pause

my $paused = () = $stack->log('worker') =~ /event=claims_paused/g;
pause(1, 1);
$stack->wait_for(5, sub {
    (() = $stack->log('worker') =~ /event=claims_paused/g) == $paused + 2;
}, 'both runners know');
@waiting = submit('', map { "x$_" } 1 .. 3);
$stack->stop('redis');
$stack->start('redis');
$stack->wait_for(10, sub { $stack->metric('redis_connected') == 16 },
                 'all connections');
is(final(@waiting), 0, 'the pause outlives a restart of Redis');
pause(0, 1);
$stack->wait_for(5, sub { final(@waiting) == 3 }, 'resumed');

$stack->end;

done_testing();
