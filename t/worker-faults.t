# Whatever Redis answers, the worker goes on when it can: no job is lost, none
# is asked for twice without need.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
    weir_redis => 'timeout=3s', worker_conf => '');
my $prefix = 'weir:{0}';
my $d = $stack->dir;

$stack->start(qw(redis mock));
my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");

$stack->{metrics_port} = Weir::Stack::free_port();
$stack->{worker_conf} = <<END;
redis {
    address = "unix:$d/proxy.sock"
    timeout = 1s
}
worker {
    runners = 1
    slots = 16
    lease = 3s
    backoff = 20ms
    run_dir = "$d"
}
metrics { listen = "127.0.0.1:$stack->{metrics_port}" }
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

$stack->start(qw(worker nginx));

my $n = 0;


# start(PLAN): a held request; its tag

sub ask {
    my ($plan) = @_;

    my $tag = 't' . ++$n;
    my $c = $stack->request('/v1/chat/completions', body => encode_json({
        model => 'mock-1', messages => [
            { role => 'user', content => "[[mock tag=$tag $plan]] Hi" }] }));

    return ($c, $tag);
}


sub since {
    my ($at) = @_;
    return substr $stack->log('worker'), $at;
}


# fault(NAME, RULES, OPTIONS): under these rules a job is finished all the
# same; plan, calls, log (what must be said), within (seconds)

