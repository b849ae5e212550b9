# Reservations are settled by what was used, once, whatever became of the run;
# and the ledger says so.  Checks RL-34, RL-35, RL-37.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Hold;
use Weir::Stack;

# text of 80 bytes, which are 20 tokens, and an answer of so many

my $TEXT = '[[mock tokens=%d]]';

my $stack = Weir::Stack->new(worker => "attempts = 2\n    backoff = 10ms",
                             worker_more => <<'END');
model "dear" {
    provider = "mock"
    input_price = 1
    output_price = 2.5
}
END

$stack->start(qw(redis mock worker));

my $hold = Weir::Hold->new(stack => $stack);


sub text { return sprintf '%-80s', sprintf $TEXT, $_[0] }

sub state_of {
    my ($run) = @_;

    my ($state) = split ':', $stack->redis('HGET', "weir:{0}:run:$run", 'fin')
                             // 'none';
    return $state;
}


# a runner counts a moment after Redis has done it

sub counted {
    my ($name, $n) = @_;

    $stack->wait_for(5, sub { $stack->metric($name) == $n }, "$name $n");
}


# RL-34: 500 reserved, 120 used

my $tokens = $hold->limit('tokens', 'tokens', 10_000);
my $run = $hold->submit(text => text(100), charges => [[$tokens, 500]],
                        unqueued => 1);

is($hold->used($tokens), 500, 'reserved');
$hold->queue($run);
$hold->settled($run);
is(state_of($run), 'completed', 'it ran');
is($hold->used($tokens), 120, 'RL-34: what was used');
is_deeply($hold->ledger('alice'), { jobs => 1, input => 20, output => 100,
          cost => 0 }, 'in the ledger');


# RL-37: settled twice

$stack->redis('ZADD', 'weir:{0}:settle', 1, $run);
$hold->gone($run);
is($hold->used($tokens), 120, 'RL-37: charged once');
is($hold->ledger('alice')->{jobs}, 1, 'and counted once');


# a reservation that comes back for what has ended is given back

$hold->hold($run, [[$tokens, 300]]);
is($hold->used($tokens), 420, 'reserved after the end');
$stack->redis('ZADD', 'weir:{0}:settle', 1, $run);
$hold->gone($run);
is($hold->used($tokens), 120, 'given back');


# RL-35: 900 used of 500, more than there is

my $small = $hold->limit('small', 'tokens', 600, rate => 1);

$run = $hold->submit(text => text(880), charges => [[$small, 500]]);
$hold->settled($run);
is($hold->used($small), 900, 'RL-35: a debt');


# all kinds at once, and a job of another owner with the same limits

my %all = map { $_ => $hold->limit($_, $_, 100_000) }
          qw(tokens input-tokens output-tokens cost jobs-at-once);
my $other = Weir::Hold->new(stack => $stack, owner => 'bob');

my @runs = map { $_->submit(model => 'dear', text => text(40), charges => [
    [$all{tokens}, 1000], [$all{'input-tokens'}, 5],
    [$all{'output-tokens'}, 1000], [$all{cost}, 3000],
    [$all{'jobs-at-once'}, 1] ]) } $hold, $other;

$hold->settled(@runs);
is($hold->used($all{tokens}), 120, 'tokens');
is($hold->used($all{'input-tokens'}), 40, 'input tokens');
is($hold->used($all{'output-tokens'}), 80, 'output tokens');
is($hold->used($all{cost}), 240, 'cost');
is($stack->redis('ZCARD', $hold->slots_key($all{'jobs-at-once'})), 0,
   'no slot');
is_deeply($hold->ledger('bob'), { jobs => 1, input => 20, output => 40,
          cost => 120 }, 'the ledger of the other');


# what ends otherwise uses nothing

my $back = $hold->limit('back', 'tokens', 10_000);
my $slots = $hold->limit('back-slots', 'jobs-at-once', 100);
my @charges = ([$back, 100], [$slots, 1]);
my $before = 4;

counted('runs_settled_total', $before);

my %end = (
    failed => $hold->submit(text => '[[mock status=400]]',
                            charges => \@charges),
    retried => $hold->submit(text => '[[mock status=500]]',
                             charges => \@charges),
    expired => $hold->submit(deadline => Weir::Hold::now() - 1, unqueued => 1,
                             charges => \@charges),
    late => $hold->submit(late => 1, charges => \@charges),
    cancelled => $hold->submit(unqueued => 1, charges => \@charges),
);

# the cancel of 10.2, by hand: what is left to others is found

