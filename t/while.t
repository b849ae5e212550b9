# Runs that are read: a hint that was lost is made good at the next renewal, and
# one that lives only while somebody reads it ends with its last reader, however
# that went away.  The edge is played by the test.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;
use Weir::Streams ();

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => 'lease = 3s');                    # renewed every second

$stack->start;

my @mailbox = map { $_ x 16 } qw(A B);


sub control {
    $stack->redis('XADD', 'weir:{0}:control', '*', @_);
}


sub pause {
    $stack->redis('SET', 'weir:{0}:paused', 1);
    control(op => 'queue');
    $stack->wait_for(10, sub {
        $stack->metric('queue_paused') == 1;
    }, 'a pause');
}


sub resume {
    $stack->redis('DEL', 'weir:{0}:paused');
    control(op => 'queue');
    $stack->wait_for(10, sub {
        $stack->metric('queue_paused') == 0;
    }, 'no pause');
}


# a job, and the id of its run; it is not claimed before resume()

sub submit { Weir::Streams::submit($stack, @_) =~ s/^job_//r }


sub reads {
    my ($run, $who, $seconds) = @_;

    $stack->redis('ZADD', "weir:{0}:readers:$run",
                  int((time + ($seconds // 60)) * 1000), $mailbox[$who]);
}


sub leaves {
    my ($run, $who) = @_;

    $stack->redis('ZREM', "weir:{0}:readers:$run", $mailbox[$who]);
    control(op => 'left', run => $run);
}


sub fin {
    return $stack->redis('HGET', "weir:{0}:run:$_[0]", 'fin') // '';
}


sub ends {
    my ($run, $seconds) = @_;

    $stack->wait_for($seconds, sub { fin($run) ne '' }, 'the end');

    return fin($run);
}


sub events {
    my ($run) = @_;

    return @{ $stack->redis('XRANGE', "weir:{0}:events:$run", '-', '+') };
}


# a run that lives while it is read, by the first mailbox

sub while_read {
    my ($plan) = @_;

    pause();
    my $run = submit($plan);
    $stack->redis('HSET', "weir:{0}:run:$run", while => 1);
    reads($run, 0);

    return $run;
}


sub flows {
    my ($run) = @_;

    resume();
    $stack->wait_for(10, sub { events($run) > 3 }, 'some events');
}


sub aborted { $stack->mock_calls($_[0])->{aborted} == 1 }


sub cut {
    my ($tag) = @_;

    $stack->wait_for(5, sub { aborted($tag) }, "$tag: the call is cut");
    ok(aborted($tag), "$tag: the call is cut");
}


# nobody says that somebody reads

my $run = submit('tag=lost tokens=200 every=20');
$stack->wait_for(10, sub { $stack->calls('lost') == 1 }, 'the call');
reads($run, 0);
$stack->wait_for(3, sub { events($run) > 0 }, 'events without a hint');
is(ends($run, 10), 'completed:1000001', 'a lost hint: completed');
is((events($run))[0][0], '1000001-0', 'and told from the start');


# the last reader leaves

$run = while_read('tag=last tokens=1000 every=20');
reads($run, 1);
flows($run);
leaves($run, 1);
control(op => 'left', run => $run);
my $n = events($run);
$stack->wait_for(10, sub { events($run) > $n + 20 }, 'more events');
is(fin($run), '', 'one of two has left: it goes on');
my $at = time;
leaves($run, 0);
is(ends($run, 5), 'cancelled:left', 'the last one: cancelled');
cmp_ok(time - $at, '<', 1, 'within a second');
cut('last');
is($stack->metric('runs_left_total'), 1, 'counted');
$stack->wait_for(5, sub {
    ($stack->redis('TTL', "weir:{0}:events:$run") // 601) <= 60;
}, 'the events go soon');


# somebody waits for it otherwise

$run = while_read('tag=asked tokens=100 every=10');
$stack->redis('ZADD', "weir:{0}:askers:$run", int((time + 60) * 1000),
              $mailbox[1]);
flows($run);
leaves($run, 0);
is(ends($run, 10), 'completed:1000001', 'asked for as well: completed');


# before it has begun

$run = while_read('tag=queued tokens=10');
$at = time;
leaves($run, 0);
is(ends($run, 5), 'cancelled:left', 'in the queue: cancelled');
cmp_ok(time - $at, '<', 1, 'within a second');
resume();
is(ends(submit('tag=next tokens=1'), 10), 'completed:1000001', 'the next one');
is($stack->calls('queued'), 0, 'and that one never ran');


# the leave is lost, while it flows; and while nothing comes

$run = while_read('tag=flowing tokens=1000 every=20');
flows($run);
$stack->redis('ZREM', "weir:{0}:readers:$run", $mailbox[0]);
is(ends($run, 3), 'cancelled:left', 'a lost leave: cancelled by the feed');
cut('flowing');

$run = while_read('tag=silent delay=30000');
reads($run, 0, 3);
resume();
$stack->wait_for(10, sub { $stack->calls('silent') == 1 }, 'the call');
is(fin($run), '', 'it is read');
is(ends($run, 10), 'cancelled:left', 'a dead edge: cancelled by the renewal');
cut('silent');


# nobody has ever read it, when it is claimed

$run = while_read('tag=never delay=30000');
$stack->redis('DEL', "weir:{0}:readers:$run");
resume();
is(ends($run, 3), 'cancelled:left', 'nobody at the claim: cancelled');


# whose leaving ends nothing

$run = submit('tag=job tokens=50 every=10');
reads($run, 0);
control(op => 'stream', run => $run);
$stack->wait_for(10, sub { events($run) > 3 }, 'some events');
leaves($run, 0);
is(ends($run, 10), 'completed:1000001', 'a job: completed');

pause();
$run = submit('tag=kept tokens=50 every=10');       # its answer is kept
$stack->redis('HSET', "weir:{0}:run:$run", ask => 'f' x 64);
reads($run, 0);
flows($run);
leaves($run, 0);
is(ends($run, 10), 'completed:1000001', 'one that only keeps: completed');
cmp_ok($stack->redis('TTL', "weir:{0}:events:$run"), '>', 60,
       'its events stay a little');

$stack->end;

done_testing();
