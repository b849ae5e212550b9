# Tries that fail and are repeated: when, how often the LLM was really asked,
# and what the client gets in the end.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    worker => "attempts = 3\n    backoff = 20ms\n    backoff_max = 100ms",
    provider => "timeout = 2s\n    idle_timeout = 500ms");

$stack->start;

my $n = 0;


sub body {
    my ($text) = @_;

    return encode_json({ model => 'mock-1', messages => [
        { role => 'user', content => $text }] });
}


# ask(DIRECTIVES): both ways at the same time; answers and tags

sub ask {
    my ($plan) = @_;

    my @tags = map { "t$n-$_" } qw(chat job);
    $n++;

    my $chat = $stack->request('/v1/chat/completions',
        body => body("[[mock tag=$tags[0] $plan]] Hi"));
    my $job = $stack->request('/v1/jobs', headers => ['Prefer: wait=20'],
        body => '{"request":' . body("[[mock tag=$tags[1] $plan]] Hi") . '}');

    Weir::Client::wait_all(15, $chat, $job) or die "$plan: no answer\n";

    return ($chat, $job, map { $stack->calls($_) } @tags);
}


# in the end it is good

for (['429 twice', 'status=429 times=2', 3],
     ['503 once', 'status=503 times=1', 2],
     ['503 twice', 'status=503 times=2', 3],
     ['500 twice', 'status=500 times=2', 3],
     ['408', 'status=408 times=1', 2],
     ['529', 'status=529 times=1', 2],
     ['closed after the headers', 'cut=headers times=1', 2],
     ['closed in the body', 'cut=body times=2', 3],
     ['half of JSON', 'garbage=json times=1', 2],
     ['HTML', 'garbage=html times=2', 3],
     ['nothing', 'garbage=empty times=1', 2],
     ['binary', 'garbage=binary times=1', 2],
     ['bad UTF-8', 'garbage=utf8 times=1', 2],
     ['a hang', 'hang times=1', 2])
{
    my ($name, $plan, $calls) = @$_;
    my ($chat, $job, @calls) = ask($plan);

    is($chat->status, 200, "$name: chat: 200") or diag($chat->body);
    like($chat->body, qr/"Echo: *Hi"/, "$name: the good answer");

    my $object = decode_json($job->body);
    is($object->{status}, 'completed', "$name: job: completed");
    is($object->{attempts}, $calls, "$name: attempts");
    is_deeply(\@calls, [$calls, $calls], "$name: calls");
}


# in the end it is not: status, code, calls, Retry-After

for (['429', 'status=429', 429, 'rate_limit_exceeded', 3],
     ['503', 'status=503', 502, 'upstream_error', 3],
     ['500', 'status=500', 502, 'upstream_error', 3],
     ['cut', 'cut=body', 502, 'upstream_error', 3],
     ['half of JSON', 'garbage=json', 502, 'upstream_invalid', 3],
     ['HTML', 'garbage=html', 502, 'upstream_invalid', 3],
     ['a hang', 'hang', 504, 'timeout', 3])
{
    my ($name, $plan, $status, $code, $calls) = @$_;
    my ($chat, $job, @calls) = ask($plan);

    is($chat->status, $status, "$name, always: chat: $status")
        or diag($chat->body);
    my $error = decode_json($chat->body)->{error};
    is($error->{code}, $code, "$name: code");
    ok(length $error->{message}, "$name: a message");

    my $object = decode_json($job->body);
    is($object->{status}, 'failed', "$name: job: failed");
    is($object->{error}{status}, $status, "$name: its status");
    is($object->{error}{code}, $code, "$name: its code");
    is($object->{result}, undef, "$name: no result");
    is($object->{attempts}, $calls, "$name: attempts");
    is_deeply(\@calls, [$calls, $calls], "$name: calls");
}


# A kept connection that closes before any byte was idle too long, as far as
# libcurl knows: it asks again at once on another one, and that is no try of
# ours.  So each of our tries may be more than one call.

