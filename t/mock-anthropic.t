# The mock LLM as Anthropic: messages whole and as events, their headers and
# errors.

use strict;
use warnings;
use utf8;

use lib 't/lib';
use Encode ();
use JSON::PP;
use Test::More;
use Weir::Mock;

my $m = Weir::Mock->new;
my @version = ('anthropic-version: 2023-06-01');
my @tools = (tools => [{ name => 'f', input_schema => {} }]);


sub names { join ' ', map { $_->{name} // '' } @{ $_[0]{events} } }


# a whole message

my $c = $m->anthropic('Hi ü', system => 'Be brief');
is($c->status, 200, 'a message');
like($c->header('Request-Id'), qr/^req-mock-\d+$/, 'its request id');
is($c->header('X-Request-Id'), undef, 'not by the name of the other dialect');

my $j = decode_json($c->body);
like(delete $j->{id}, qr/^msg_mock_\d+$/, 'its id');
is_deeply($j, {
    type => 'message', role => 'assistant', model => 'm',
    content => [{ type => 'text', text => 'Echo: Hi ü' }],
    stop_reason => 'end_turn', stop_sequence => undef,
    usage => { input_tokens => 4, output_tokens => 3,
               cache_creation_input_tokens => 0,
               cache_read_input_tokens => 0 },
}, 'what it says');

is(decode_json($m->get('/mock/last')->body)->{path}, '/v1/messages',
   'it is the last call');


# tokens out of a cache

$j = decode_json($m->anthropic('[[mock cached=2]] Hi')->body);
is($j->{usage}{cache_read_input_tokens}, 2, 'what came out of a cache');
is($j->{usage}{input_tokens}, 3, 'is no input');
$j = decode_json($m->openai('[[mock cached=2]] Hi')->body);
is($j->{usage}{prompt_tokens}, 5, 'but to OpenAI');
is($j->{usage}{prompt_tokens_details}{cached_tokens}, 2, 'which says so');


# models come in pages

sub models {
    my ($query) = @_;

    my $c = $m->get("/v1/models$query", headers => \@version);
    my $j = decode_json($c->body);

    return join ' ', map({ $_->{id} } @{ $j->{data} }), map { $_ // '-' }
           $j->{has_more} ? 'more' : 'all', @$j{qw(first_id last_id)};
}

is(models(''), 'mock-1 mock-large all mock-1 mock-large', 'all models');
is(models('?limit=1'), 'mock-1 more mock-1 mock-1', 'the first page');
is(models('?after_id=mock-1'), 'mock-large all mock-large mock-large',
   'the second');
is(models('?after_id=none'), 'all - -', 'after none there is none');
is($m->json('/v1/models')->{object}, 'list', 'without a version: OpenAI');


# a stream

$c = $m->anthropic('one two', stream => \1);
is($c->header('Content-Type'), 'text/event-stream; charset=utf-8', 'events');
ok($c->whole, 'all of them');

my $e = events($c->body);
is(names($e), 'message_start content_block_start ' . 'content_block_delta ' x 3
   . 'content_block_stop message_delta message_stop', 'in their order');
is(scalar(grep { $_->{name} ne $_->{json}{type} } @{ $e->{events} }), 0,
   'named as they say');
is_deeply(blocks($e), [{ type => 'text', text => 'Echo: one two' }],
          'the text');

my ($start, $delta) = map { $_->{json} } @{ $e->{events} }[0, -2];
is($start->{message}{usage}{input_tokens}, 2, 'input tokens at the start');
is($start->{message}{usage}{output_tokens}, 1, 'one output token there');
is_deeply($start->{message}{content}, [], 'and no content');
is_deeply($delta->{delta},
          { stop_reason => 'end_turn', stop_sequence => undef },
          'the reason at the end');
is_deeply($delta->{usage}, { output_tokens => 4 }, 'and all output tokens');


# the whole and the stream tell the same

for (['max_tokens', '[[mock size=100]] x', max_tokens => 5],
     ['tools', '[[mock tool=f tools=2 args={"a":"b"}]] x', @tools],
     ['turns', '[[mock tool=f tools=3 turns=1 args={"a":1} pieces=4]]', @tools],
     ['all', '[[mock tool=f thinking=3 preface=2]] x', @tools],
     ['thinking', '[[mock thinking=2]] x'],
     ['wide', '[[mock words=wide size=33]] x'],
     ['wide tool', '[[mock words=wide tool=f pieces=20]] x', @tools],
     ['nothing', '[[mock size=0]] x'],
     ['reason', '[[mock finish=refusal]] x'])
{
    my ($name, @ask) = @$_;

    my $whole = decode_json($m->anthropic(@ask)->body);
    my $e = events($m->anthropic(@ask, stream => \1)->body);
    my $blocks = blocks($e);
    my ($delta) = map { $_->{json} } $e->{events}[-2];

    for (@$blocks) {
        my $json = delete $_->{partial_json};
        $_->{input} = decode_json(Encode::encode_utf8($json)) if defined $json;
    }

    for (@$blocks, @{ $whole->{content} }) {
        like(delete $_->{id}, qr/^toolu_mock_\d+_\d$/, "$name: the tool's id")
            if $_->{type} eq 'tool_use';
    }

    is_deeply($blocks, $whole->{content}, "$name: the same content");
    is($delta->{delta}{stop_reason}, $whole->{stop_reason},
       "$name: the same reason");
    is($delta->{usage}{output_tokens}, $whole->{usage}{output_tokens},
       "$name: the same tokens");
}

$j = decode_json($m->anthropic('[[mock size=100]]', max_tokens => 5)->body);
is(length $j->{content}[0]{text}, 20, 'max_tokens cuts');
is($j->{stop_reason}, 'max_tokens', 'and says so');

$j = decode_json($m->anthropic('[[mock tool=f]]', @tools)->body);
is($j->{stop_reason}, 'tool_use', 'a tool is the reason');
is_deeply($j->{content}[0]{input}, {}, 'its arguments');


# who brings the result of a tool gets an answer

$j = decode_json($m->ask('/v1/messages', {
    model => 'm', max_tokens => 100, @tools, messages => [
        { role => 'user', content => '[[mock tool=f]] Hi' },
        { role => 'assistant', content => [
            { type => 'tool_use', id => 't', name => 'f', input => {} }] },
        { role => 'user', content => [
            { type => 'tool_result', tool_use_id => 't',
              content => [{ type => 'text', text => '42' }] }] }] },
    @version)->body);
is($j->{content}[0]{text}, 'Echo: Hi', 'the text of the last who said any');
is($j->{stop_reason}, 'end_turn', 'and no tool again');


# usage that is none, or cannot be

for my $stream (\0, \1) {
    for (['none', undef, undef], ['negative', -7, -5],
         ['huge', 9223372036854775807, 9223372036854775807])
    {
        my ($usage, $in, $out) = @$_;
        my $c = $m->anthropic("[[mock usage=$usage]]", stream => $stream);
        my ($start, $end) = $$stream
            ? map { $_->{json} } @{ events($c->body)->{events} }[0, -2]
            : (decode_json($c->body)) x 2;
        $start = $start->{message} // $start;

        is($start->{usage}{input_tokens}, $in, "usage=$usage: input");
        is($end->{usage}{output_tokens}, $out, "usage=$usage: output");
    }
}


# errors

my %types = (400 => 'invalid_request_error', 401 => 'authentication_error',
             402 => 'billing_error', 403 => 'permission_error',
             404 => 'not_found_error', 413 => 'request_too_large',
             422 => 'invalid_request_error', 429 => 'rate_limit_error',
             500 => 'api_error', 503 => 'api_error', 504 => 'timeout_error',
             529 => 'overloaded_error');

sub error {
    my ($name, $status, $c) = @_;

    my $j = decode_json($c->body);

    is($c->status, $status, "$name: $status");
    is_deeply([sort keys %$j], [qw(error request_id type)], "$name: its shape");
    is($j->{type}, 'error', "$name: an error");
    is($j->{error}{type}, $types{$status} // 'invalid_request_error',
       "$name: its type");
    ok(length $j->{error}{message}, "$name: a message");
    is($j->{request_id}, $c->header('Request-Id'), "$name: the request id");
}

for my $status (sort keys %types) {
    error('planned', $status, $m->anthropic("[[mock status=$status]]",
                                            stream => \1));
}

my $good = Weir::Mock::message('Hi');
error('no version', 400, $m->ask('/v1/messages', $good));
error('no max_tokens', 400, $m->ask('/v1/messages', {
    %$good, max_tokens => undef }, @version));
error('no JSON', 400, $m->ask('/v1/messages', '{', @version));
error('no model', 400, $m->ask('/v1/messages', '{}', @version));
error('bad plan', 400, $m->anthropic('[[mock nonsense=1]]'));
error('no key', 401, $m->anthropic('[[mock key=k]]'));
error('a bearer', 401, $m->ask('/v1/messages',
    Weir::Mock::message('[[mock key=k]]'), @version,
    'Authorization: Bearer k'));
error('wrong key', 401, $m->ask('/v1/messages',
    Weir::Mock::message('[[mock key=k]]'), @version, 'x-api-key: l'));
error('no such model', 404, $m->anthropic('[[mock models=a,b]]'));
error('GET', 405, $m->get('/v1/messages'));
error('no such path', 404, $m->get('/v1/messages/batches'));

is($m->ask('/v1/messages', Weir::Mock::message('[[mock key=k]]'), @version,
           'x-api-key: k')->status, 200, 'the right key');


# calls are counted like others

$m->anthropic('[[mock tag=a]] Hi');
$m->anthropic('[[mock tag=a]] Hi', stream => \1);
$m->anthropic('[[mock tag=a cut=body]] Hi', stream => \1);
is_deeply($m->json('/mock/calls?tag=a'),
          { tag => 'a', calls => 3, completed => 2, cut => 1, aborted => 0 },
          'three calls');

$m->end;

done_testing();
