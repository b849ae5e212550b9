# Clients that do not read: what waits for them is bounded, others do not notice,
# and they are cut in the end; one that goes on misses nothing.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Mock;
use Weir::Stack;
use Weir::Streams;

use constant ROOM => 3000;              # KB that a process may grow

my ($narrow, $whole) = map { Weir::Stack::free_port() } 1 .. 2;

sub server {
    my ($port, $location) = @_;

    return "server { listen 127.0.0.1:$port sndbuf=16k;
                     location / { weir_api; $location } }";
}

my $stack = Weir::Stack->new(location => 'weir_api; send_timeout 20s;',
    server => 'location = /metrics { weir_metrics; }',
    http => server($narrow, 'send_timeout 3s; weir_heartbeat 300ms;'),
    processes => 1);

$stack->start;

# a worker of this one's own does not stream

my $other = Weir::Stack->new(location => 'weir_api;',
    http => server($whole, 'weir_heartbeat 300ms;'), processes => 1,
    provider => 'stream = off');

$other->start;


sub metric { $stack->edge_metric(@_) }


sub rss { Weir::Stack::rss($stack->children('nginx')) }


sub job { $_[0]->header('X-Weir-Job') =~ s/^job_//r }


# an answer that comes whole is no stream any more: no heartbeat gets into it

my $c = stream($other, 'size=2000000', port => $whole, buffer => 4096);
ok($c->wait(10, qr/tok/), 'whole: it has begun');
sleep 1.5;                              # heartbeats would come
ok($c->wait(20), 'whole: the end');
is(length text($c), 2000000, 'whole: all of it');
is(scalar(() = $c->body =~ /ping/g), 0, 'whole: and nothing else');
ok($c->body =~ /\[DONE\]\n\n$/, 'whole: a clean end');


# one that stops reading, in the middle of a long stream

my $quick = stream($stack, 'tokens=3');
ok($quick->wait(10), 'one before');
my $before = rss();
# as fast as this goes while it runs

my $long = stream($stack, 'size=800000 every=10 batch=200',
                  port => $narrow, buffer => 4096);
ok($long->wait(10, qr/tok/), 'long: it has begun');
my $start = time;

my $follow = $stack->request('/v1/jobs/job_' . job($long) . '/events');
$quick = stream($stack, 'tokens=20 every=50');
ok($quick->wait(10), 'AP-14: another stream of this process goes on');
is(text($quick), 'tok ' x 20, 'whole');
ok($follow->wait(40), 'another reader of the same run comes to its end');
is(length(join '', map { $_->{s} // '' } map { @{ $_->{json} } }
          grep { $_->{name} eq 'delta' } @{ events($follow->body)->{events} }),
   800000, 'and has all');

SKIP: {
    skip 'memory that was freed is kept back', 1 if $ENV{ASAN_OPTIONS};
    cmp_ok(rss() - $before, '<', ROOM, 'AP-14: the process has not grown');
}

$stack->wait_for(20, sub {
    metric('weir_streams_cut_total{cause="slow"}') == 1;
}, 'it is cut');
ok(!$long->wait(10), 'AP-14: cut, and no end that is clean');
ok($long->body !~ /DONE/, 'nor one of the dialect');
$stack->wait_for(5, sub { metric('weir_streams_open') == 0 }, 'all are gone');


# one that is slow, but goes on; what it lacks is in Redis, or has expired there

for my $gone ('', ', gone') {
    $c = stream($stack, 'size=200000 every=10 batch=200', port => $narrow,
                buffer => 4096);
    ok($c->wait(10, qr/tok/), "slow$gone: it has begun");
    $stack->wait_for(20, sub {
        ($stack->redis('HGET', 'weir:{0}:run:' . job($c), 'fin') // '')
            =~ /^completed/;
    }, 'the run has ended');

    for (1 .. 20) {
        $c->read_some;
        sleep 0.1;
    }

    $stack->redis('DEL', 'weir:{0}:events:' . job($c)) if $gone;
    ok($c->wait(20), "slow$gone: the end");
    is(length text($c), 200000, "slow$gone: all of it");
    ok($c->body =~ /\[DONE\]\n\n$/, "slow$gone: a clean end");
}

is(metric('weir_streams_cut_total{cause="slow"}'), 1, 'slow: was not cut');


# let go at a reload while it does not read, and its run goes on

$c = $stack->ask('/v1/jobs', body => encode_json({ request => {
    model => 'mock-1', messages => [{ role => 'user',
        content => '[[mock tokens=80000 every=10 batch=200]] Hi' }] } }));
my $id = decode_json($c->body)->{id};
my $reader = $stack->request("/v1/jobs/$id/events", port => $narrow,
                             buffer => 4096);
ok($reader->wait(10, qr/tok/), 'leaving: it has begun');
my $there = $stack->request("/v1/jobs/$id/events");
ok($there->wait(10, sub { length $there->body > 150000 }),
   'leaving: more than fits is there');
$stack->signal('nginx', 'HUP');
ok($there->wait(10), 'leaving: one that reads has left');
sleep 0.5;                              # more comes meanwhile
ok($reader->wait(10), 'leaving: the end');
ok($reader->body =~ /retry: 100\n\n$/, 'leaving: to come again');
is(events($reader->body)->{rest}, '', 'leaving: at an event');

my @got = grep { ($_->{name} // '') eq 'delta' } @{ events($reader->body)->{events} };
is(scalar(grep { !ref $_->{json} } @got), 0, 'leaving: events are whole');
$c = $stack->request("/v1/jobs/$id/events",
                     headers => ["Last-Event-ID: $got[-1]{id}"]);
ok($c->wait(30), 'leaving: and again');
push @got, grep { $_->{name} eq 'delta' } @{ events($c->body)->{events} };
is(length(join '', map { $_->{s} // '' } map { @{ $_->{json} } } @got), 320000,
   'leaving: nothing missed or twice');

$other->end;
$stack->end;

done_testing();
