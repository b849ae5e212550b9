# What a run has used that others end while a provider is at it: it is known, or
# estimated, and charged once, whoever dies.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Hold;
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Tool;

my ($stack, $hold, $limit, $slots, $tool, %ledger);


# in_new(OPTIONS): from here on in a stack of its own

sub in_new {
    my (%o) = @_;

    $stack = Weir::Stack->new(worker_more => <<END, worker => 'lease = 3s', %o);
model "dear" {
    provider = "mock"
    input_price = 1
    output_price = 2
}
provider "narrow" {
    base_url = "http://127.0.0.1:\$mock/v1"
    connections = 1
}
model "narrow" {
    provider = "narrow"
}
END
    $stack->start('mock');
    $stack->{worker_more} =~ s/\$mock/$stack->{mock_port}/;
    $stack->start(qw(redis worker));
    $hold = Weir::Hold->new(stack => $stack);
    $limit = $hold->limit('tokens', 'tokens', 1_000_000);
    $slots = $hold->limit('slots', 'jobs-at-once', 1000);
    $tool = Weir::Tool->new(redis => $stack->dir . '/redis.sock');
    %ledger = (jobs => 0, input => 0, output => 0, cost => 0);
}


# a run that reserves 50 and asks 40 bytes, which are 10 tokens, or by our own
# estimate 12

my $question = 12;

sub submit {
    my ($plan, %o) = @_;

    my $text = sprintf '%-40s', "[[mock $plan]]";
    length $text == 40 or die $plan;

    my $run = $hold->submit(text => $text, unqueued => 1, model => 'dear', %o,
                            charges => [[$limit, 50], [$slots, 1]]);

    $stack->redis('HSET', "weir:{0}:run:$run", stream => 1) if !$o{whole};

    if ($o{while}) {
        $stack->redis('HSET', "weir:{0}:run:$run", while => 1);
        reads($run);
    }

    $hold->queue($run);

    return $run;
}


sub reads {
    my ($run) = @_;

    $stack->redis('ZADD', "weir:{0}:readers:$run", (time + 60) * 1000,
                  'M' x 16);
}


sub call_of {
    my ($tag) = @_;

    $stack->wait_for(10, sub { $stack->calls($tag) }, "$tag: the call");
}