my ($chat, $job, @calls) = ask('cut=before times=1');
is($chat->status, 200, 'closed before the headers: 200');
is_deeply(\@calls, [2, 2], 'calls');

($chat, $job, @calls) = ask('cut=before');
is($chat->status, 502, 'closed before the headers, always: 502');
is(decode_json($job->body)->{attempts}, 3, 'attempts');
cmp_ok($_, '>=', 3, 'calls') for @calls;
cmp_ok($_, '<=', 6, 'calls') for @calls;


# Retry-After is obeyed, in either form

($chat, $job) = ask('status=429 times=1 retry-after=1');
is($chat->status, 200, 'Retry-After: 200');
cmp_ok($chat->elapsed, '>', 1, 'not before its time');
cmp_ok($chat->elapsed, '<', 5, 'and soon after it');

($chat, $job) = ask('status=503 times=1 retry-after-ms=700');
is($chat->status, 200, 'retry-after-ms: 200');
cmp_ok($chat->elapsed, '>', 0.7, 'not before its time');
cmp_ok($chat->elapsed, '<', 5, 'and soon after it');

# and told to the client, when no try is left

($chat, $job) = ask('status=429 retry-after-ms=100');
is($chat->status, 429, 'no try is left: 429');
like($chat->header('Retry-After') // '', qr/^[1-9]\d*$/, 'Retry-After');

# what waits for its next try is queued, and can be cancelled

my $c = $stack->ask('/v1/jobs', body => '{"request":'
    . body('[[mock tag=waits status=503 retry-after=30]] Hi') . '}');
my $id = decode_json($c->body)->{id};

$stack->wait_for(5, sub {
    @{ $stack->redis('ZRANGE', 'weir:{0}:delayed', 0, -1) } == 1;
}, 'a planned try');

$c = $stack->ask("/v1/jobs/$id");
is(decode_json($c->body)->{status}, 'queued', 'a planned try is queued');
is($stack->ask("/v1/jobs/$id", method => 'DELETE')->status, 200, 'cancelled');
is($stack->calls('waits'), 1, 'it was tried once');


# hand-backs of an earlier generation are neither tries nor forgiven later

sub run_of {
    my %run = @{ $stack->redis('HGETALL', "weir:{0}:run:$_[0]") };
    return \%run;
}

$stack->redis('SET', 'weir:{0}:paused', 1);
$stack->wait_log('worker', qr/(?:event=claims_paused.*){2}/s, 5);
$c = $stack->ask('/v1/jobs', body => '{"request":'
    . body('[[mock tag=back status=503 times=1]] Hi') . '}');
$id = decode_json($c->body)->{id} =~ s/^job_//r;

my ($entry) = map { $_->[0] } @{ $stack->redis('XRANGE',
    'weir:{0}:ready:normal', '-', '+') };
$stack->redis('HSET', "weir:{0}:run:$id", "n:$entry", 3, 'back', 3);
$stack->redis('DEL', 'weir:{0}:paused');
$stack->wait_for(5, sub { run_of($id)->{fin} }, 'its end');

my $run = run_of($id);
is($run->{fin}, 'completed:2000001', 'its second try, by its token');
is($run->{back}, 0, 'nothing is left of the hand-backs');

my ($outcome) = @{ $stack->redis('KEYS', "weir:{0}:outcome:$id:*") };
is(decode_json($stack->redis('GET', $outcome))->{attempts}, 2,
   'two attempts, says the outcome');
is(decode_json($stack->ask("/v1/jobs/job_$id")->body)->{attempts}, 2,
   'and the job');

# the question goes with the end, but not that of a dead letter

is($stack->redis('EXISTS', "weir:{0}:request:$id"), 0, 'the request is gone');


# the provider is not there at all

$stack->stop('mock');
($chat) = map { $stack->ask('/v1/chat/completions', body => body($_)) } 'Hi';
is($chat->status, 502, 'connection refused: 502');
is(decode_json($chat->body)->{error}{code}, 'upstream_error', 'code');
unlike($chat->body, qr/127\.0\.0\.1|mock/, 'the address is not told');

$stack->end;

done_testing();
