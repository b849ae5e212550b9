# The end of a run reaches all who ask for it, whoever dies on the way, and
# each of them once; and a run is cancelled only if nobody is left.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Asked;
use Weir::Receiver;
use Weir::Stack;

my ($stack, $asked);


# in_new(OPTIONS): from here on in a stack of its own

sub in_new {
    $stack = Weir::Stack->new(worker => 'lease = 2s', faults => '',
                              worker_more => <<END, @_);
webhook {
    allow = "127.0.0.1"
}
END
    $stack->start(qw(redis mock worker));
    $asked = Weir::Asked->new(stack => $stack);
}


sub deaths { return scalar(() = $stack->log('worker') =~ /event=runner_died/g) }


# stopped(): waits for a runner that stopped at a point

sub stopped {
    return $stack->wait_for(10, sub {
        my ($pid) = grep {
            Weir::Stack::slurp("/proc/$_/stat") =~ /\) T /
        } $stack->children('worker');
        return $pid;
    }, 'a runner that stopped');
}


# all(NAME, RUN, JOB...): they have the end of their run, and nothing is left

sub all {
    my ($name, $x, @f) = @_;

    $asked->ended(@f);
    $asked->told($x);

    my $fin = $asked->fin($x);
    is(scalar(grep { $asked->fin($_) ne $fin } @f), 0, "$name: all, and alike");
}


# runners die after the run was read, among the jobs, before the page is off,
# when the run has left the outbox, and when the run's finish was answered

in_new(faults => join ',', 'askers_read:kill:3', 'asker_sent:kill:8',
                           'askers_told:kill:11', 'left_closed:kill:14',
                           'finish_answered:kill:16');

my @runs = map { $asked->run(unqueued => 1) } 1 .. 20;
my %jobs = map { my $x = $_; $x => [map { $asked->job($x) } 1 .. 3] } @runs;

$asked->queue($_) for @runs;
all("killed, $_", $_, @{ $jobs{$_} }) for @runs;

# one dies at the end of the turn, and within it another point may come first

like(deaths(), qr/^[45]$/, 'five deaths, or two in one');
is_deeply($asked->left, [], 'nothing is left');
ok(!(grep { !$asked->answer($_) } @runs), 'each run has an answer');
$stack->end;


# one winner dies before it has told anybody, another is stopped: what they left
# is found in the outbox

for my $point (qw(finish_answered:kill:1 askers_read:stop:1)) {
    in_new(faults => $point);

    my $receiver = Weir::Receiver->new(dir => $stack->dir);
    my $x = $asked->run(unqueued => 1);
    my @f = map { $asked->job($x, url => $receiver->url("ok/n$_")) } 1 .. 40;

    $asked->queue($x);

    my $pid = $point =~ /stop/ ? stopped() : 0;

    all($point, $x, @f);
    kill 'CONT', $pid if $pid;

    $stack->wait_for(10, sub { (() = $receiver->got) >= @f }, 'webhooks');
    $asked->told($x);
    is($stack->stop('worker'), 0, "$point: left");
    is(scalar(() = $receiver->got), scalar @f, "$point: a webhook each");
    is_deeply($asked->left, [], "$point: nothing is left");
    $stack->end;
}


# many: who hands on dies in the middle of them

in_new(faults => 'asker_sent:kill:250');

my $x = $asked->run(text => '[[mock tag=many]] Hi', unqueued => 1);
my @f = map { $asked->job($x) } 1 .. 500;

$asked->queue($x);
all('500', $x, @f);

is(deaths(), 1, '500: one death');
is($stack->calls('many'), 1, '500: one call');
is_deeply($asked->left, [], '500: nothing is left');

my $told = $stack->metric('jobs_handed_on_total');
ok($told >= 250 && $told <= 500, "500: each was counted once at most: $told");
$stack->end;


# the last one has left, and another comes while that is decided

$stack = Weir::Stack->new(faults => 'left_watched:stop:1');
$stack->start(qw(redis mock));
$asked = Weir::Asked->new(stack => $stack);

my $d = $stack->dir;

$stack->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 1
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

$stack->start('worker');

$x = $asked->run(text => '[[mock hang tag=back]] Hi', unqueued => 1);
@f = $asked->job($x);
$asked->queue($x);
$stack->wait_for(5, sub { $stack->calls('back') == 1 }, 'the call');
$asked->leave($x, $f[0]);

my $pid = stopped();
push @f, $asked->job($x);
kill 'CONT', $pid;

my $y = $asked->run(unqueued => 1);             # the next one to be looked at
$asked->leave($y, 'nobody');
$asked->ended($y);
is($asked->fin($x), undef, 'one came back: the run goes on');

$asked->leave($x, $f[1]);
$asked->ended($x);
is($asked->fin($x), 'cancelled:left', 'and ends with the last');
$stack->redis('DEL', 'weir:{0}:asked', 'weir:{0}:open:alice');
$asked->told($x, $y);
$stack->end;


# who cancels it dies in between: before, or when it was done

in_new(faults => 'left_watched:kill:1,left_executed:kill:1');

for my $n (1 .. 2) {
    $x = $asked->run(text => "[[mock hang tag=dies$n]] Hi", unqueued => 1);
    @f = $asked->job($x);
    $asked->queue($x);
    $stack->wait_for(5, sub { $stack->calls("dies$n") }, 'the call');
    $asked->leave($x, $f[0]);
    $asked->ended($x);
    is($asked->fin($x), 'cancelled:left', 'the run is cancelled');
    $asked->told($x);
}

$stack->redis('DEL', 'weir:{0}:asked', 'weir:{0}:open:alice');
$stack->wait_for(10, sub { $stack->metric('runs_in_hand') == 0 }, 'free slots');
$stack->end;

done_testing();
