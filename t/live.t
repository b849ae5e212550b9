# A runner one of whose connections falls silent keeps its runs: that it lives
# is told over another one.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', worker_conf => '');

$stack->start(qw(redis mock));
my $d = $stack->dir;


sub worker {
    my ($name, $redis) = @_;

    return <<END;
redis {
    address = "unix:$redis"
    timeout = 9s
}
worker {
    runners = 1
    slots = 10
    lease = 300s
    name = "$name"
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END
}


my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");

$stack->{worker_conf} = worker('first', "$d/proxy.sock");
$stack->start(qw(worker nginx));

my @runs = map {
    decode_json($stack->ask('/v1/jobs', body => encode_json({ request => {
        model => 'mock-1', messages => [
            { role => 'user', content => "[[mock tag=j$_ delay=14000]] $_." }]
    } }))->body)->{id} =~ s/^job_//r
} 1 .. 5;

$stack->wait_for(10, sub {
    $stack->mock_calls->{open} == 5;
}, '5 calls');

Weir::Stack::write_file("$d/second.conf", worker('second', "$d/redis.sock"));
$stack->spawn('second', "$stack->{build}/weir-worker", '-c', "$d/second.conf");
$stack->wait_for(5, sub { $stack->redis('EXISTS', 'weir:{0}:live:second-0') },
                 'the second one lives');

$proxy->rules({ on => 'SET', with => 'weir:{0}:live:first-0', mute => 1,
                times => 1 });

$stack->wait_log('worker', qr/event=redis_down connection=lease .*in time/, 15);
$stack->wait_log('worker', qr/event=redis_up connection=lease/, 5);

unlike($stack->log('second'), qr/event=consumer_dead/, 'nobody calls it dead');
$stack->wait_for(20, sub {
    !grep { !defined $stack->redis('HGET', "weir:{0}:run:$_", 'fin') } @runs;
}, 'the end of all');
is(join(' ', map { $stack->calls("j$_") } 1 .. 5), '1 1 1 1 1',
   'each was asked once');

$stack->stop('second');
$stack->end;

done_testing();
