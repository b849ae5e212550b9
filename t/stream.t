# A chat completion as a stream: each token at once, through nginx, Redis and
# worker; a stream that cannot be whole says so; heartbeats; one reader more or
# less does not matter to the others.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Mock;
use Weir::Stack;
use Weir::Streams;

my $stack = Weir::Stack->new(
    location => "weir_api;\n        weir_max_wait 20s;",
    server => 'location = /metrics { weir_metrics; }
    location /on/ { weir_api; weir_ignore_client_abort on; }',
    worker => "attempts = 2\n    backoff = 200ms");

$stack->start;


# a metric of the edge

sub metric { $stack->edge_metric(@_) }


sub codes { map { $_->{json}{error}{code} }
            grep { ref $_->{json} && $_->{json}{error} }
            @{ events($_[0]->body)->{events} } }


# one token after the other

my $c = stream($stack, 'tag=slow tokens=6 every=300');
ok($c->wait(5, qr/tok/), 'the first token');
cmp_ok(time - $c->{start}, '<', 1.5, 'long before the last');
unlike($c->body, qr/DONE/, 'which is to come');
is(metric('weir_streams_open'), 1, 'a stream is open');
ok($c->wait(10), 'the end');
is($c->status, 200, 'status');
is($c->header('Content-Type'), 'text/event-stream', 'type');
is($c->header('X-Accel-Buffering'), 'no', 'no buffering');
like($c->header('X-Weir-Job'), qr/^job_/, 'the job');
is(text($c), 'tok ' x 6, 'all of it');
like($c->body, qr/data: \[DONE\]\n\n$/, 'a clean end');
cmp_ok(scalar(grep { $_->[1] =~ /tok/ } $c->parts), '>=', 5,
       'each token by itself');

my $e = events($c->body)->{events};
is($e->[0]{json}{choices}[0]{delta}{role}, 'assistant', 'the role first');
is($e->[0]{json}{model}, 'mock-1', 'the model');
is(scalar(grep { ref $_->{json} && exists $_->{json}{usage} } @$e), 0,
   'usage is not shown');
$stack->wait_for(5, sub { metric('weir_streams_open') == 0 },
                 'no stream is open');


like($stack->ask('/metrics')->body,
     qr/^weir_stream_first_seconds_bucket\{le="0\.500"\} 1$/m,
     'time to the first token');
like($stack->ask('/metrics')->body,
     qr/^weir_stream_tokens_per_second_bucket\{le="5\.000"\} 1$/m,
     'tokens per second');


# the same with usage

$c = stream($stack, 'tokens=6',
            more => { stream_options => { include_usage => JSON::PP::true } });
ok($c->wait(10), 'with usage: the end');
$e = events($c->body)->{events};
is($e->[-2]{json}{usage}{completion_tokens}, 6, 'usage in the last but one');
is_deeply($e->[-2]{json}{choices}, [], 'without choices');


# heartbeats from the first second on, before the LLM has said anything

$c = stream($stack, 'delay=1600 tokens=2');
ok($c->wait(5, qr/^: ping\n\n/), 'S2: a heartbeat');
cmp_ok(time - $c->{start}, '<', 1.5, 'within a second or so');
ok($c->wait(10), 'the end');
is(text($c), 'tok ' x 2, 'the answer');


# failures before content have a status of their own

$c = stream($stack, 'status=400');
ok($c->wait(10), 'refused upstream: an answer');
is($c->status, 400, 'its status');
is(decode_json($c->body)->{error}{type}, 'invalid_request_error', 'its body');


# before content, and after a heartbeat

$c = stream($stack, 'status=400 delay=1500');
ok($c->wait(10), 'refused later: an answer');
is($c->status, 200, 'the status has gone');
is(scalar(codes($c)), 1, 'an error event');
unlike($c->body, qr/DONE/, 'and no clean end');


# a try that fails before content is tried again, and nobody sees it

$c = stream($stack, 'tag=again status=503 times=1 tokens=4');
ok($c->wait(15), 'tried again: an answer');
is(text($c), 'tok ' x 4, 'of the second try');
is($stack->calls('again'), 2, 'two calls');


# C3: truncated in the middle: an error event, no clean end, no second attempt
# in the same stream

