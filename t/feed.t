# What a run says while it goes on: who reads it finds its deltas in Redis and
# in his mailbox, in order, and put together they are the outcome.  The edge is
# played by the test.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;
use Weir::Streams ();

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => "attempts = 2\n    backoff = 200ms");

$stack->start;

my $mailbox = 'M' x 16;
my $json = JSON::PP->new;


# a job, and the id of its run

sub submit { Weir::Streams::submit($stack, @_) =~ s/^job_//r }


sub wish {
    my ($run) = @_;

    $stack->redis('ZADD', "weir:{0}:readers:$run", (time + 60) * 1000,
                  $mailbox);
}


sub tell_wish {
    my ($run) = @_;

    wish($run);
    $stack->redis('XADD', 'weir:{0}:control', '*', op => 'stream',
                  run => $run);
}


# [id, field, value] of all entries

sub events {
    my ($run) = @_;

    my $all = $stack->redis('XRANGE', "weir:{0}:events:$run", '-', '+');

    return map { [$_->[0], @{ $_->[1] }] } @$all;
}


sub finished {
    my ($run) = @_;

    $stack->wait_for(20, sub {
        ($stack->redis('HGET', "weir:{0}:run:$run", 'fin') // '') ne '';
    }, 'the end');

    return $stack->redis('HGET', "weir:{0}:run:$run", 'fin');
}


sub ended {
    my ($run) = @_;

    finished($run);
    $stack->wait_for(10, sub {
        my @e = events($run);
        @e && $e[-1][1] eq 'end';
    }, 'the end of the events');

    return events($run);
}


# the process that has the only run in hand

sub holder {
    my $pending = $stack->redis('XPENDING', 'weir:{0}:ready:normal', 'weir',
                                '-', '+', 1);

    $stack->log('worker') =~ /pid=(\d+) consumer=\Q$pending->[0][1]\E\b/
        or die 'nobody holds it';

    return $1;
}


# deltas put together: text, stop, usage

sub together {
    my (@entries) = @_;

    my %got = (text => '');

    for (map { @{ $json->decode($_->[2]) } } grep { $_->[1] eq 'd' } @entries) {
        $got{text} .= $_->{s} if ($_->{t} // '') eq 'text';
        $got{stop} = $_->{stop} if exists $_->{stop};
        $got{usage} = $_->{usage} if $_->{usage};
    }

    return \%got;
}


sub is_outcome {
    my ($run, $token, $name, @entries) = @_;

    my $outcome = $json->decode($stack->redis('GET',
                                    "weir:{0}:outcome:$run:$token"));
    my $got = together(@entries);

    is($got->{text}, $outcome->{choices}[0]{parts}[0]{text}, "$name: the text");
    is($got->{stop}, $outcome->{choices}[0]{stop}, "$name: why it ended");
    is($got->{usage}{output}, $outcome->{usage}{output_tokens},
       "$name: what it took");
}


sub numbered {
    my ($token, $name, @entries) = @_;

    my $last = pop @entries;

    is(join(' ', map { $_->[0] } @entries),
       join(' ', map { "$token-$_" } 0 .. $#entries), "$name: numbered");
    is($last->[0], '18446744073709551615-1', "$name: and the end");
    is($last->[2], "$token-$#entries", "$name: which says that it is all");
}


# nobody reads: there are none

my $run = submit('tokens=20 every=1');
is(finished($run), 'completed:1000001', 'unread: done');
is(scalar(events($run)), 0, 'and no events');


# read before it is claimed

$stack->redis('SET', 'weir:{0}:paused', 1);
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'queue');
$stack->wait_log('worker', qr/claims_paused/, 10);

$run = submit('tokens=50 every=1');
wish($run);
$stack->redis('DEL', 'weir:{0}:paused');
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'queue');

my @e = ended($run);
is("@{$e[0]}", '1000001-0 start 1', 'from the start: an attempt');
numbered('1000001', 'from the start', @e);
is_outcome($run, '1000001', 'from the start', @e);
cmp_ok(scalar(@e), '>', 10, 'in pieces, as they came');
cmp_ok($stack->redis('TTL', "weir:{0}:events:$run"), '<=', 600,
       'they do not stay long');


# read when half is said: what was said comes first, in one piece

$run = submit('tag=half tokens=100 every=20');
$stack->wait_for(10, sub { $stack->calls('half') == 1 }, 'the call');
select undef, undef, undef, 0.5;
tell_wish($run);
@e = ended($run);
numbered('1000001', 'in the middle', @e);
is_outcome($run, '1000001', 'in the middle', @e);


# an attempt that breaks off is over, and the next one fences it

$run = submit('tag=cut times=1 cut=body tokens=100 every=5');
tell_wish($run);
@e = ended($run);
my ($over) = grep { $e[$_][1] eq 'over' } 0 .. $#e;
ok($over, 'broken off: told');
is($e[$over + 1][0], '2000001-0', 'the next attempt');
is($e[$over + 1][1], 'start', 'has begun');
numbered('2000001', 'the second try', @e[$over + 1 .. $#e]);
is_outcome($run, '2000001', 'the second try', @e[$over + 1 .. $#e]);


# in a cell nothing is said until the end: its beginning fences what was said
# before, and the end sends readers to the outcome

$run = submit('tag=cell tokens=100 every=20');
tell_wish($run);
$stack->wait_for(10, sub { events($run) > 5 }, 'some events');
kill KILL => holder();
@e = ended($run);
my ($second) = grep { $e[$_][0] eq '1000002-0' } 0 .. $#e;
cmp_ok($second, '>', 5, 'in a cell: behind what was said before');
is($e[$second][2], 2, 'the second attempt');
is($second + 1, $#e, 'says nothing');
is("@{$e[-1]}", '18446744073709551615-1 end ', 'and is not complete');
is(finished($run), 'completed:1000002', 'but done');
ok($stack->metric('runs_isolated_total') > 0, 'in a cell');


# cancelled: nothing more is said

$run = submit('tag=cancel tokens=1000 every=20');
$stack->wait_for(10, sub { $stack->calls('cancel') == 1 }, 'the call');
tell_wish($run);
$stack->wait_for(10, sub { events($run) > 3 }, 'some events');
$stack->request("/v1/jobs/job_$run", method => 'DELETE')->wait(10);
like(finished($run), qr/^cancelled:owner/, 'cancelled');
$stack->wait_for(10, sub {
    $stack->mock('/mock/calls?tag=cancel')->body =~ /"aborted":1/;
}, 'the call is cut');

$stack->end;

done_testing();