sub said {
    my ($run, $n) = @_;

    reads($run);
    $stack->redis('XADD', 'weir:{0}:control', '*', op => 'stream',
                  run => $run);
    $stack->wait_for(10, sub {
        ($stack->redis('XLEN', "weir:{0}:events:$run") // 0) > $n;
    }, 'events');
}


sub cancel {
    my ($run) = @_;

    my ($status) = $tool->run('jobs', 'cancel', "job_$run");
    is($status, 0, 'cancelled') or die;
}


# settled(NAME, RUN, SECONDS): what it used, as the limit has it; all agree

sub settled {
    my ($name, $run, $seconds) = @_;

    my $at = time;

    $hold->settled($run);
    cmp_ok(time - $at, '<', $seconds, "$name: within $seconds s");

    my $now = $hold->ledger('alice');
    my %used = map { $_ => $now->{$_} - $ledger{$_} } keys %$now;

    %ledger = %$now;
    is($used{jobs}, 1, "$name: one job");
    is($hold->used($limit), $now->{input} + $now->{output},
       "$name: the limit has it");
    is_deeply($hold->left, [], "$name: nothing is left");

    return \%used;
}


# the process that has it in hand

sub holder {
    my $pending = $stack->redis('XPENDING', 'weir:{0}:ready:normal', 'weir',
                                '-', '+', 1);

    $stack->log('worker') =~ /pid=(\d+) consumer=\Q$pending->[0][1]\E\b/
        or die 'nobody holds it';

    return $1;
}


# others have seen that somebody will tell

sub put_off {
    my ($run) = @_;

    my $at = $stack->redis('HGET', "weir:{0}:run:$run", 'fin_at');

    $stack->wait_for(5, sub {
        ($stack->redis('ZSCORE', 'weir:{0}:settle', $run) // 0) == $at + 5000;
    }, 'a while');
}


sub metrics {
    return map { $stack->metric($_) }
               map { qq(tokens_total{direction="$_"}) } qw(input output);
}


in_new();

# in the middle of a stream that says nothing of tokens until its end

my $run = submit('tag=mid tokens=1000 every=20');
said($run, 12);
cancel($run);
my $used = settled('stream', $run, 2);
is($used->{input}, $question, 'the question');
cmp_ok($used->{output}, '>=', 10, 'and what had come of the answer');
cmp_ok($used->{output}, '<', 900, 'but not all');
is($used->{cost}, $question + 2 * $used->{output}, 'at its price');
is_deeply([metrics()], [@$used{qw(input output)}], 'counted in the metrics');
is($stack->metric('provider_streams_total{end="cut"}'), 1, 'a cut stream');

$stack->redis('ZADD', 'weir:{0}:settle', 0, $run);      # once more
$hold->gone($run);
is_deeply($hold->ledger('alice'), \%ledger, 'once');


# an answer in one piece

$run = submit('tag=whole delay=20000', whole => 1);
call_of('whole');
cancel($run);
$used = settled('whole', $run, 2);
is_deeply([@$used{qw(input output)}], [$question, 0], 'whole: the question');


# a stream that has not begun

$run = submit('tag=early delay=20000');
call_of('early');
cancel($run);
$used = settled('early', $run, 2);
is_deeply([@$used{qw(input output)}], [$question, 0], 'early: the question');


# each runner has one connection, and both are busy

my @busy = map { submit("tag=busy-$_ delay=20000", model => 'narrow') } 1 .. 9;
$stack->wait_for(10, sub {
    2 == grep { $stack->calls("busy-$_") } 1 .. 9;
}, 'two calls');
$stack->wait_for(10, sub { $stack->metric('runs_in_hand') == 9 }, 'all taken');

my %open = map { $busy[$_ - 1] => $stack->calls("busy-$_") } 1 .. 9;
my @idle = grep { !$open{$_} } @busy;

cancel($_) for @idle;
$hold->settled(@idle);
is($hold->ledger('alice')->{input}, $ledger{input}, 'never sent: nothing');
is($hold->ledger('alice')->{jobs}, $ledger{jobs} + 7, 'but jobs');
cancel($_) for grep { $open{$_} } @busy;
$hold->settled(@busy);
%ledger = %{ $hold->ledger('alice') };


# in the queue: nothing is waited for

$stack->redis('SET', 'weir:{0}:paused', 1);
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'queue');
$stack->wait_for(10, sub { $stack->metric('queue_paused') == 1 }, 'a pause');
$run = submit('tag=queued delay=20000');
cancel($run);
$used = settled('queued', $run, 3);
is_deeply([@$used{qw(input output)}], [0, 0], 'queued: nothing');
$stack->redis('DEL', 'weir:{0}:paused');
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'queue');


# the deadline passes

$run = submit('tag=late tokens=1000 every=20',
              deadline => int((time + 2) * 1000));
call_of('late');
$stack->wait_for(10, sub {
    ($stack->redis('HGET', "weir:{0}:run:$run", 'fin') // '') =~ /^expired/;
}, 'the deadline');
$used = settled('expired', $run, 3);
is($used->{input}, $question, 'expired: the question');
cmp_ok($used->{output}, '>', 10, 'and what had come');


# the holder sleeps for a while, and has its word; it dies, and has none

$run = submit('tag=sleep tokens=2000 every=20');
said($run, 12);

my $holder = holder($run);

kill STOP => $holder;
cancel($run);
put_off($run);
kill CONT => $holder;
$used = settled('asleep', $run, 2);
cmp_ok($used->{output}, '>=', 10, 'asleep: what had come');

$run = submit('tag=dead tokens=2000 every=20');
said($run, 12);
$holder = holder($run);
kill STOP => $holder;
cancel($run);
put_off($run);
kill KILL => $holder;
$used = settled('dead', $run, 10);
is_deeply([@$used{qw(input output)}], [0, 0], 'dead: nobody knows');
$stack->end;


# it dies when its word has left: that counts, once

in_new(faults => 'cut_sent:kill:1');
$run = submit('tag=sent tokens=2000 every=20');
said($run, 12);
cancel($run);
$used = settled('sent', $run, 5);
cmp_ok($used->{output}, '>=', 10, 'sent: what had come');
is(() = $stack->log('worker') =~ /event=runner_died/g, 1, 'one death');
$stack->end;


# a whole answer that others were faster than

in_new(faults => 'reply_received:stop:1');
$run = submit('tag=lost tokens=40');

my $stopped = $stack->wait_for(10, sub {
    (grep { Weir::Stack::slurp("/proc/$_/stat") =~ /\) T / }
          $stack->children('worker'))[0];
}, 'a runner that stopped');