sub fault {
    my ($name, $rules, %o) = @_;

    my $at = length $stack->log('worker');
    $proxy->rules(@$rules);

    # what is under way was sent before

    if ($o{armed}) {
        $proxy->forget;
        $proxy->wait_command(5, $rules->[0]{on}, $rules->[0]{with})
            or die "$name: no such command";
    }

    my ($c, $tag) = ask($o{plan} // '');
    my $start = time;
    $c->wait($o{within} // 6);

    is($c->status, 200, "$name: answered")
        or diag(since($at), $c->body // '');
    is($stack->calls($tag), $o{calls} // 1, "$name: calls");
    like(since($at), $o{log}, "$name: the log") if $o{log};

    $proxy->rules;
    $stack->wait_for(6, sub { $stack->metric('redis_connected') == 8 },
                     "$name: all connections");
    settle($name);
}


# nothing is left behind: no entry, no deadline, no slot in use

sub settle {
    my ($name) = @_;

    $stack->wait_for(10, sub {
        !grep { $stack->redis('XLEN', "$prefix:ready:$_") }
         qw(high normal low);
    }, "$name: all entries are gone");
    $stack->wait_for(5, sub { $stack->metric('runs_in_hand') == 0 },
                     "$name: no slot is in use");
    is_deeply($stack->redis('ZRANGE', "$prefix:deadline", 0, -1), [],
              "$name: nothing is left");
}


# "not now", at every place

my %later = (
    LOADING  => 'LOADING Redis is loading the dataset in memory',
    READONLY => "READONLY You can't write against a read only replica.",
    MISCONF  => 'MISCONF Redis is configured to save RDB snapshots',
    OOM      => "OOM command not allowed when used memory > 'maxmemory'.",
    MOVED    => 'MOVED 1234 127.0.0.1:7001',
);

for my $error (sort CORE::keys %later) {
    my $reply = "-$later{$error}\r\n";

    fault("$error, reading", [{ on => 'XREADGROUP', reply => $reply,
                                times => 2 }],
          log => qr/event=queue_later at=read reason="?$error/);
    fault("$error, claiming", [{ on => 'HSETNX', with => 'started',
                                 queue => $reply, times => 1 }],
          log => qr/event=claim_failed .*reason="?$error/);
    fault("$error, finishing", [{ on => 'XDEL', queue => $reply, times => 3 }],
          log => qr/event=finish_later .*reason="?$error/);
}

for my $error (qw(LOADING READONLY)) {
    my $reply = "-$later{$error}\r\n";

    fault("$error, retrying", [{ on => 'ZADD', queue => $reply, times => 2,
                                 with => "$prefix:delayed" }],
          plan => 'status=503 times=1', calls => 2,
          log => qr/event=retry_later reason="?$error/);
    fault("$error, renewing", [{ on => 'XCLAIM', reply => $reply, times => 2 }],
          plan => 'delay=2500', log => qr/event=lease_failed reason="?$error/);
    fault("$error, listening", [{ on => 'XREAD', reply => $reply, times => 2 }],
          plan => 'delay=2300',
          log => qr/event=control_failed reason="?$error/);
}

# an error that has no business there, inside of a transaction or instead of it

fault('an error, claiming', [{ on => 'EXEC', with => 'started', times => 1,
                               reply => "-ERR what is that\r\n" }],
      log => qr/event=claim_failed/);
fault('an error, finishing', [{ on => 'EXEC', with => 'XDEL', times => 2,
                                reply => "-ERR what is that\r\n" }],
      log => qr/event=finish_failed/);
fault('EXECABORT alone', [{ on => 'EXEC', with => 'XDEL', times => 1,
                            reply => "-EXECABORT Transaction discarded\r\n" }],
      log => qr/event=finish_failed/);
fault('nil, retrying: somebody touched it', [{ on => 'EXEC', times => 3,
                                               with => "$prefix:delayed",
                                               reply => "*-1\r\n" }],
      plan => 'status=503 times=1', calls => 2);
fault('a protocol error', [{ on => 'EXEC', with => 'XDEL', times => 1,
                             reply => "what is that\r\n" }],
      log => qr/event=redis_down connection=cmd .*not expected/);


# an answer that is lost after the command was done

fault('lost: the entry', [{ on => 'XREADGROUP', with => 'BLOCK', lose => 1,
                            times => 1 }],
      armed => 1, log => qr/event=redis_down connection=read/);
fault('lost: the claim', [{ on => 'EXEC', with => 'started', lose => 1,
                            times => 1 }],
      log => qr/event=redis_down connection=cmd/);

my $before = $stack->metric('runs_finished_total{state="completed"}');
fault('lost: the finish', [{ on => 'EXEC', with => 'fin_at', lose => 1,
                             times => 2 }],
      log => qr/event=redis_down connection=cmd/);
is($stack->metric('runs_finished_total{state="completed"}') - $before, 1,
   'lost: the finish: it counts once');

fault('lost: the retry', [{ on => 'EXEC', with => 'failures', lose => 1,
                            times => 1, skip => 1 }],
      plan => 'status=503 times=1', calls => 2,
      log => qr/event=redis_down connection=watch/);
fault('lost: the watch', [{ on => 'HMGET', with => 'gen', lose => 1,
                            times => 1, skip => 1 }],
      plan => 'status=503 times=1', calls => 2);


# half-open: a peer that never answers

for (['read', 'XREADGROUP', 'BLOCK', ''], ['cmd', 'EXEC', 'started', ''],
     ['cmd', 'EXEC', 'fin_at', ''],
     ['lease', 'XCLAIM', 'JUSTID', 'delay=2500'],
     ['watch', 'WATCH', undef, 'status=503 times=1'],
     ['control', 'XREAD', undef, 'delay=4500'])
{
    my ($connection, $on, $with, $plan) = @$_;

    fault("half-open: $connection, $on", [{ on => $on, mute => 1, times => 1,
              defined $with ? (with => $with) : () }],
          plan => $plan, calls => $plan =~ /503/ ? 2 : 1, within => 12,
          armed => scalar($on =~ /^XREAD/),
          log => qr/event=redis_down connection=$connection .*no reply in time/);
}

$proxy->mode(mute => 1);
my ($c, $tag) = ask('');
$stack->wait_for(10, sub { $stack->metric('redis_connected') <= 3 },
                 'all connections that are used are given up');
$proxy->mode;
ok($c->wait(10), 'half-open, all of them: in the end');
is($c->status, 200, 'the job is done');
is($stack->calls($tag), 1, 'once');
settle('half-open');


# the groups are gone, or the streams

my $at = length $stack->log('worker');
$stack->redis('XGROUP', 'DESTROY', "$prefix:ready:$_", 'weir')
    for qw(high normal low);
fault('NOGROUP', []);
like(since($at), qr/event=group_missing/, 'the log says so');

$at = length $stack->log('worker');
$stack->redis('DEL', map { "$prefix:ready:$_" } qw(high normal low));
fault('UNBLOCKED', []);
like(since($at), qr/event=group_missing/, 'the log says so');

# a group begins at the beginning: what waited is not passed over

my ($runner) = $stack->children('worker');
kill 'STOP', $runner;
$stack->redis('DEL', map { "$prefix:ready:$_" } qw(high normal low));
($c, $tag) = ask('');
$stack->wait_for(5, sub {
    grep { $stack->redis('XLEN', "$prefix:ready:$_") } qw(high normal low);
}, 'an entry without a group');
kill 'CONT', $runner;
ok($c->wait(10), 'an entry from before the group');
is($c->status, 200, 'it is found');


# Redis dies and comes back with what it had, while calls are under way

($c, $tag) = ask('delay=1500');
$stack->wait_for(5, sub { $stack->calls($tag) == 1 }, 'the call');
$stack->redis('CONFIG', 'SET', 'appendfsync', 'always');
$stack->signal('redis', 'KILL');
$stack->start('redis');
ok($c->wait(10), 'Redis was killed: the answer');
is($c->status, 200, 'with 200');
is($stack->calls($tag), 1, 'asked once');
settle('restart');


# Redis comes back empty: what was there is lost, what comes is done

($c, $tag) = ask('delay=3000');
$stack->wait_for(5, sub { $stack->calls($tag) == 1 }, 'the call');
$at = length $stack->log('worker');
$stack->signal('redis', 'KILL');
system 'rm', '-rf', "$d/redis/appendonlydir";
$stack->start('redis');
$c->wait(15);
is($c->status, 503, 'Redis came back empty: 503');
$stack->wait_for(8, sub { $stack->metric('runs_in_hand') == 0 },
                 'the call is given up');

$stack->wait_for(10, sub {
    my ($more) = ask('');
    $more->wait(5);
    ($more->status // 0) == 200;
}, 'the next one is done');

# and word from outside is heard, whatever the cursor was

my $job = $stack->ask('/v1/jobs', body => encode_json({ request => {
    model => 'mock-1', messages => [
        { role => 'user', content => '[[mock tag=last hang]]' }] } }));
my $id = decode_json($job->body)->{id};
$stack->wait_for(5, sub { $stack->calls('last') == 1 }, 'a call');
$stack->ask("/v1/jobs/$id", method => 'DELETE');
$stack->wait_for(1, sub {
    $stack->mock_calls->{open} == 0;
}, 'a cancel after that: the call is closed within a second');

$proxy->stop;
$stack->end;

done_testing();
