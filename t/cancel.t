# A job is cancelled while the LLM is at it: the transfer is closed within a
# second, whatever becomes of the message that says so.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', worker => 'lease = 9s',
    provider => 'timeout = 60s');

$stack->start;


sub submit {
    my (@tags) = @_;

    my @c = map {
        $stack->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1', messages => [
                { role => 'user', content => "[[mock tag=$_ hang]] $_." }]
        } }))
    } @tags;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub cancel {
    my @c = map { $stack->request("/v1/jobs/job_$_", method => 'DELETE') } @_;
    Weir::Client::wait_all(10, @c) or die 'no answer to a cancel';

    return scalar grep { $_->status == 200 } @c;
}


sub wait_open {
    my ($n, $seconds) = @_;

    my $start = time;
    $stack->wait_for($seconds // 10, sub { $stack->mock_calls->{open} == $n },
                     "$n open calls");
    return time - $start;
}


sub fin { $stack->redis('HGET', "weir:{0}:run:$_[0]", 'fin') }

sub entries {
    my $n = 0;
    $n += $stack->redis('XLEN', "weir:{0}:ready:$_") for qw(high normal low);
    return $n;
}


# the word comes: half of them are cancelled

my @runs = submit(map { "a$_" } 1 .. 40);
wait_open(40);

is(cancel(@runs[0 .. 19]), 20, 'half of the jobs are cancelled');
cmp_ok(wait_open(20), '<', 1, 'their transfers are closed within a second');
is($stack->mock_calls->{aborted}, 20, 'J3: by the worker');
is(scalar(grep { fin($_) eq 'cancelled:owner' } @runs[0 .. 19]), 20,
   'they are cancelled');
is(scalar(grep { defined fin($_) } @runs[20 .. 39]), 0, 'the others are not');
$stack->wait_for(2, sub { entries() == 20 }, 'their entries are gone');
is($stack->metric('runs_cut_total{reason="ended"}'), 20, 'counted');
$stack->wait_for(2, sub { $stack->metric('runs_in_hand') == 20 },
                 'their slots are free');

my $job = $stack->ask("/v1/jobs/job_$runs[0]");
is(decode_json($job->body)->{status}, 'cancelled', 'the job says so');


# the same word twice, word of a run that nobody has, and no word at all

$stack->redis('XADD', 'weir:{0}:control', '*', 'op', 'cancel', 'run', $_)
    for $runs[0], $runs[20], '00' . 'z' x 22, '', 'x' x 5000;
$stack->redis('XADD', 'weir:{0}:control', '*', 'op', 'dance');
$stack->redis('XADD', 'weir:{0}:control', '*', 'a', 'b');

is(cancel($runs[20]), 1, 'one more');
cmp_ok(wait_open(19), '<', 1, 'words that mean nothing do no harm');


# the connection is gone when the word comes, and so is the word

for my $client (split /\n/, $stack->redis('CLIENT', 'LIST')) {
    my ($id) = $client =~ /^id=(\d+) .* cmd=xread / or next;
    $stack->redis('CLIENT', 'KILL', 'ID', $id);
}

is(cancel(@runs[21 .. 25]), 5, 'cancelled while nobody listens');
$stack->redis('DEL', 'weir:{0}:control');
cmp_ok(wait_open(14), '<', 1.5, 'all that is in hand is looked at afterwards');

is(cancel($runs[26]), 1, 'in a stream that begins anew');
cmp_ok(wait_open(13), '<', 1, 'the word is heard');


# the word is lost without a trace: the next renewal finds out

$stack->redis('HSETNX', "weir:{0}:run:$runs[27]", 'fin', 'cancelled:owner');
cmp_ok(wait_open(12), '<', 4, 'the renewal of the lease sees it');


# what was cancelled before it began is never asked

my @later = do {
    $stack->signal('worker', 'KILL');
    submit(map { "b$_" } 1 .. 5);
};

cancel(@later, @runs[28 .. 39]);
$stack->start('worker');
$stack->wait_for(5, sub { entries() == 0 }, 'all entries are gone');
is($stack->calls("b$_"), 0, "J3: b$_ was never asked") for 1 .. 5;
is($stack->mock_calls->{open}, 0, 'nothing is open');

is_deeply($stack->redis('ZRANGE', 'weir:{0}:deadline', 0, -1), [],
          'no run without an end');

$stack->end;

done_testing();
