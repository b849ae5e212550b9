# A chat completion with "stream": the events of the answer, all at once; errors
# as without it (RC-06).

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    location => 'weir_api;', worker => 'attempts = 1',
    server => 'location /short/ { weir_api; weir_max_wait 1s; }');

$stack->start;

my $path = '/v1/chat/completions';


sub chat {
    my ($text, %o) = @_;

    my $body = encode_json({
        model => 'mock-1', stream => JSON::PP::true, %{ $o{with} // {} },
        messages => [{ role => 'user', content => $text }],
    });

    return $stack->ask($o{path} // $path, body => $body,
                       headers => $o{headers} // []);
}


# the chunks of a body that is a whole stream of events

sub chunks {
    my ($c, $name) = @_;

    is($c->status, 200, "$name: 200") or diag($c->body);
    is($c->header('Content-Type'), 'text/event-stream', "$name: events");

    my @data = map { /^data: ([^\n]+)$/ ? $1 : die "$name: $_" }
               split /\n\n/, $c->body;

    is(pop @data, '[DONE]', "$name: the end is told");
    ok($c->body =~ /\n\n$/, "$name: and is one");

    my @chunks = map { decode_json($_) } @data;
    my %ids = map { $_->{id} => 1 } @chunks;

    is(keys %ids, 1, "$name: one id");
    is(scalar(grep { $_->{object} ne 'chat.completion.chunk' } @chunks), 0,
       "$name: chunks");

    return @chunks;
}


sub text {
    my ($index, @chunks) = @_;

    return join '', map { $_->{delta}{content} // '' }
           grep { $_->{index} == $index } map { @{ $_->{choices} } } @chunks;
}


# the same answer in the other framing

my $c = chat('Grüße 😀', headers => ['X-Request-Id: mine']);
my @chunks = chunks($c, 'plain');

is(text(0, @chunks), 'Echo: Grüße 😀', 'the text');
is_deeply($chunks[0]{choices}[0]{delta},
          { role => 'assistant', content => '', refusal => undef },
          'the role comes first');
is($chunks[-1]{choices}[0]{finish_reason}, 'stop', 'the reason last');
is(scalar(grep { exists $_->{usage} } @chunks), 0, 'no usage');
is($c->header('Cache-Control'), 'no-store', 'Cache-Control');
is($c->header('X-Accel-Buffering'), 'no', 'X-Accel-Buffering');
is($c->header('Content-Length'), length $c->body, 'Content-Length');
is($c->header('X-Request-Id'), 'mine', 'request id');

my ($job) = $c->header('X-Weir-Job') =~ /^job_(\w{24})$/;
is($chunks[0]{id}, "chatcmpl-$job", 'the id is that of the completion');

my $doc = decode_json($stack->ask("/v1/jobs/job_$job")->body);
is($doc->{result}{choices}[0]{message}{content}, 'Echo: Grüße 😀',
   'and the job has the answer');


# the LLM is asked for the whole

my $asked = decode_json($stack->mock('/mock/last')->body)->{json};
ok(!exists $asked->{stream} && !exists $asked->{stream_options},
   'the LLM knows nothing of it');


# usage

@chunks = chunks(chat('Hi', with => { stream_options => {
                     include_usage => JSON::PP::true } }), 'usage');
my $usage = pop @chunks;
is_deeply($usage->{choices}, [], 'an event of its own');
is($usage->{usage}{total_tokens}, 3, 'with the tokens');
is(scalar(grep { exists $_->{usage} && !defined $_->{usage} } @chunks),
   @chunks, 'and null in all others');

@chunks = chunks(chat('Hi', with => { stream_options => {
                     include_usage => JSON::PP::false } }), 'no usage');
is(scalar(grep { exists $_->{usage} } @chunks), 0, 'none is sent');


# what answers consist of

@chunks = chunks(chat('Hi', with => { n => 3 }), 'three choices');
is_deeply([map { text($_, @chunks) } 0 .. 2], [('Echo: Hi') x 3], 'all three');

@chunks = chunks(chat('[[mock tool=f]] Hi', with => { tools => [
    { type => 'function', function => { name => 'f' } }] }), 'a tool');
my ($call) = map { @{ $_->{choices}[0]{delta}{tool_calls} // [] } } @chunks;
is($call->{index}, 0, 'its index');
is($call->{function}{name}, 'f', 'its name');
is(ref decode_json($call->{function}{arguments}), 'HASH', 'its arguments');
is($chunks[-1]{choices}[0]{finish_reason}, 'tool_calls', 'the reason');

@chunks = chunks(chat('one two three four five six seven',
                      with => { max_tokens => 2 }), 'truncated');
is($chunks[-1]{choices}[0]{finish_reason}, 'length', 'the reason');

for my $size (1, 64, 65, 5000, 300000) {
    @chunks = chunks(chat("[[mock size=$size]] Hi"), "$size bytes");
    is(length text(0, @chunks), $size, 'all of them');
    cmp_ok(scalar @chunks, '<=', 66, 'in a bounded number of events');
}


# errors are told as without it

for (['of the LLM', 400, chat('[[mock status=400]] Hi')],
     ['of the provider', 502, chat('[[mock status=500]] Hi')],
     ['of the value', 400, chat('Hi', with => { temperature => 9 })],
     ['of the options', 400, chat('Hi', with => { stream_options => 1 })],
     ['of the time', 504, chat('[[mock delay=3000]] Hi',
                               path => "/short$path")])
{
    my ($name, $status, $c) = @$_;

    is($c->status, $status, "an error $name: $status") or diag($c->body);
    is($c->header('Content-Type'), 'application/json', "$name: JSON");
    is($c->header('Cache-Control'), 'no-store', "$name: not kept");
    ok(decode_json($c->body)->{error}{message}, "$name: a message");
}


# null and false are as if it was not there

for (undef, JSON::PP::false) {
    $c = chat('Hi', with => { stream => $_, stream_options => {
                  include_usage => JSON::PP::true } });
    is($c->header('Content-Type'), 'application/json', 'not streamed');
    is(decode_json($c->body)->{object}, 'chat.completion', 'a completion');
    is($c->header('X-Accel-Buffering'), undef, 'and nothing about events');
}


# an answer is repeated in the form that was asked for

my @key = (headers => ['Idempotency-Key: a']);
my $first = chat('Hi [[mock tag=once]]', @key);
$c = chat('Hi [[mock tag=once]]', @key);
is($c->header('Idempotent-Replayed'), 'true', 'replayed');
is($c->body, $first->body, 'the same events');
is($stack->calls('once'), 1, 'of one call');


# of a job it means nothing

$c = $stack->ask('/v1/jobs', headers => ['Prefer: wait=5'],
    body => encode_json({ request => {
        model => 'mock-1', stream => JSON::PP::true,
        stream_options => { include_usage => JSON::PP::true },
        messages => [{ role => 'user', content => 'Hi' }] } }));
is($c->status, 200, 'a job with "stream"');
is($c->header('Content-Type'), 'application/json', 'is a job');
is(decode_json($c->body)->{result}{choices}[0]{message}{content}, 'Echo: Hi',
   'with its answer');

$stack->end;

done_testing();
