# What a run says while Redis cannot be told: what was under way is told as it
# was when Redis is back, however much was said since; the rest comes with the
# outcome.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
                             worker_conf => '');
my $d = $stack->dir;
my $json = JSON::PP->new;

$stack->start(qw(redis mock));
my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");

$stack->{metrics_port} = Weir::Stack::free_port();
$stack->{worker_conf} = <<END;
redis {
    address = "unix:$d/proxy.sock"
    timeout = 1s
}
worker {
    runners = 1
    run_dir = "$d"
}
provider "mock" {
    base_url = "http://127.0.0.1:$stack->{mock_port}/v1"
}
model "*" {
    provider = "mock"
}
metrics {
    listen = "127.0.0.1:$stack->{metrics_port}"
}
END

$stack->start(qw(worker nginx));


# four hundred bytes each millisecond: after some entries one does not get to
# Redis, nor does the next connection, until all has been said

my $plan = 'tag=lost size=1600000 batch=500 every=5';
my $c = $stack->ask('/v1/jobs', body => encode_json({ request => {
    model => 'mock-1',
    messages => [{ role => 'user', content => "[[mock $plan]] Hi" }] } }));
my $run = decode_json($c->body)->{id} =~ s/^job_//r;
my $events = "weir:{0}:events:$run";

$proxy->rules({ on => 'EXEC', with => $events, skip => 5, times => 1,
                mute => 1 },
              { on => 'CLIENT', mute => 1, times => 1000 });
$stack->redis('ZADD', "weir:{0}:readers:$run", (time + 60) * 1000, 'M' x 16);
$stack->redis('XADD', 'weir:{0}:control', '*', op => 'stream', run => $run);

$stack->wait_log('worker', qr/redis_down connection=feed/, 10);
$stack->wait_for(30, sub {
    ($stack->redis('HGET', "weir:{0}:run:$run", 'fin') // '') ne '';
}, 'the end');
is($stack->redis('HGET', "weir:{0}:run:$run", 'fin'), 'completed:1000001',
   'it is done');
is($stack->redis('XLEN', $events), 5, 'five entries were added');
$proxy->rules;

my @e;

$stack->wait_for(20, sub {
    @e = map { [$_->[0], @{ $_->[1] }] }
         @{ $stack->redis('XRANGE', $events, '-', '+') };
    $e[-1][1] eq 'end';
}, 'the end of the events');

my $end = pop @e;
is(scalar(@e), 6, 'and the one that was under way');
is($end->[2], '', 'which is not all');

my $text = '';
for my $e (@e[1 .. $#e]) {
    my $deltas = eval { $json->decode($e->[2]) };
    is(ref $deltas, 'ARRAY', "$e->[0]: deltas") or next;
    $text .= join '', map { $_->{s} // '' } @$deltas;
}

cmp_ok(length $text, '>', 0, 'there is text');
my $outcome = $json->decode($stack->redis('GET',
                                "weir:{0}:outcome:$run:1000001"));
is(substr($outcome->{choices}[0]{parts}[0]{text}, 0, length $text), $text,
   'of the outcome');

$stack->end;

done_testing();