cancel($run);
kill CONT => $stopped;
$used = settled('lost', $run, 5);
is_deeply([@$used{qw(input output)}], [10, 40], 'lost: all of it');
is_deeply([metrics()], [10, 40], 'counted');
$stack->end;


# the word of it is lost on its way, in each way that there is

in_new();
$stack->stop('worker');

my $d = $stack->dir;
my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");

$stack->{worker_conf} = <<END;
redis {
    address = "unix:$d/proxy.sock"
    timeout = 1s
}
worker {
    runners = 2
    lease = 3s
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
metrics { listen = "127.0.0.1:$stack->{metrics_port}" }
END
$stack->start('worker');

for my $how ([lose => 1], [mute => 1], [reply => "-OOM no memory\r\n"],
             [queue => "-LOADING x\r\n"])
{
    $run = submit('tag=word tokens=2000 every=20');
    said($run, 12);
    $proxy->rules({ on => 'EXEC', with => 'usage:1000001', times => 1, @$how });
    cancel($run);
    $used = settled($how->[0], $run, 9);
    cmp_ok($used->{output}, '>=', 10, "$how->[0]: what had come");
    $proxy->rules;
}

$proxy->stop;
$stack->end;


# nobody wants it any more

in_new();
$run = submit('tag=left tokens=2000 every=20', while => 1);
said($run, 12);
$stack->redis('DEL', "weir:{0}:readers:$run");
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'left', run => $run);
$used = settled('left', $run, 2);
like($stack->redis('HGET', "weir:{0}:run:$run", 'fin'), qr/:left$/, 'left');
cmp_ok($used->{output}, '>=', 10, 'left: what had come');
$stack->end;


# what is said of tokens in the middle is believed

in_new(dialect => 'anthropic');
$run = submit('tokens=999 every=9 cached=3');
said($run, 12);
cancel($run);
$used = settled('said', $run, 2);
is($used->{input}, 10, 'said: the question, as it was said');
cmp_ok($used->{output}, '>=', 10, 'and what had come');
$stack->end;


# in a cell, where another has taken it over

in_new();
$run = submit('tag=cell delay=30000');
call_of('cell');
kill KILL => holder($run);
$stack->wait_for(15, sub { $stack->calls('cell') == 2 }, 'again, in a cell');
is($stack->metric('cells'), 1, 'a cell');
cancel($run);
$used = settled('cell', $run, 2);
is_deeply([@$used{qw(input output)}], [$question, 0], 'cell: the question');
$stack->end;

# two have it: the first one sleeps longer than its lease, and wakes when all
# is settled

in_new();
$run = submit('tag=two delay=60000');
call_of('two');
$holder = holder($run);
kill STOP => $holder;
$stack->wait_for(20, sub { $stack->calls('two') == 2 }, 'another has it');
cancel($run);
$used = settled('two', $run, 9);
is_deeply([@$used{qw(input output)}], [$question, 0], 'two: the second');
kill CONT => $holder;
$stack->wait_for(10, sub {
    defined $stack->redis('HGET', "weir:{0}:run:$run", 'usage:1000001');
}, 'the word of the first');
$stack->wait_for(10, sub { @{ $hold->left } == 0 }, 'nothing is left');
is_deeply($hold->ledger('alice'), \%ledger, 'two: once');
$stack->end;

done_testing();