$c = stream($stack, 'tag=cut tokens=20 every=20 cut=body');
ok($c->wait(10), 'C3: cut upstream: the end');
is($c->status, 200, 'C3: begun well');
like(text($c), qr/^(tok )+$/, 'C3: with some text');
is_deeply([codes($c)], ['upstream_truncated'], 'C3: an error event');
unlike($c->body, qr/DONE/, 'C3: no clean end');

for my $plan ('stop=text', 'stop=finish', 'stop=event', 'bad=json',
              'error=server_error') {
    $c = stream($stack, "tokens=8 every=50 $plan");
    ok($c->wait(10), "$plan: the end");

    if ($plan eq 'stop=finish') {
        like($c->body, qr/DONE/, "$plan: all choices have stopped: whole");
        next;
    }

    unlike($c->body, qr/DONE/, "$plan: no clean end");
    is(scalar(codes($c)), 1, "$plan: an error event");
}


# tools, several choices, text of many bytes

$c = stream($stack, 'tool=f args={"a":1} pieces=4 tools=2',
            more => { tools => [{ type => 'function',
                                  function => { name => 'f' } }] });
ok($c->wait(10), 'tools: the end');
my $tools = openai_tools(events($c->body));
is(scalar @$tools, 2, 'two calls');
is($tools->[0][1], 'f', 'name');
is($tools->[0][2], '{"a":1}', 'arguments');

$c = stream($stack, 'tokens=5 vary=1', more => { n => 3 });
ok($c->wait(10), 'three choices: the end');
is(scalar(grep { ref $_->{json} && ($_->{json}{choices}[0]{finish_reason} // '')
                 eq 'stop' } @{ events($c->body)->{events} }),
   3, 'each has stopped');

$c = stream($stack, 'words=wide size=300000');
ok($c->wait(20), 'long: the end');
my $long = text($c);
utf8::encode($long) if utf8::is_utf8($long);
is(length $long, 300000, 'long: all of it');


# a client that leaves frees everything at once; the run ends

$c = stream($stack, 'tag=gone tokens=200 every=50');
ok($c->wait(5, qr/tok/), 'S3: a token');
my $left = time;
$c->close;
$stack->wait_for(5, sub { $stack->mock_calls('gone')->{aborted} == 1 },
                 'S3: the provider is hung up on');
cmp_ok(time - $left, '<', 1, 'S3: within a second');
is(metric('weir_streams_open'), 0, 'S3: no stream is open');
is(metric('weir_streams_cut_total{cause="client"}'), 1, 'S3: counted');


# unless somebody else reads it

$c = stream($stack, 'tag=both tokens=40 every=50');
ok($c->wait(5, qr/tok/), 'two readers: a token');
my $other = $stack->request('/v1/jobs/' . $c->header('X-Weir-Job') . '/events');
ok($other->wait(5, qr/tok/), 'the other has one too');
$c->close;
ok($other->wait(10), 'the other goes on to the end');
like($other->body, qr/event: done\ndata: .*"status":"completed"/,
     'which is good');
is($stack->mock_calls('both')->{aborted}, 0, 'nobody was hung up on');


# before it has begun: never called upstream

$stack->redis('SET', 'weir:{0}:paused', 1);
$stack->wait_log('worker', qr/runner=$_ event=claims_paused/, 5) for 0, 1;
$c = stream($stack, 'tag=never tokens=4');
ok($c->wait(5, qr/ping/), 'queued: a heartbeat');
my $run = $c->header('X-Weir-Job') =~ s/^job_//r;
$c->close;
$stack->wait_for(5, sub {
    ($stack->redis('HGET', "weir:{0}:run:$run", 'fin') // '') =~ /^cancelled/;
}, 'cancelled');
$stack->redis('DEL', 'weir:{0}:paused');


# where the directive, or a key, says that it goes on

for (['/on', []], ['', ['Idempotency-Key: k1']]) {
    my ($path, $headers) = @$_;
    my $tag = $path ? 'on' : 'key';

    $c = stream($stack, "tag=$tag tokens=10 every=50", at => $path,
                headers => $headers);
    ok($c->wait(5, qr/tok/), "$tag: a token");
    $c->close;
    $stack->wait_for(10, sub { $stack->mock_calls($tag)->{completed} == 1 },
                     "$tag: goes on to the end");
}

is($stack->calls('never'), 0, 'J3: what was left never began');

$stack->end;

done_testing();
