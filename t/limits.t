# Admission: caps of unfinished jobs, and Redis's memory (GR-11).

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;',
    redis => "maxmemory 64mb\nmaxmemory-policy noeviction\n",
    server => '
        location = /metrics { weir_metrics; }
        location /three/ { weir_api; weir_queue_limit owner=3; }
        location /five/ { weir_api; weir_queue_limit total=5; }
        location /both/ { weir_api; weir_queue_limit total=5 owner=3; }');

$stack->start(qw(redis mock nginx));


sub body {
    return encode_json({ request => { model => 'mock-1', messages => [
        { role => 'user', content => $_[0] // 'Hi' } ] } });
}


sub submit {
    my ($path, %o) = @_;

    return $stack->request($path, body => body(), %o);
}


sub count {
    my ($regex, @c) = @_;

    return scalar grep { $_->status =~ /^(?:$regex)$/ } @c;
}


sub entries { $stack->redis('XLEN', 'weir:{0}:ready:normal') // 0 }


# twenty at once, for each cap, from two processes

for (['/three/v1/jobs', 3, 429], ['/five/v1/jobs', 5, 503]) {
    my ($path, $cap, $status) = @$_;

    $stack->redis('FLUSHALL');

    my @c = map { submit($path) } 1 .. 20;
    Weir::Client::wait_all(10, @c);

    my $taken = count(202, @c);
    cmp_ok($taken, '<=', $cap, "$path: no more than $cap");
    is(count($status, @c), 20 - $taken, "the others: $status");
    is(entries(), $taken, 'nothing else is queued');

    for my $c (grep { $_->status != 202 } @c) {
        is($c->header('Retry-After'), 1, 'Retry-After');
        like($c->header('Content-Type'), qr{problem\+json}, 'a problem');
    }

    # one after the other there is no doubt

    my @more = map { $stack->ask($path, body => body()) } 1 .. $cap;
    is($taken + count(202, @more), $cap, 'exactly as many as may be');
    is(entries(), $cap, 'are queued');
}

$stack->redis('FLUSHALL');

my @c = map { $stack->ask('/both/v1/jobs', body => body()) } 1 .. 4;
is(count(202, @c), 3, 'three of an owner');
is($c[3]->status, 429, 'not four');

my @bob = (no_key => 1, headers => ["Authorization: Bearer $stack->{other_key}"]);
my @b = map { $stack->ask('/both/v1/jobs', body => body(), @bob) } 1 .. 3;
is(count(202, @b), 2, 'two of another: five in all');
is($b[2]->status, 503, 'then nobody');
is($stack->ask('/v1/jobs', body => body())->status, 202, 'elsewhere, no cap');

my $chat = '{"model":"mock-1","messages":[{"role":"user","content":"Hi"}]}';
my $c = $stack->ask('/both/v1/chat/completions', body => $chat);
is($c->status, 429, 'held requests count too');
is(decode_json($c->body)->{error}{code}, 'rate_limit_exceeded',
   'in their dialect');


# a job that ends makes room: cancelled, then completed

my $id = decode_json($c[0]->body)->{id};
is($stack->ask("/v1/jobs/$id", method => 'DELETE')->status, 200, 'cancelled');
is($stack->redis('ZCARD', 'weir:{0}:open:alice'), 2, 'one less is open');
is($stack->redis('ZCARD', 'weir:{0}:deadline'), 5, 'of all as well');

$stack->start('worker');
$stack->wait_for(10, sub { !$stack->redis('ZCARD', 'weir:{0}:deadline') },
                 'all are done');
is($stack->redis('ZCARD', 'weir:{0}:open:alice'), 0, 'nothing is open');
@c = map { $stack->ask('/three/v1/jobs', body => body()) } 1 .. 2;
is(count(202, @c), 2, 'taken again');


# a submission that comes after its own cancellation leaves no ticket

$stack->stop('worker');
$c = $stack->ask('/three/v1/jobs', body => body());
$id = substr decode_json($c->body)->{id}, 4;
$stack->ask("/v1/jobs/job_$id", method => 'DELETE');
$stack->redis('ZADD', 'weir:{0}:open:alice', time * 1000 + 1e6, $id);
$stack->start('worker');
$stack->wait_for(10, sub { !entries() }, 'its entry is dropped');
is($stack->redis('ZSCORE', 'weir:{0}:open:alice', $id), undef,
   'and does not count');


# a ticket of which nothing came lapses

$stack->stop('worker');
$stack->redis('FLUSHALL');
my $now = time * 1000;
$stack->redis('ZADD', 'weir:{0}:open:alice', $now - 1, '00' . 'a' x 22,
              $now + 60000, '00' . 'b' x 22, $now + 60000, '00' . 'c' x 22);
$c = $stack->ask('/three/v1/jobs', body => body());
is($c->status, 202, 'an old ticket does not count');
$c = $stack->ask('/three/v1/jobs', body => body());
is($c->status, 429, 'others do');
$stack->wait_for(5, sub { $stack->redis('ZCARD', 'weir:{0}:open:alice') == 3 },
                 'who was refused gave his back');


# with a key: a replay needs no room, and a refusal does not use the key up

$stack->redis('FLUSHALL');
my @key = (headers => ['Idempotency-Key: k1']);
my @one = map { $stack->ask('/three/v1/jobs', body => body(), @key) } 1 .. 5;
is(count(202, @one), 5, 'one job, five times');
is(entries(), 1, 'once');
is($stack->redis('ZCARD', 'weir:{0}:open:alice'), 1, 'and counted once');
$stack->ask('/three/v1/jobs', body => body()) for 1 .. 2;
@key = (headers => ['Idempotency-Key: k2']);
is($stack->ask('/three/v1/jobs', body => body(), @key)->status, 429, 'full');
$stack->wait_for(5, sub { $stack->redis('ZCARD', 'weir:{0}:open:alice') == 3 },
                 'who was refused gave his back');
($id) = map { "job_$_->[0]" } [grep { /^00/ }
                               @{ $stack->redis('ZRANGE', 'weir:{0}:open:alice',
                                                0, 0) }];
$stack->ask("/v1/jobs/$id", method => 'DELETE');
$c = $stack->ask('/three/v1/jobs', body => body(), @key);
is($c->status, 202, 'the same key, later');
is($c->header('Idempotent-Replayed'), undef, 'is not a replay');


# memory: at three quarters jobs are refused, and what is there goes on

$stack->redis('FLUSHALL');
$stack->redis('SETRANGE', 'weir:catalogue', 50 * 1024 * 1024, 'x');

$c = $stack->wait_for(10, sub {
    my $c = $stack->ask('/v1/jobs', body => body());
    return $c->status == 503 ? $c : undef;
}, 'a refusal');

my $n = entries();
is($c->header('Retry-After'), 5, 'Retry-After');
like($c->body, qr/short of memory/, 'it says why');
$c = $stack->ask('/v1/chat/completions', body => $chat);
is($c->status, 503, 'held ones too');
is(entries(), $n, 'nothing is queued');
is($stack->ask('/v1/jobs')->status, 200, 'looking is possible');
$stack->wait_log('nginx', qr/memory of redis is \d+% full, jobs are refused/,
                 5);

$stack->redis('DEL', 'weir:catalogue');
$stack->wait_for(10, sub {
    $stack->ask('/v1/jobs', body => body())->status == 202
}, 'jobs are taken again');

my $metrics = $stack->ask('/metrics', no_key => 1)->body;
like($metrics, qr/^weir_jobs_refused_${_}_total [1-9]/m, "counted: $_")
    for qw(owner limit memory);

done_testing();
