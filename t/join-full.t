# Jobs that share a run have records of their own: there are no more of them than
# may be unfinished.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Askers;
use Weir::Stack;

my $stack = cached_stack(location => 'weir_queue_limit total=3;');
$stack->start(qw(redis mock nginx));


sub ask_job {
    my $c = job($stack, $_[0]);

    ask_all(5, $c);
    return $c;
}


sub full { return $stack->redis('ZCARD', 'weir:{0}:asked') }

my @jobs = map { ask_job('[[mock tag=same]] Hi') } 1 .. 5;
is(join(' ', map { $_->status } @jobs), '202 202 202 503 503',
   'as many as may be');
is(full(), 3, 'and no more are there');
is($jobs[4]->header('Retry-After'), 1, 'Retry-After');

my @held = (chat($stack, '[[mock tag=same]] Hi'),
            chat($stack, '[[mock tag=led]] Hi'));
parked(2, $stack);

$stack->start('worker');
ask_all(10, @held);
is($held[0]->status, 200, 'a held request that follows needs no room');
is($held[1]->status, 200, 'nor does one that leads, among jobs that ask');
$stack->wait_for(10, sub { !full() }, 'all are told');
is(ask_job('[[mock tag=other]] Hi')->status, 202, 'there is room again');

nothing_left($stack);
$stack->end;

done_testing();
