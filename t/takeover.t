# A host dies with its hands full: another one, of another name, has all its
# runs within ten seconds, long before their lease is over.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;');

my $prefix = 'weir:{0}';


sub worker {
    my ($name, $slots) = @_;

    my $d = $stack->dir;
    my $port = Weir::Stack::free_port();

    return ($port, <<END);
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 2
    slots = $slots
    lease = 300s
    name = "$name"
    run_dir = "$d"
}
metrics { listen = "127.0.0.1:$port" }
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END
}


$stack->start(qw(redis mock));
my $d = $stack->dir;

($stack->{metrics_port}, $stack->{worker_conf}) = worker('first', 200);
$stack->start(qw(worker nginx));


sub submit {
    my ($count, $plan) = @_;

    my @c = map {
        $stack->request('/v1/jobs', body => encode_json({ request => {
            model => 'mock-1', messages => [
                { role => 'user', content => "[[mock tag=j$_ $plan]] $_." }]
        } }))
    } 1 .. $count;
    Weir::Client::wait_all(20, @c) or die 'submissions';

    return map { decode_json($_->body)->{id} =~ s/^job_//r } @c;
}


sub final { scalar grep { defined $stack->redis('HGET', "$prefix:run:$_",
                                                'fin') } @_ }

sub pending {
    my ($name) = @_;

    my %of;
    for my $class (qw(high normal low)) {
        my $row = $stack->redis('XPENDING', "$prefix:ready:$class", 'weir');
        $of{ $_->[0] } += $_->[1] for @{ $row->[3] // [] };
    }

    my $n = 0;
    $n += $of{$_} for grep { /^\Q$name\E-/ } CORE::keys %of;
    return $n;
}


# 200 in flight at the first, while the second one is idle

my @runs = submit(200, 'delay=20000');
$stack->wait_for(10, sub { $stack->mock_calls->{open} == 200 }, '200 calls');

my ($port, $conf) = worker('second', 150);
Weir::Stack::write_file("$d/second.conf", $conf);
$stack->spawn('second', "$stack->{build}/weir-worker", '-c', "$d/second.conf");
$stack->wait_for(5, sub { $stack->redis('EXISTS', "$prefix:live:second-1") },
                 'the second one lives');

# those who live keep what they have, for longer than a sign of life lasts

my $start = time;
$stack->wait_for(12, sub { time - $start > 7 }, 'seven seconds');
is(pending('first'), 200, 'nothing is taken from those who live');

$stack->mock('/mock/calls', method => 'DELETE');
$start = time;
$stack->signal('worker', 'KILL');

$stack->wait_for(12, sub { pending('second') == 200 }, 'all are taken over');
my $took = time - $start;
diag(sprintf '200 runs of a dead host: %.1f s', $took);
cmp_ok($took, '<', 10, 'within ten seconds');
$stack->wait_for(5, sub { $stack->mock_calls->{total} == 200 },
                 'all are asked');
is(scalar(grep { $_ != 1 } values %{ $stack->mock_calls->{tags} }), 0,
   'each by one runner');
like($stack->log('second'), qr/event=consumer_dead consumer=first-\d/,
     'the log names the dead');
like($stack->log('second'), qr/event=entries_recovered from=first-\d/,
     'and what was taken');

$stack->{metrics_port} = $port;
is($stack->metric('entries_recovered_total{from="dead"}'), 200, 'counted');
is($stack->metric('queue_consumers'), 4, 'four consumers are remembered');
is(scalar(@{ $stack->redis('XINFO', 'CONSUMERS', "$prefix:ready:normal",
                           'weir') }), 4, 'none of them was deleted');


# Redis stands still for longer than signs of life last: nobody is dead

$stack->start('worker');
$stack->wait_for(5, sub { $stack->redis('EXISTS', "$prefix:live:first-0") },
                 'the first one is back');
my $dead = () = $stack->log('second') =~ /consumer_dead/g;
$stack->signal('redis', 'STOP');
$start = time;
$stack->wait_for(9, sub { time - $start > 7 }, 'seven seconds');
$stack->signal('redis', 'CONT');
$start = time;
$stack->wait_for(9, sub { time - $start > 5 }, 'and five more');

my $now = () = ($stack->log('second') . $stack->log('worker'))
               =~ /consumer_dead/g;
is($now, $dead, 'a stall of Redis kills nobody');
is(pending('second'), 200 - final(@runs), 'nothing has moved');

$stack->signal('second', 'KILL');
$stack->wait_for(12, sub { pending('second') == 0 }, 'back to the first one');
$stack->signal('worker', 'KILL');


# 10,000 entries of one that died, and a worker that has room for them

$stack->redis('FLUSHALL');
$stack->redis('XGROUP', 'CREATE', "$prefix:ready:$_", 'weir', 0, 'MKSTREAM')
    for qw(high normal low);

my @commands = map {
    my $run = sprintf '00%022d', $_;
    (['HSET', "$prefix:run:$run", gen => 1, job => $run, class => 'normal',
      model => 'mock-1', created => 1, deadline => 9999999999999, ttl => 600,
      records => 600],
     ['SET', "$prefix:request:$run", encode_json({ v => 1, kind => 'chat',
      model => 'mock-1', messages => [{ role => 'user', parts => [
          { type => 'text', text => '[[mock delay=20000]]' }] }] })],
     ['XADD', "$prefix:ready:normal", '*', 'run', $run, 'gen', 1]);
} 1 .. 10000;

my $redis = IO::Socket::UNIX->new(Peer => "$d/redis.sock") or die "redis: $!";

while (my @some = splice @commands, 0, 300) {
    print $redis map { my @c = @$_; '*' . @c . "\r\n",
                       map { '$' . length($_) . "\r\n$_\r\n" } @c } @some;
    $redis->flush;
    Weir::Stack::redis_reply($redis) for @some;
}

$stack->redis('XREADGROUP', 'GROUP', 'weir', 'gone-0', 'COUNT', 10000,
              'STREAMS', "$prefix:ready:normal", '>');
$start = time;

($port, $conf) = worker('third', 5000);
Weir::Stack::write_file("$d/second.conf", $conf);
$stack->spawn('third', "$stack->{build}/weir-worker", '-c', "$d/second.conf");
$stack->wait_for(20, sub { pending('third') == 10000 }, '10,000 runs');
$took = time - $start;
diag(sprintf '10,000 runs of a dead host: %.1f s', $took);
cmp_ok($took, '<', 10, '10,000 runs within ten seconds');
$stack->signal('third', 'KILL');

$stack->end;

done_testing();
