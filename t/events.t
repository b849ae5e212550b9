# GET /v1/jobs/{id}/events: what a job says, from the start or from where a
# reader was, on any node, during and after its run; several readers; attempts
# that fail; readers that are slow, and those of others.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Streams;

my $stack = Weir::Stack->new(location => 'weir_api; weir_heartbeat 200ms;',
    server => 'location = /metrics { weir_metrics; }',
    worker => "attempts = 2\n    backoff = 200ms");

$stack->start;

my $edge = Weir::Stack->new(edge_of => $stack,
                            location => 'weir_api; weir_heartbeat 200ms;')
               ->start('nginx');


sub named { my ($c, $name) = @_; grep { $_->{name} eq $name } all($c) }

sub finished {
    my ($id) = @_;

    $stack->wait_for(20, sub {
        decode_json($stack->ask("/v1/jobs/$id")->body)->{status}
            !~ /queued|progress/;
    }, "$id ends");
}


# while it runs, and all of it

my $id = submit($stack, 'tokens=6 every=200');
my $c = follow($stack, $id);
ok($c->wait(5, qr/tok/), 'the first token');
unlike($c->body, qr/event: done/, 'before the end');
ok($c->wait(10), 'the end');
is($c->status, 200, 'status');
is($c->header('Content-Type'), 'text/event-stream', 'type');
is($c->header('X-Accel-Buffering'), 'no', 'no buffering');
is(said(all($c)), 'tok ' x 6, 'all tokens');
my ($done) = named($c, 'done');
is($done->{id}, 'end', 'the last id');
is($done->{json}{status}, 'completed', 'the job object');
is($done->{json}{id}, $id, 'of this job');
is(scalar(named($c, 'reset')), 0, 'nothing was taken back');
is((all($c))[-1]{name}, 'done', 'and nothing comes after it');
is(scalar(() = $c->body =~ /\{"usage":\{"input"/g), 1, 'what it took is said once');

my @whole = named($c, 'delta');
my @ids = map { $_->{id} } @whole;
is(scalar(grep { !/^\d+-\d+$/ } @ids), 0, 'each has an id');


# after the run: the same again, and from every id on

$c = follow($edge, $id);
ok($c->wait(10), 'replayed at another node');
is(said(all($c)), 'tok ' x 6, 'all tokens again');
is_deeply([map { $_->{id} } named($c, 'delta')], \@ids, 'under the same ids');

for my $i (0 .. $#whole) {
    $c = follow($i % 2 ? $stack : $edge, $id, last => $ids[$i]);
    ok($c->wait(10), "resumed after $ids[$i]");
    is(said(@whole[0 .. $i], all($c)), 'tok ' x 6,
       'AP-12: nothing missed or twice');
    is(scalar(named($c, 'reset')), 0, 'no reset');
    is(scalar(named($c, 'done')), 1, 'done');
}

$c = follow($stack, $id, last => 'end');
ok($c->wait(10), 'after the end');
is($c->status, 204, 'nothing more, and no need to come again');


# ids that are none of its own

for my $bad ('nonsense', '1000001-99', '9999999-1', '5-5') {
    $c = follow($stack, $id, last => $bad);
    ok($c->wait(10), "from $bad");
    is((all($c))[0]{name}, 'reset', 'a reset');
    is(said(all($c)), 'tok ' x 6, 'and all of it');
}


# its events are gone, its outcome is not

my $run = $id =~ s/^job_//r;
$stack->redis('DEL', "weir:{0}:events:$run");

$c = follow($stack, $id);
ok($c->wait(10), 'without events');
is(said(all($c)), 'tok ' x 6, 'all of it, from the outcome');
is(scalar(named($c, 'reset')), 0, 'nothing was sent that is taken back');

$c = follow($stack, $id, last => $ids[2]);
ok($c->wait(10), 'without events, from the middle');
is((all($c))[0]{name}, 'reset', 'a reset');
is(said(all($c)), 'tok ' x 6, 'and all of it');


# its attempt is there, and nothing of what it said: cut behind that, a reader
# must not come again with the id of the attempt

$id = submit($stack, 'tokens=6 every=100');
$c = follow($stack, $id);
ok($c->wait(10), 'the ids');
$run = $id =~ s/^job_//r;
$stack->redis('XDEL', "weir:{0}:events:$run",
              map { $_->{id} } named($c, 'delta'));
$c = follow($stack, $id);
ok($c->wait(10), 'without deltas');
is(said(all($c)), 'tok ' x 6, 'all of it');
is(join(' ', map { $_->{id} // 'none' } named($c, 'delta')), '',
   'with an empty id');
$c = follow($stack, $id, last => '1000001-0');
ok($c->wait(10), 'without deltas, from the start');
is(said(all($c)), 'tok ' x 6, 'all of it');


# a reconnect at every event

$id = submit($stack, 'tokens=8 every=100');
my ($last, @got);

for (1 .. 100) {
    $c = follow($_ % 2 ? $stack : $edge, $id, last => $last);
    last if !$c->wait(10, sub { grep { $_->{id} && $_->{name} ne 'status' }
                                all($c) });
    my ($e) = grep { $_->{id} && $_->{name} ne 'status' } all($c);
    $c->close;
    last if $e->{name} eq 'done';
    push @got, $e;
    $last = $e->{id};
}

is(said(@got), 'tok ' x 8, 'AP-12: reconnected at every event: all, once');


# several at once, and one who comes late

$id = submit($stack, 'tokens=8 every=100');
my @readers = map { follow($_ % 2 ? $stack : $edge, $id) } 1 .. 6;
ok($readers[0]->wait(5, qr/tok/), 'it has begun');
push @readers, follow($stack, $id);
ok($_->wait(10), 'a reader is at the end') for @readers;
is(said(all($_)), 'tok ' x 8, 'and has all') for @readers;


# an attempt that fails: what it said is taken back

$id = submit($stack, 'tag=again tokens=8 every=50 cut=body times=1');
$c = follow($stack, $id);
ok($c->wait(15), 'tried again: the end');
is($stack->calls('again'), 2, 'two calls');
is(scalar(named($c, 'reset')), 1, 'a reset');
my @after = all($c);
shift @after while $after[0]{name} ne 'reset';
is(said(@after), 'tok ' x 8, 'and all of it after that');
is((named($c, 'done'))[0]{json}{status}, 'completed', 'completed');

my ($before) = grep { $_->{name} eq 'delta' } all($c);
$c = follow($stack, $id, last => $before->{id});
ok($c->wait(10), 'resumed from the attempt that failed');
is(scalar(named($c, 'reset')), 1, 'a reset');


# queued: heartbeats, then its end

$id = submit($stack, 'tokens=2', run_at => int(time) + 600);
$c = follow($stack, $id);
ok($c->wait(5, qr/: ping\n\n: ping\n\n/), 'heartbeats');
is((named($c, 'status'))[0]{json}{status}, 'queued', 'its state');
is($stack->ask("/v1/jobs/$id", method => 'DELETE')->status, 200, 'cancelled');
ok($c->wait(5), 'the end');
is((named($c, 'done'))[0]{json}{status}, 'cancelled', 'is told');


# failed jobs

$id = submit($stack, 'status=400');
$c = follow($stack, $id);
ok($c->wait(10), 'failed: the end');
is((named($c, 'done'))[0]{json}{status}, 'failed', 'is told');


# who may not

my $other = $stack->create_key('mallory', 'submit,read');
$stack->wait_for(5, sub {
    $c = follow($stack, $id, key => $other);
    $c->wait(5);
    $c->status != 401;
}, 'the key');
is($c->status, 404, 'is told that there is none');
$c = follow($stack, 'job_' . '0' x 24);
ok($c->wait(5), 'no such job');
is($c->status, 404, 'is told so');
$c = $stack->ask("/v1/jobs/$id/events", no_key => 1);
is($c->status, 401, 'without a key');
$c = $stack->ask("/v1/jobs/$id/events", method => 'HEAD');
is($c->status, 200, 'HEAD');
is($c->body, '', 'has no body');
$c = $stack->ask("/v1/jobs/$id/events", method => 'POST', body => '{}');
is($c->status, 405, 'POST is none');


# reload: readers are let go, and go on

$id = submit($stack, 'tokens=20 every=100');
$c = follow($stack, $id);
ok($c->wait(5, qr/tok/), 'before a reload');
$stack->signal('nginx', 'HUP');
ok($c->wait(10), 'the old process lets it go');
unlike($c->body, qr/event: done/, 'before the end');
like($c->body, qr/retry: 100\n\n$/, 'to come again soon');
my @first = named($c, 'delta');
$c = follow($stack, $id, last => $first[-1]{id});
ok($c->wait(15), 'and again');
is(said(@first, all($c)), 'tok ' x 20, 'nothing missed or twice');


# of a run that has ended, what could not be read is read again, and nothing is
# for one that has no room

my $proxy = Weir::RedisProxy->new(path => $stack->dir . '/proxy.sock',
                                  to => $stack->dir . '/redis.sock');
my $port = Weir::Stack::free_port();
my $near = Weir::Stack->new(edge_of => $stack, processes => 1,
    weir_redis => 'unix:' . $stack->dir . '/proxy.sock',
    location => 'weir_api;',
    http => "server { listen 127.0.0.1:$port sndbuf=16k;
                      location / { weir_api; } }")->start('nginx');

my ($short, $long) = map { submit($stack, $_) } 'tokens=6 every=100',
                                        'size=800000 every=1 batch=400';
ok(follow($stack, $_)->wait(20), 'its events are in Redis') for $short, $long;

my $slow = $near->request("/v1/jobs/$long/events", port => $port,
                          buffer => 4096);
ok($slow->wait(10, qr{event: delta}), 'no room: it has begun');

my ($refused, $read) = map { 'weir:{0}:events:' . s/^job_//r } $short, $long;
my @reads;

# between two ticks that read one run again all others are looked at

for (1 .. 2) {
    $proxy->rules({ on => 'EXEC', with => $refused, times => 2,
                    reply => "-ERR not now\r\n" });
    $c = follow($near, $short);
    ok($c->wait(10), 'refused twice: the end');
    is(said(all($c)), 'tok ' x 6, 'refused twice: all of it');
    push @reads, $proxy->count('EXEC', $read);
}

is($reads[1], $reads[0], 'no room: nothing is read');
ok($slow->wait(20), 'no room: it goes on, to the end');
is(length said(all($slow)), 800000, 'no room: all of it');

$near->end;
$edge->end;
$stack->end;

done_testing();
