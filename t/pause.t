# A runner is stopped for longer than its leases, and goes on when another one
# has its runs: it adds nothing, neither results nor retries.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;');
my $prefix = 'weir:{0}';
my $d = $stack->dir;


sub worker {
    my ($name) = @_;

    my $port = Weir::Stack::free_port();

    return ($port, <<END);
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 1
    slots = 100
    lease = 2s
    name = "$name"
    run_dir = "$d"
}
metrics { listen = "127.0.0.1:$port" }
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END
}


$stack->start(qw(redis mock));
my ($port, $conf) = worker('first');
($stack->{metrics_port}, $stack->{worker_conf}) = ($port, $conf);
$stack->start(qw(worker nginx));

sub metric {
    my ($of, $name) = @_;

    local $stack->{metrics_port} = $of;
    return $stack->metric($name);
}


sub submit {
    my ($tag, $count, $plan) = @_;

    my @c = map {
        $stack->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1', messages => [{ role => 'user',
                content => "[[mock tag=$tag-$_ $plan]] $_." }]
        } }))
    } 1 .. $count;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub run { @{ $stack->redis('HMGET', "$prefix:run:$_[0]", @_[1 .. $#_]) } }


# 20 that answer, and 20 that fail and would be tried again, after 4 s, and
# five that take longer

my @good = submit('good', 20, 'delay=4000');
my @bad = submit('bad', 20, 'delay=4000 status=503 times=1');
my @slow = submit('slow', 5, 'delay=8000');
my $start = time;
$stack->wait_for(10, sub { $stack->mock_calls->{open} == 45 }, '45 calls');

# the second one is there, and the first one stands still

($port, $conf) = worker('second');
my $second = $port;
Weir::Stack::write_file("$d/second.conf", $conf);
$stack->spawn('second', "$stack->{build}/weir-worker", '-c', "$d/second.conf");
$stack->wait_for(5, sub { $stack->redis('EXISTS', "$prefix:live:second-0") },
                 'the second one lives');
$stack->wait_for(5, sub { time - $start > 1 }, 'a second');

my ($runner) = $stack->children('worker');
kill 'STOP', $runner;

$stack->wait_for(10, sub { $stack->mock_calls->{total} == 90 },
                 'the second one has all of them');

# its answers lie in its sockets now

$stack->wait_for(10, sub { time - $start > 4.5 }, 'the first answers');
is(scalar(grep { defined((run($_, 'fin'))[0]) } @good, @bad), 0,
   'nothing is decided yet');
my @gen = map { (run($_, 'gen'))[0] } @bad;

kill 'CONT', $runner;
$stack->wait_for(5, sub { metric($stack->{metrics_port}, 'runs_in_hand') == 0 },
                 'the first one gives all up');

cmp_ok(metric($stack->{metrics_port}, 'runs_cut_total{reason="taken"}'), '>=',
       5, 'calls of runs that are another\'s are cut');
$stack->wait_for(1, sub { $stack->mock_calls->{aborted} == 5 }, 'closed');

is_deeply([map { run($_, 'gen', 'fin') } @good, @bad],
          [map { ('1', undef) } @good, @bad], 'it has added nothing');

my $dropped = metric($stack->{metrics_port}, 'runs_fenced_total')
              + metric($stack->{metrics_port},
                       'runs_cut_total{reason="taken"}');
cmp_ok($dropped, '>=', 20, 'results are dropped, and counted');
is_deeply($stack->redis('ZRANGE', "$prefix:delayed", 0, -1), [],
          'no try was planned');

$stack->wait_for(15, sub {
    !grep { !defined((run($_, 'fin'))[0]) } @good, @bad, @slow;
}, 'all are finished');

is(scalar(grep { (run($_, 'fin'))[0] eq 'completed:1000002' }
          @good, @bad, @slow), 45,
   'by the second one, with its own result');

my @outcomes = map { @{ $stack->redis('KEYS', "$prefix:outcome:$_:*") } }
               @good, @bad, @slow;
is(scalar(@outcomes), 45, 'there is one outcome for each');
is(metric($second, 'runs_finished_total{state="completed"}'), 45, 'counted');
is(metric($stack->{metrics_port}, 'runs_finished_total{state="completed"}'), 0,
   'by the first one: none');

my $counts = $stack->mock_calls->{tags};
is(scalar(grep { $_ != 2 } values %$counts), 0, 'each was asked for twice');


# Redis stands still for longer than a lease: nobody has taken the runs, and
# their results are written all the same

$stack->stop('second');
my @runs = submit('redis', 20, 'delay=1500');
$stack->wait_for(10, sub { $stack->mock_calls->{open} == 20 }, '20 calls');
$start = time;
$stack->signal('redis', 'STOP');
$stack->wait_for(10, sub { time - $start > 3.5 }, 'longer than a lease');
$stack->signal('redis', 'CONT');
$stack->wait_for(10, sub {
    !grep { !defined((run($_, 'fin'))[0]) } @runs;
}, 'all are finished');
is(scalar(grep { (run($_, 'fin'))[0] eq 'completed:1000001' } @runs), 20,
   'a stall of Redis costs no result');
is(scalar(grep { $stack->calls("redis-$_") != 1 } 1 .. 20), 0,
   'and no second call');

$stack->end;

done_testing();
