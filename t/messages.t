# POST /v1/messages from end to end: what a client of Anthropic's API sends
# reaches the LLM in its own dialect, and what that says comes back as a message,
# whole or as events.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(
    http => 'log_format seen "$uri $status route=$weir_route '
            . 'model=$weir_model status=$weir_status id=$weir_request_id";
             access_log seen.log seen;',
    location => 'weir_api;', worker => 'attempts = 1',
    server => 'location /short/ { weir_api; weir_max_wait 2s; }
               location = /metrics { weir_metrics; }');

$stack->start;

my $path = '/v1/messages';
my @version = ('anthropic-version: 2023-06-01');


sub message {
    my ($text, %o) = @_;

    my $body = encode_json({
        model => 'mock-1', max_tokens => 1000, %{ $o{with} // {} },
        messages => $o{messages} // [{ role => 'user', content => $text }],
    });

    return $stack->ask($o{path} // $path, body => $body,
                       headers => $o{headers} // \@version);
}


sub answer { return decode_json(message(@_)->body) }

sub asked { return decode_json($stack->mock('/mock/last')->body)->{json} }


# the answer, member by member

my $c = message('Hi', headers => [@version, 'X-Request-Id: from-the-client']);

is($c->status, 200, 'answered') or diag($c->body);
is($c->header('Content-Type'), 'application/json', 'media type');
is($c->header('request-id'), 'from-the-client', 'request-id');
is($c->header('X-Request-Id'), 'from-the-client', 'X-Request-Id');
is($c->header('Cache-Control'), 'no-store', 'Cache-Control');
is($c->header('Content-Length'), length $c->body, 'length');

my ($job) = $c->header('X-Weir-Job') =~ /^job_(\w{24})$/;
my $answer = decode_json($c->body);

is($answer->{id}, "msg_$job", 'id: that of the job');
is_deeply([@$answer{qw(type role model stop_reason stop_sequence)}],
          ['message', 'assistant', 'mock-1', 'end_turn', undef], 'members');
is_deeply($answer->{content}, [{ type => 'text', text => 'Echo: Hi' }],
          'content') or diag(explain($answer->{content}));
is($answer->{usage}{input_tokens}, 1, 'input tokens');
is($answer->{usage}{output_tokens}, 2, 'output tokens');

$stack->wait_for(5, sub {
    Weir::Stack::slurp($stack->dir . '/seen.log')
        =~ m{^\Q$path\E 200 route=messages model=mock-1 status=COMPLETED id=from-the-client$}m
}, 'the log knows its route and its id');


# who it is, and which version is spoken

for (['x-api-key', ['X-API-Key: ' . $stack->key, @version]],
     ['Bearer', [$stack->auth, @version]],
     ['no version', [$stack->auth]],
     ['a version of the future', [$stack->auth,
                                  'anthropic-version: 2099-01-01']],
     ['betas', [$stack->auth, @version, 'anthropic-beta: a-2025-01-01,b']])
{
    my ($name, $headers) = @$_;

    my $c = $stack->ask($path, no_key => 1, headers => $headers,
        body => '{"model":"mock-1","max_tokens":9,"messages":'
                . '[{"role":"user","content":"Hi"}]}');
    is($c->status, 200, "$name: 200") or diag($c->body);
    is(decode_json($c->body)->{type}, 'message', "$name: a message");
}


# what the LLM was asked

message(undef, with => { temperature => 0.5, top_p => 1, max_tokens => 100,
                         stop_sequences => ['END'], system => 'Be brief.',
                         metadata => { user_id => 'u-1' },
                         tools => [{ name => 'f', description => 'does',
                                     input_schema => { type => 'object' } }],
                         tool_choice => { type => 'any' } },
        messages => [
            { role => 'user', content => [
                { type => 'text', text => 'Grüße 😀' },
                { type => 'image', source => {
                    type => 'base64', media_type => 'image/png',
                    data => 'iVBORw0KGgo=' } },
                { type => 'image', source => {
                    type => 'url', url => 'https://x/y.png' } }] },
            { role => 'assistant', content => [
                { type => 'text', text => 'Let me see.' },
                { type => 'tool_use', id => 'toolu_1', name => 'f',
                  input => { a => 1 } }] },
            { role => 'user', content => [
                { type => 'tool_result', tool_use_id => 'toolu_1',
                  content => '42' },
                { type => 'text', text => 'Go' }] }]);

my $last = decode_json($stack->mock('/mock/last')->body);
my $asked = $last->{json};

is($last->{headers}{authorization}, 'Bearer mock', "the provider's key");
unlike(encode_json($last), qr/\Q@{[ $stack->key ]}\E|anthropic-version/i,
       "and nothing of the client's");
is($asked->{model}, 'mock-1', 'model');
is($asked->{temperature}, 0.5, 'temperature');
is($asked->{max_tokens}, 100, 'max_tokens');
is_deeply($asked->{stop}, ['END'], 'stop_sequences');
is($asked->{user}, 'u-1', 'user_id');
is($asked->{tool_choice}, 'required', 'tool_choice');
is($asked->{tools}[0]{function}{name}, 'f', 'a tool');
is_deeply($asked->{tools}[0]{function}{parameters}, { type => 'object' },
          'its schema');
is_deeply([map { $_->{role} } @{ $asked->{messages} }],
          [qw(system user assistant tool user)], 'roles');
is($asked->{messages}[0]{content}, 'Be brief.', 'system');
is($asked->{messages}[1]{content}[0]{text}, 'Grüße 😀', 'text');
is($asked->{messages}[1]{content}[1]{image_url}{url},
   'data:image/png;base64,iVBORw0KGgo=', 'an image');
is($asked->{messages}[1]{content}[2]{image_url}{url}, 'https://x/y.png',
   'an image elsewhere');
is_deeply(decode_json($asked->{messages}[2]{tool_calls}[0]{function}{arguments}),
          { a => 1 }, 'a call of a tool');
is($asked->{messages}[3]{tool_call_id}, 'toolu_1', 'whose result it is');
is($asked->{messages}[3]{content}, '42', 'the result');


# forms of answers

is(answer('Grüße 😀')->{content}[0]{text}, 'Echo: Grüße 😀', 'any text');
is(answer('one two three four five six', with => { max_tokens => 2 })
       ->{stop_reason}, 'max_tokens', 'cut by max_tokens');

my @tools = (tools => [{ name => 'f', input_schema => { type => 'object' } }]);

$answer = answer('[[mock tool=f args={"a":"b"}]] Hi', with => { @tools });
is($answer->{stop_reason}, 'tool_use', 'a tool is called');
is($answer->{content}[-1]{type}, 'tool_use', 'in a block');
is($answer->{content}[-1]{name}, 'f', 'by its name');
is_deeply($answer->{content}[-1]{input}, { a => 'b' }, 'with its input');

for my $size (1, 2000, 300000) {
    is(length answer("[[mock size=$size]] Hi", with => { max_tokens => 1e5 })
           ->{content}[0]{text}, $size, "an answer of $size bytes");
}


# events: the same message

sub events {
    my ($c, $name) = @_;

    is($c->status, 200, "$name: 200") or diag($c->body);
    is($c->header('Content-Type'), 'text/event-stream', "$name: events");
    is($c->header('X-Accel-Buffering'), 'no', "$name: not held back");
    ok($c->header('request-id'), "$name: request-id");

    my @events = map {
        my ($event, $data) = /^event: (\w+)\ndata: ([^\n]+)$/
            or die "$name: $_";
        my $json = decode_json($data);
        $json->{type} eq $event or die "$name: $event is $json->{type}";
        $json;
    } split /\n\n/, $c->body;

    is($events[0]{type}, 'message_start', "$name: begins");
    is($events[-1]{type}, 'message_stop', "$name: ends");
    is($events[-2]{type}, 'message_delta', "$name: with a reason");

    return @events;
}

my $true = JSON::PP::true;
my @events = events(message('Grüße 😀', with => { stream => $true }), 'plain');

is(join('', map { $_->{delta}{text} // '' } @events), 'Echo: Grüße 😀', 'text');
like($events[0]{message}{id}, qr/^msg_\w{24}$/, 'id');
is($events[-2]{delta}{stop_reason}, 'end_turn', 'reason');
is_deeply($events[-2]{usage}, answer('Grüße 😀')->{usage}, 'usage');

message('Hi', with => { stream => $true });
ok(asked()->{stream}, 'the LLM is asked for one');

@events = events(message('[[mock tool=f args={"a":"b"}]] Hi',
                         with => { stream => $true, @tools }), 'tool');
is_deeply(decode_json(join '', map { $_->{delta}{partial_json} // '' }
                               @events), { a => 'b' }, 'its input');
is($events[-2]{delta}{stop_reason}, 'tool_use', 'the reason');


# errors: of the client, of the LLM, of the time

sub fails {
    my ($c, $name, $status, $type, $like) = @_;

    is($c->status, $status, "$name: $status") or diag($c->body);

    my $body = decode_json($c->body);
    is_deeply([sort keys %$body], [qw(error request_id type)],
              "$name: its members");
    is($body->{error}{type}, $type, "$name: $type");
    like($body->{error}{message}, $like // qr/./, "$name: its message");
    is($body->{request_id}, $c->header('request-id'), "$name: its id");
}

for my $stream (JSON::PP::false, $true) {
    my %with = (with => { stream => $stream });
    my $how = $stream ? 'stream' : 'whole';

    fails(message('Hi', with => { stream => $stream, temperature => 1.5 }),
          "$how, temperature", 400, 'invalid_request_error', qr/temperature/);
    fails(message('Hi', with => { stream => $stream, max_tokens => undef }),
          "$how, max_tokens", 400, 'invalid_request_error', qr/max_tokens/);
    fails(message(undef, %with, messages => []), "$how, messages", 400,
          'invalid_request_error', qr/messages/);
    fails(message('[[mock status=400]] Hi', %with), "$how, the LLM", 400,
          'invalid_request_error');
    fails(message('[[mock status=500]] Hi', %with), "$how, it is broken", 502,
          'api_error');
    fails(message('[[mock status=429]] Hi', %with), "$how, its limit", 429,
          'rate_limit_error');
    fails(message('[[mock status=404]] Hi', %with), "$how, no model", 404,
          'not_found_error');
    fails(message('[[mock status=503 retry-after=7]] Hi', %with),
          "$how, overloaded", 502, 'api_error');

    # the header of a stream is sent after a second

    my $c = message('[[mock delay=4000]] Hi', %with, path => "/short$path");

    if ($stream) {
        is($c->status, 200, "$how, late: the status has gone");
        like($c->body, qr/^: ping\n\nevent: error\ndata: .*"timeout_error"/s,
             "$how, late: an error event");
        next;
    }

    fails($c, "$how, late", 504, 'timeout_error', qr/job_\w{24}/);
    is($c->header('x-should-retry'), 'false', "$how: not again");
}

fails(message('Hi', with => { stream => 'yes' }), 'stream', 400,
      'invalid_request_error', qr/stream/);


# what a provider has no words for

$c = message('Hi', with => { top_k => 5 });
fails($c, 'untranslatable', 400, 'invalid_request_error', qr/top_k/);
is($c->header('x-should-retry'), 'false', 'not again');

fails(message(undef, messages => [{ role => 'user', content => [
          { type => 'document', source => { type => 'text',
            media_type => 'text/plain', data => 'x' } }] }]),
      'a document', 400, 'invalid_request_error', qr/document/);


# routes beside it

for (['POST', 'count_tokens', 404, qr/not counted/],
     ['POST', 'batches', 404, qr{/v1/jobs}],
     ['GET', 'batches/x/results', 404, qr{/v1/jobs}],
     ['POST', 'x', 404, qr/no such route/])
{
    my ($method, $tail, $status, $like) = @$_;
    fails($stack->ask("$path/$tail", method => $method, body => '{}'),
          "$method $tail", $status, 'not_found_error', $like);
}

for my $method (qw(GET PUT DELETE)) {
    my $c = $stack->ask($path, method => $method);
    fails($c, $method, 405, 'invalid_request_error');
    is($c->header('Allow'), 'POST, OPTIONS', "$method: Allow");
}


# a job with a message in it: its result is the one of all jobs

sub job {
    my (%more) = @_;
    return $stack->ask('/v1/jobs', headers => ['Prefer: wait=10'],
                       body => encode_json({ %more }));
}

my %request = (model => 'mock-1', max_tokens => 9, system => 'S',
               messages => [{ role => 'user', content => 'Hi' }]);

$c = job(dialect => 'anthropic', request => \%request);
is($c->status, 200, 'a job') or diag($c->body);
is(decode_json($c->body)->{result}{choices}[0]{message}{content}, 'Echo: Hi',
   'its result');
is(asked()->{messages}[0]{role}, 'system', 'read as a message');

$c = job(request => \%request, dialect => 'openai');
is($c->status, 200, 'the same as a chat completion');
is(asked()->{messages}[0]{role}, 'user', 'read as one');

$c = job(dialect => 'anthropic', request => { %request, max_tokens => undef });
is($c->status, 400, 'a bad message');
like($c->body, qr/max_tokens/, 'whose member is named');
is($c->header('Content-Type'), 'application/problem+json', 'as of a job');

for my $dialect ('Anthropic', '', undef, 7, 'problem') {
    my $c = job(dialect => $dialect, request => \%request);
    is($c->status, 400, 'dialect ' . ($dialect // 'null'));
    is(decode_json($c->body)->{param}, 'dialect', 'it is to blame');
}


# models: the same path, in the dialect of who asks

my @models = $stack->wait_for(10, sub {
    my $c = $stack->ask('/v1/models', headers => \@version);
    $c->status == 200 && $c;
}, 'models');

my $list = decode_json($models[0]->body);
is_deeply([sort keys %$list], [qw(data first_id has_more last_id)], 'a list');
is_deeply([map { $_->{id} } @{ $list->{data} }], [qw(mock-1 mock-large)],
          'of models');
is($list->{has_more}, JSON::PP::false, 'all of them');
is($list->{first_id}, 'mock-1', 'the first');
is($list->{last_id}, 'mock-large', 'the last');
is_deeply([sort keys %{ $list->{data}[0] }],
          [qw(created_at display_name id type)], 'a model');
is($list->{data}[0]{type}, 'model', 'its type');
like($list->{data}[0]{created_at}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
     'its time');
ok($models[0]->header('request-id'), 'request-id');

$c = $stack->ask('/v1/models/mock-1', headers => \@version);
is(decode_json($c->body)->{display_name}, 'mock-1', 'one model');
fails($stack->ask('/v1/models/none', headers => \@version), 'no model', 404,
      'not_found_error');
fails($stack->ask('/v1/models', method => 'POST', body => '{}',
                  headers => \@version), 'POST', 405, 'invalid_request_error');

$c = $stack->ask('/v1/models');
is(decode_json($c->body)->{object}, 'list', 'without a version it is OpenAI');
is($c->header('request-id'), undef, 'and has no request-id');


# Idempotency-Key: one job, of this route

sub keyed {
    my ($to, %more) = @_;
    my $c = $stack->request($to, headers => ['Idempotency-Key: k', @version],
        body => encode_json({ model => 'mock-1', max_tokens => 9, %more,
            messages => [{ role => 'user',
                           content => '[[mock tag=keyed delay=200]] Hi' }] }));
    return $c;
}

my @same = map { keyed($path) } 1 .. 10;
Weir::Client::wait_all(20, @same);

is(scalar(grep { $_->status == 200 } @same), 10, 'ten with a key');
is(scalar(keys %{{ map { $_->body => 1 } @same }}), 1, 'one message');
is($stack->calls('keyed'), 1, 'one call');
is(scalar(grep { !$_->header('Idempotent-Replayed') } @same), 1,
   'nine are told so');

$c = keyed($path, temperature => 0);
$c->wait(10);
fails($c, 'the key again', 422, 'invalid_request_error');

$c = keyed('/v1/chat/completions');
$c->wait(10);
is($c->status, 200, 'on another route it is another key');
is($stack->calls('keyed'), 2, 'and another call');

$stack->end;

done_testing();
