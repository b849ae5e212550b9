# A settlement counts once: whoever dies in the middle of it, whatever gets
# lost, and whoever else writes to the same limit.  Checks RL-36, RL-37.

use strict;
use warnings;

use lib 't/lib';
use POSIX ();
use Test::More;
use Weir::Hold;
use Weir::RedisProxy;
use Weir::Stack;

my ($stack, $hold, $limit, $slots, %want);


# in_new(OPTIONS): from here on in a stack of its own

sub in_new {
    my (%o) = @_;

    $stack = Weir::Stack->new(worker => 'lease = 2s', %o);
    $stack->start(qw(redis mock));
    $hold = Weir::Hold->new(stack => $stack);
    $limit = $hold->limit('tokens', 'tokens', 1_000_000);
    $slots = $hold->limit('slots', 'jobs-at-once', 1000);
    %want = (jobs => 0, input => 0, output => 0, cost => 0);
}


# submit(N, PLAN): each reserves 50, and uses 8 for the question, 2 for "Hi"

sub submit {
    my ($n, $plan) = @_;

    my $text = sprintf '%-30sHi', defined $plan ? "[[mock $plan]]" : '';

    $want{jobs} += $n;
    $want{input} += 8 * $n;

    return map { $hold->submit(text => $text,
                               charges => [[$limit, 50], [$slots, 1]]) }
               1 .. $n;
}


# exact(NAME): nothing was charged twice, and nothing is left

sub exact {
    my ($name, $more) = @_;

    my $ledger = $hold->ledger('alice');

    $want{output} = $ledger->{output};
    is_deeply($ledger, \%want, "$name: the ledger");
    is($hold->used($limit), $ledger->{input} + $ledger->{output}
                            + ($more // 0), "$name: the limit");
    is_deeply($hold->left, [], "$name: nothing is left");
}


# stopped(): waits for a runner that stopped at a point

sub stopped {
    return $stack->wait_for(5, sub {
        my ($pid) = grep {
            Weir::Stack::slurp("/proc/$_/stat") =~ /\) T /
        } $stack->children('worker');
        return $pid;
    }, 'a runner that stopped');
}


sub open_calls { $stack->mock_calls->{open} }


# runners die before the settlement is sent, when it was, and when it was
# answered

in_new(faults => join ',', 'settle_watched:kill:2', 'settle_sent:kill:5',
                           'settle_executed:kill:9');
$stack->start('worker');

for (1 .. 30) {
    my @runs = submit(3);
    $hold->settled(@runs);
}

is(() = $stack->log('worker') =~ /event=runner_died/g, 3, 'three deaths');
exact('killed');
$stack->end;


# the worker dies while a run is at the provider; another one does it again

in_new();
$stack->start('worker');

my @runs = submit(5, 'delay=400');

$stack->wait_for(5, sub { open_calls() == 5 }, 'five calls');
$stack->signal('worker', 'KILL');
is($hold->used($limit), 250, 'still reserved');
is($stack->redis('ZCARD', $hold->slots_key($slots)), 5, 'with five slots');

$stack->start('worker');
$hold->settled(@runs);
exact('worker killed');

@runs = submit(5, 'delay=400');
$stack->wait_for(5, sub { open_calls() == 5 }, 'five calls');
$stack->kill_child('worker');
$hold->settled(@runs);
exact('runner killed');


# a drain settles what it finishes

@runs = submit(20, 'delay=300');
$stack->wait_for(5, sub { open_calls() == 20 }, '20 calls');
is($stack->stop('worker'), 0, 'left');
exact('drained');
$stack->end;


# another settles the run between the reading and the EXEC

in_new(faults => 'settle_watched:stop:1', worker => 'lease = 60s');
$stack->start('worker');

$want{jobs}++;
$want{input}++;
@runs = $hold->submit(text => 'Hi');
my $stopped = stopped();

$hold->settled(@runs);
$stack->wait_for(5, sub { $stack->metric('runs_settled_total') == 1 },
                 'one that was settled');
kill 'CONT', $stopped;
$stack->wait_for(5, sub { $stack->metric('settlements_aborted_total') == 1 },
                 'an abort');
is($stack->stop('worker'), 0, 'left');
is_deeply($hold->ledger('alice'), { %want, output => 2 },
          'settled meanwhile: the ledger');
$stack->end;


# another writes to the limit then

in_new(faults => 'settle_watched:stop:1', worker => 'lease = 60s');
$stack->start('worker');

@runs = submit(1);
$stopped = stopped();
$hold->charge($limit, 7);
kill 'CONT', $stopped;
$hold->settled(@runs);
$stack->wait_for(5, sub { $stack->metric('settlements_aborted_total') == 1 },
                 'a second try');
exact('meanwhile charged', 7);


# many writers at the limit

my $pid = fork // die "fork: $!";

if ($pid == 0) {
    delete $hold->{socket};
    $hold->charge($limit, 1) for 1 .. 1000;
    POSIX::_exit(0);
}

@runs = map { submit(10) } 1 .. 20;
waitpid $pid, 0;
$hold->settled(@runs);
exact('beside others', 1007);
$stack->end;


# replies get lost, Redis says "not now", and Redis dies

in_new(worker_conf => '');

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
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

$stack->start('worker');
$proxy->rules({ on => 'EXEC', with => 'settled', lose => 1, times => 2 });
$hold->settled(submit(3)) for 1 .. 3;
exact('lost replies');

$proxy->rules({ on => 'EXEC', with => 'settled', times => 2,
                reply => "-LOADING not yet\r\n" },
              { on => 'HGETALL', times => 2, reply => "-LOADING not yet\r\n" },
              { on => 'MGET', times => 1, reply => "-LOADING not yet\r\n" },
              { on => 'EXEC', with => 'settled', times => 1,
                reply => "*-1\r\n" });
$hold->settled(submit(3)) for 1 .. 3;
exact('not now');

@runs = submit(30, 'delay=200');
$stack->signal('redis', 'KILL');
delete $hold->{socket};
$stack->start('redis');
$hold->settled(@runs);
exact('Redis killed');

$stack->end;
done_testing;
