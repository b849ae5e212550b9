# Many ask the same, and what Redis says to one of them is lost: nobody waits for
# what will never be, and what was given up runs only if another was told of it.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Askers;
use Weir::FakeRedis;
use Weir::Stack;

my $stack = cached_stack(processes => 1, weir_redis => 'timeout=300ms',
                         server => 'location = /readyz { weir_readyz; }');

my $edge = another_edge($stack, processes => 1, weir_redis => 'timeout=300ms');

$stack->keys;
my $fake = Weir::FakeRedis->new(path => $stack->dir . '/redis.sock');

$stack->start('nginx');
$edge->start('nginx');

my $n = 0;


sub begin {
    my (@rules) = @_;

    $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 },
                     'both connections');
    $fake->forget;
    $fake->rules(@rules);

    return 'Question ' . ++$n;
}


# the runs that were submitted, in order

sub submitted {
    my %seen;
    my @runs = grep { !$seen{$_}++ }
               map { /^weir:\{0\}:request:(\w{24})$/ ? $1 : () }
               map { @$_ }
               grep { $_->[0] eq 'EXEC' && grep { $_ eq 'XADD' } @$_ }
               $fake->commands;

    return @runs;
}


sub wait_submitted {
    my ($count) = @_;

    $stack->wait_for(5, sub { submitted() >= $count }, "$count submissions");

    return (submitted())[$count - 1];
}


# what a worker would write; the next re-check finds it

sub finish {
    my ($run, $text, $fin) = @_;

    $fin //= 'completed:1000001';

    $stack->redis('SET', "weir:{0}:outcome:$run:1000001", encode_json({
        v => 1, state => 'completed', started_at => 1700000000000,
        finished_at => 1700000001000, attempts => 1, provider => 'p',
        model => 'm', usage => { input_tokens => 3, output_tokens => 4 },
        choices => [{ index => 0, role => 'assistant', stop => 'end',
                      parts => [{ type => 'text', text => $text }] }],
    }));
    $stack->redis('HSET', "weir:{0}:run:$run", 'fin', $fin, 'fin_at',
                  int(1000 * time));
}


sub cancelled {
    my ($run) = @_;

    return grep { $_->[0] eq 'EXEC' && grep({ $_ eq 'cancelled:edge' } @$_)
                  && grep { $_ eq "weir:{0}:run:$run" } @$_ }
           $fake->commands;
}


# the leader's submission was not done: who waits for it leads in the end

for (['closed', close => 1], ['cut', cut => 3]) {
    my ($name, @how) = @$_;
    my $done = ($name eq 'cut');                # a cut answer was done

    my $text = begin({ on => 'EXEC', with => 'XADD', times => 1, @how });
    my $leader = chat($stack, $text);
    my $first = wait_submitted(1);
    my @others = map { chat($stack, $text) } 1 .. 5;

    $leader->wait(5);
    is($leader->status, 503, "$name: the leader gets 503");

    my $second = $stack->wait_for(8, sub {
        my @runs = submitted();
        return $runs[1] if @runs > 1;
        return $first if $done && !cancelled($first)
            && ($stack->redis('GET', "weir:{0}:fate:$first") // '') eq 'kept';
        return;
    }, "$name: who goes on");

    if ($second ne $first) {
        $stack->wait_for(5, sub { cancelled($first) }, 'a cancellation')
            if !grep { $_ eq 'kept' }
                     $stack->redis('GET', "weir:{0}:fate:$first") // '';
    }

    # who was told to lead one more waits for that

    $stack->wait_for(20, sub {
        finish($_, 'the answer') for $second, grep { $_ ne $first } submitted();
        return Weir::Client::wait_all(1, @others);
    }, "$name: the answers");
    is(status_of(@others), 200, "$name: the others are answered");
    is(scalar(grep { $_->body =~ /the answer/ } @others), 5,
       "$name: all alike");
    ok($second eq $first || cancelled($first)
       || !$stack->redis('EXISTS', "weir:{0}:request:$first"),
       "$name: what was given up does not run");
}


# the whole connection is silent: all are told, and nobody is left to wait

my $text = begin({ on => 'EXEC', with => 'XADD', times => 1, mute => 1 });
my @all = map { chat($stack, $text) } 1 .. 6;
my $silent = wait_submitted(1);
ask_all(30, @all);
is(status_of(@all), 503, 'silent: all get 503');
$fake->rules;
$fake->drop;
$stack->wait_for(10, sub { cancelled($silent) }, 'silent: it is given up');


# it was done, and another was told of it: it is not cancelled.  Until he is,
# nobody learns its fate, or he would have to lead.

$text = begin({ on => 'EXEC', with => 'XADD', times => 1, done => 1,
                close => 1 },
              { on => 'EXEC', with => 'edge', close => 1 });
my $leader = chat($stack, $text);
my $run = wait_submitted(1);
my $other = chat($edge, $text);

ok($fake->wait_command(5, 'EXEC', 'kept'), 'kept: the other follows');
my $before = $fake->rules;
$leader->wait(5);
is($leader->status, 503, 'kept: the leader gets 503');
$stack->wait_for(5, sub {
    my @since = $fake->commands;
    splice @since, 0, $before;
    return grep { $_->[0] eq 'EXEC' && grep { $_ eq 'edge' } @$_ } @since;
}, 'the question of its fate');
finish($run, 'kept');
ask_all(30, $other);
is($other->status, 200, 'kept: the other is answered');
is(scalar(cancelled($run)), 0, 'kept: it was not cancelled');
is(scalar(submitted()), 1, 'kept: nor submitted again');


# it was done, and given up before another came: he leads

$text = begin({ on => 'EXEC', with => 'XADD', times => 1, done => 1,
                close => 1 },
              { on => 'EXEC', with => 'cancelled:edge', times => 1,
                reply => "-LOADING wait\r\n" });
$leader = chat($stack, $text);
$run = wait_submitted(1);
$leader->wait(5);
is($leader->status, 503, 'edge: the leader gets 503');
ok($fake->wait_command(5, 'EXEC', 'edge'), 'edge: it is given up');
$stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 }, 'ready');
$other = chat($stack, $text);
my $next = wait_submitted(2);
isnt($next, $run, 'edge: another run');
finish($next, 'next');
ask_all(30, $other);
is($other->status, 200, 'edge: the other is answered');
$stack->wait_for(10, sub {
    ($stack->redis('HGET', "weir:{0}:run:$run", 'fin') // '')
        eq 'cancelled:edge';
}, 'edge: the first one is cancelled');


# the question itself is lost: 503, and the next one waits until the register's
# time is over

$text = begin({ on => 'EXEC', with => 'run:1', times => 1, done => 1,
                close => 1 });
$leader = chat($stack, $text);
$leader->wait(5);
is($leader->status, 503, 'asked in vain: 503');
$stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 }, 'ready');
my $since = time;
$other = chat($stack, $text);
$run = wait_submitted(1);
cmp_ok(time - $since, '<', 3, 'asked in vain: another leads in time');
finish($run, 'late');
ask_all(30, $other);
is($other->status, 200, 'asked in vain: and is answered');


