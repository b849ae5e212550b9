# Redis answers with errors, nil, other types and garbage: each request gets
# a 503 that says when to try again, in the dialect of its route.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::FakeRedis;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', processes => 1,
                             weir_redis => 'timeout=1s connect_timeout=1s',
                             server => 'location = /readyz { weir_readyz; }');

$stack->keys;
my $fake = Weir::FakeRedis->new(path => $stack->dir . '/redis.sock');

$stack->start('nginx');

my $chat = '{"model":"m","messages":[{"role":"user","content":"Hi"}]}';
my $job = qq({"request":$chat});
my $id = 'job_00' . 'a' x 22;


sub ready {
    $stack->wait_for(10, sub { $stack->ask('/readyz')->status == 200 },
                     'both connections');
}


sub unavailable {
    my ($c, $name, $openai) = @_;

    is($c->status, 503, "$name: 503");
    like($c->header('Retry-After'), qr/^[1-9]\d*$/, "$name: Retry-After");
    like($c->header('X-Request-Id'), qr/^[0-9a-f]{32}$/, "$name: an id");

    my $body = eval { decode_json($c->body) } // {};

    if ($openai) {
        is($c->header('Content-Type'), 'application/json', "$name: type");
        is($body->{error}{code}, 'unavailable', "$name: OpenAI's form");

    } else {
        is($c->header('Content-Type'), 'application/problem+json',
           "$name: type");
        is($body->{type}, 'urn:weir:problem:unavailable', "$name: a problem");
        is($body->{status}, 503, "$name: its status");
    }
}


# [name, bytes, does the connection go?]

my @replies = (
    (map { [(split)[0], "-$_\r\n", 0] }
        'LOADING Redis is loading the dataset in memory',
        'READONLY You cannot write against a read only replica.',
        "OOM command not allowed when used memory > 'maxmemory'.",
        'MISCONF Redis is configured to save RDB snapshots',
        'NOAUTH Authentication required.',
        'NOPERM this user has no permissions',
        'BUSY Redis is busy running a script',
        'MASTERDOWN Link with MASTER is down',
        'NOREPLICAS Not enough good replicas to write.',
        'CLUSTERDOWN The cluster is down', 'MOVED 1234 10.0.0.1:6379',
        'TRYAGAIN Multiple keys request', 'ERR unknown',
        'EXECABORT Transaction discarded because of previous errors.'),
    ['nil for EXEC', "*-1\r\n", 0],
    ['nil string', "\$-1\r\n", 0],
    ['number', ":1\r\n", 0],
    ['status', "+OK\r\n", 0],
    ['string', "\$2\r\nhi\r\n", 0],
    ['empty array', "*0\r\n", 0],
    ['array of errors', "*2\r\n-ERR a\r\n-WRONGTYPE b\r\n", 0],
    ['array with nil', "*3\r\n\$-1\r\n\$-1\r\n\$-1\r\n", 0],
    ['empty error', "-\r\n", 0],
    ['long error', '-ERR ' . 'x' x 20000 . "\r\n", 0],
    ['HTML', "<html>\r\n\r\n", 1],
    ['binary', "\0\1\2\xff\xfe\r\n", 1],
    ['negative array', "*-5\r\n", 1],
    ['huge string', "\$99999999999999999999\r\n", 1],
    ['huge array', "*2147483647\r\n", 1],
    ['deep array', "*1\r\n" x 64 . ":1\r\n", 1],
    ['string without its end', "\$2\r\nhi!!\r\n", 1],
    ['close', undef, 1],
);

for (@replies) {
    my ($name, $bytes, $closes) = @$_;
    my @what = defined $bytes ? (reply => $bytes) : (close => 1);

    for my $route (['chat', '/v1/chat/completions', $chat, 1],
                   ['jobs', '/v1/jobs', $job, 0])
    {
        my ($what, $path, $body, $openai) = @$route;

        ready();
        $fake->rules({ on => 'EXEC', with => 'XADD', times => 1, @what });
        unavailable($stack->ask($path, body => $body), "$what, $name",
                    $openai);
    }

    next if $name eq 'array with nil';          # is no such job

    ready();
    $fake->rules({ on => 'EXEC', with => 'HGETALL', times => 1, @what });
    unavailable($stack->ask("/v1/jobs/$id"), "look, $name");
}


# errors before EXEC

for ('OOM command not allowed', 'READONLY no', 'NOAUTH no', 'LOADING wait',
     'ERR wrong number of arguments')
{
    my ($name) = split;

    ready();
    $fake->rules({ on => 'HSET', times => 1, queue => "-$_\r\n" });
    unavailable($stack->ask('/v1/jobs', body => $job), "queue, $name");

    $fake->rules({ on => 'MULTI', times => 1, reply => "-$_\r\n" },
                 { on => 'EXEC', times => 1, reply => "-ERR no MULTI\r\n" });
    unavailable($stack->ask('/v1/jobs', body => $job), "MULTI, $name");
}


# a job that exists, and what is read of it afterwards

ready();
$fake->rules;

my $c = $stack->ask('/v1/jobs', body => $job);
is($c->status, 202, 'a job is accepted');

my $run = decode_json($c->body)->{id} =~ s/^job_//r;
my $self = "/v1/jobs/job_$run";

$stack->redis('HSET', "weir:{0}:run:$run", fin => 'completed:1000001',
              fin_at => 1700000000000);

# without an outcome the job is known, and its result is over

$c = $stack->ask($self);
is($c->status, 200, 'outcome is gone: the job is known');
is(decode_json($c->body)->{status}, 'completed', 'and completed');
is(decode_json($c->body)->{result}, undef, 'and has no result');

for (@replies) {
    my ($name, $bytes, $closes) = @$_;
    next if $name =~ /^(?:nil|string|status|array|empty array|number)/;

    ready();
    $fake->rules({ on => 'GET', times => 1,
                   defined $bytes ? (reply => $bytes) : (close => 1) });
    unavailable($stack->ask($self), "outcome, $name");
}

$fake->rules;
ready();

for my $text ('', '{', '[]', '{"v":2}', '{"v":1}', '{"v":1,"state":"x"}',
              '{"v":1,"state":"completed","choices":7}', "\xff\0")
{
    $stack->redis('SET', "weir:{0}:outcome:$run:1000001", $text);
    $c = $stack->ask($self);
    is($c->status, 200, "an outcome of \"$text\" harms nobody");
    ok(eval { decode_json($c->body) }, 'the job is JSON');
}


# cancelling

ready();
$c = $stack->ask('/v1/jobs', body => $job);
my $other = decode_json($c->body)->{id};

for (@replies) {
    my ($name, $bytes) = @$_;

    ready();
    $fake->rules({ on => 'EXEC', with => 'cancelled:owner', times => 1,
                   defined $bytes ? (reply => $bytes) : (close => 1) });
    unavailable($stack->ask("/v1/jobs/$other", method => 'DELETE'),
                "cancel, $name");
}

ready();
$fake->rules;
$c = $stack->ask("/v1/jobs/$other", method => 'DELETE');
is($c->status, 200, 'and then it is cancelled');
is(decode_json($c->body)->{status}, 'cancelled', 'and says so');


# models

for (@replies) {
    my ($name, $bytes) = @$_;

    ready();
    $fake->rules({ on => 'GET', with => 'weir:catalogue', times => 1,
                   defined $bytes ? (reply => $bytes) : (close => 1) });
    unavailable($stack->ask('/v1/models'), "models, $name", 1);
}

$fake->rules;
$stack->end;
$fake->stop;

done_testing();