for my $id ($end{cancelled}) {
    $stack->redis('HSET', "weir:{0}:run:$id", fin => 'cancelled:owner',
                  fin_at => Weir::Hold::now());
    $stack->redis('EXPIRE', "weir:{0}:run:$id", 86400);
    $stack->redis('ZREM', 'weir:{0}:deadline', $id);
    $stack->redis('ZADD', 'weir:{0}:settle', Weir::Hold::now(), $id);
}

$hold->settled(values %end);
is(state_of($end{failed}), 'failed', 'a failure');
is(state_of($end{retried}), 'failed', 'a failure after another try');
is(state_of($end{expired}), 'expired', 'one past its deadline');
is(state_of($end{late}), 'cancelled', 'one that came too late');
is($hold->used($back), 0, 'all was given back');
is($stack->redis('ZCARD', $hold->slots_key($slots)), 0, 'no slot is left');
counted('runs_settled_total', $before + 5);

# six that completed or ended, and the late one was never a job

is($hold->ledger('alice')->{jobs}, 3 + 4, 'jobs of the ledger');


# no word about usage: what was reserved stands

$run = $hold->submit(text => '[[mock usage=none]]',
                     charges => [[$back, 70], [$slots, 1]]);
$hold->settled($run);
is($hold->used($back), 70, 'the reserved stands');
is($stack->redis('ZCARD', $hold->slots_key($slots)), 0, 'but no slot');
counted('holds_not_reported_total', 1);


# never submitted; and so long ago that nobody knows

my $never = Weir::Hold::id();
my $ago = Weir::Hold::now() - 6000;
my $given_back = 1 + 5;

counted('holds_given_back_total', $given_back);

$hold->hold($never, [[$back, 30], [$slots, 1]], by => $ago);
$hold->gone($never);
is($hold->used($back), 70, 'never submitted: given back');
counted('holds_given_back_total', $given_back + 1);
is($stack->redis('EXISTS', "weir:{0}:run:$never"), 0, 'and no ghost of it');

my $lost = Weir::Hold::id();

$hold->hold($lost, [[$back, 30], [$slots, 1]], by => $ago, due => $ago + 5001);
$hold->gone($lost);
is($hold->used($back), 100, 'submitted once, and gone: the reserved stands');
is($stack->redis('ZCARD', $hold->slots_key($slots)), 0, 'but no slot');


# one that still runs is looked at again after its deadline

my $deadline = Weir::Hold::now() + 600_000;

$run = $hold->submit(unqueued => 1, deadline => $deadline,
                     charges => [[$back, 5]]);
$stack->redis('ZADD', 'weir:{0}:settle', 1, $run);
$stack->wait_for(5, sub {
    $stack->redis('ZSCORE', 'weir:{0}:settle', $run) == $deadline + 60_000;
}, 'put off');
is($hold->used($back), 105, 'still reserved');
is($stack->redis('HGET', "weir:{0}:run:$run", 'settled'), undef, 'not settled');

$hold->queue($run);
$hold->settled($run);
is($hold->used($back), 103, 'until it has run');


# what is not ours is put aside, and others go on

$stack->redis('SET', "weir:{0}:hold:$never", 'rubbish');
$stack->redis('ZADD', 'weir:{0}:settle', 1, $never);
$stack->redis('ZADD', 'weir:{0}:settle', 1, 't:none');
$run = $hold->submit(charges => [[$back, 3]]);
$hold->settled($run);
$stack->wait_log('worker', qr/event=settle_invalid run=$never/, 5);
$stack->wait_log('worker', qr/event=settle_invalid member=t:none/, 5);
$stack->wait_for(5, sub {
    $stack->redis('ZSCORE', 'weir:{0}:settle', $never)
    > Weir::Hold::now() + 1_000_000;
}, 'rubbish is put off');
$stack->redis('DEL', "weir:{0}:hold:$never");
$stack->redis('ZADD', 'weir:{0}:settle', 1, $never);
$hold->gone($never);


# jobs without a reservation are in the ledger too, many of an owner at once

my $crowd = Weir::Hold->new(stack => $stack, owner => 'carol');
my @crowd = map { $crowd->submit(text => 'Hi') } 1 .. 200;

$crowd->settled(@crowd);
is_deeply($crowd->ledger('carol'), { jobs => 200, input => 200, output => 400,
          cost => 0 }, '200 jobs');
is_deeply($hold->left, [], 'nothing is left to be settled');
is_deeply([map { $_ > 34_000_000 } map { $stack->redis('TTL', $_) }
           @{ $stack->redis('KEYS', 'weir:{0}:usage:*') }], [1],
          'one day, which has an end');

$stack->end;
done_testing;