# a follower is lost: he gets 503, and the others wait on

$text = begin();
$leader = chat($stack, $text);
$run = wait_submitted(1);
$stack->wait_for(5, sub { grep { /run$/ } map { @$_ }
    grep { $_->[0] eq 'HSET' } $fake->commands }, 'submitted');
$fake->rules({ on => 'EXEC', with => 'kept', times => 1, reply => "*-1\r\n" });
$other = chat($stack, $text);
$other->wait(5);
is($other->status, 503, 'a follower is lost: 503');
finish($run, 'on');
ask_all(30, $leader);
is($leader->status, 200, 'a follower is lost: the leader is answered');


# what a run came to is fetched once for all who wait for it; if that is lost,
# once more

for (['closed', close => 1], ['silent', mute => 1],
     ['refused', reply => "-LOADING wait\r\n"])
{
    my ($name, @how) = @$_;

    $name = "the answer is fetched, $name";
    $text = begin();
    my ($gone, @waiting) = map { chat($stack, $text) } 1 .. 6;
    $run = wait_submitted(1);
    parked(6, $stack);

    my $key = "weir:{0}:outcome:$run:1000001";
    $fake->rules({ on => 'GET', with => $key, times => 1, @how });
    finish($run, 'large');
    ok($fake->wait_command(10, 'GET', $key), "$name: it was asked for");
    $gone->close;
    ask_all(30, @waiting);
    is(status_of(@waiting), 200, "$name: all are answered");
    is(scalar(grep { $_->body ne $waiting[0]->body } @waiting), 0,
       "$name: the same bytes");
    cmp_ok($fake->count('GET', $key), '<', 5, "$name: not by each")
        if $name !~ /refused/;              # then each tries himself
}


# a follower is told of a failure before he knows that he is one: what he gets
# in the end is of the run that he leads then

$text = begin();
$leader = chat($stack, $text);
$run = wait_submitted(1);
parked(1, $stack);
my ($box) = map { $_->[2] } grep { $_->[0] eq 'SADD' } $fake->commands;
my $failure = encode_json({ v => 1, state => 'failed',
                            error => { kind => 'upstream', message => 'no' } });

$fake->rules({ on => 'EXEC', with => 'kept', times => 1, first =>
               ['PUBLISH', "weir:mail:$box",
                "$run failed:1000001 1700000001000\n$failure"] });
$stack->redis('HSET', "weir:{0}:run:$run", 'fin', 'failed:1000001', 'fin_at',
              int(1000 * time));
$other = chat($stack, $text);
$next = wait_submitted(2);
finish($next, 'after all');
ask_all(30, $other);
is($other->status, 200, 'told too early: answered');
like($other->body, qr/after all/, 'told too early: by the run that he led');


# Redis refuses the submission: nothing was done, and the next one leads at once

$text = begin({ on => 'EXEC', with => 'XADD', times => 1,
                reply => "-OOM no\r\n" });
$leader = chat($stack, $text);
$leader->wait(5);
is($leader->status, 503, 'refused: 503');
$since = time;
$other = chat($stack, $text);
$run = wait_submitted(2);
cmp_ok(time - $since, '<', 1, 'refused: the next one leads at once');
finish($run, 'at once');
ask_all(30, $other);
is($other->status, 200, 'refused: and is answered');


# the client of the leader goes while his submission is under way

$text = begin({ on => 'EXEC', with => 'XADD', times => 1, mute => 1 });
$leader = chat($stack, $text);
$run = wait_submitted(1);
$leader->close;
$other = chat($edge, $text);
$next = wait_submitted(2);
finish($next, 'gone');
ask_all(30, $other);
is($other->status, 200, 'the leader has gone: the other is answered');
$fake->rules;

$edge->end;
$stack->end;
$fake->stop;

done_testing();
